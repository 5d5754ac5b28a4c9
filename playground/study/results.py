"""What people answered, as tables: one row per answer, one row per person, and the curve the staff watch.

Nothing is left out but previews and practice: checks and flags are columns, and who analyses decides.
"""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from playground.study.columns import COLUMNS, EVENTS, PEOPLE, frame
from playground.study.forms import TOO_STRONG
from playground.study.records import Records
from playground.study.stimuli import Stimulus, Study

ENOUGH = 8
"""Choices of a side, to tell that somebody has one."""


@dataclass(frozen=True)
class WinRate:
    """How often a strength won the pairs it stood in; a tie is half a win, both bad is none for either."""

    strength: float
    shown: int
    wins: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Wins per showing."""
        return self.wins / self.shown


def events_table(records: Records) -> pd.DataFrame:
    """What happened, in order, with the columns of `EVENTS`; previews are not among it."""
    known = {person["id"] for person in records.enrolled()}
    rows = [
        {
            "at": _time(event["at"]),
            "person": event["person_id"],
            "position": event["position"],
            "kind": event["kind"],
            "detail": json.dumps(event["detail"], ensure_ascii=False),
        }
        for event in records.events()
        if event["person_id"] is None or event["person_id"] in known
    ]
    return frame(rows, EVENTS)


def long_table(records: Records, study: Study, counted: bool = True) -> pd.DataFrame:
    """One row per counted answer, or per one of practice, with the columns of `COLUMNS`."""
    rows = records.answered_trials(counted)
    first = {(row["person_id"], row["position"]): row for row in rows}
    return frame([_row(study, row, first) for row in rows], COLUMNS)


def people_table(records: Records, study: Study) -> pd.DataFrame:
    """One row per person, with the columns of `PEOPLE` and one more per question."""
    mine: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in long_table(records, study).to_dict("records"):
        mine[row["person"]].append({str(name): value for name, value in row.items()})
    asked = {f"q_{question.id}": ("string", question.text) for question in study.plan.questions}
    rows = [_person(study, person, mine[person["id"]]) for person in records.enrolled()]
    return frame(rows, PEOPLE | asked)


def main_data(table: pd.DataFrame, people: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables without the pilot, which stays where there is nothing else, and without who was screened out."""
    kept = people.query("outcome != 'screened'")
    if bool((~kept["pilot"]).any()):
        kept = kept.query("not pilot")
    return table.loc[table["person"].isin(kept["person"])].reset_index(drop=True), kept.reset_index(drop=True)


def flow(records: Records) -> dict[str, int]:
    """How many people came how far, without previews and pilots."""
    progress = records.progress()
    return {
        "declined": progress.declined,
        "began": progress.consented + progress.withdrawn,
        "withdrew": progress.withdrawn,
        "dropped out": progress.abandoned,
        "finished": progress.finished,
    }


def of_tasks(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The answers to some of the tasks."""
    return table.loc[table["block"].isin(list(names))].reset_index(drop=True)


def of_condition(table: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The answers to the replies of a condition, and to checks without any."""
    is_here = table["condition"] == condition
    return table.loc[is_here | (table["prompt"] == "")].reset_index(drop=True)


def liked(table: pd.DataFrame) -> list[WinRate]:
    """Win rate by strength over the ordinary pairs, with 95 % Wilson intervals; a first look, not the analysis."""
    pairs = table[(table["task"] == "pair") & (table["check"] == "")]
    shown: dict[float, int] = defaultdict(int)
    wins: dict[float, float] = defaultdict(float)
    for left, right, choice in zip(pairs["left"], pairs["right"], pairs["choice"], strict=True):
        for strength, side in ((left, "left"), (right, "right")):
            shown[strength] += 1
            wins[strength] += 1.0 if choice == side else 0.5 if choice == "tie" else 0.0
    return [WinRate(at, shown[at], wins[at], *wilson(wins[at], shown[at])) for at in sorted(shown)]


def wilson(wins: float, shown: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, (0, 1) of nothing."""
    if not shown:
        return 0.0, 1.0
    share, spread = wins / shown, z * z / shown
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread * spread / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _row(study: Study, row: Mapping[str, Any], first: Mapping[tuple[int, int], Mapping[str, Any]]) -> dict[str, Any]:
    options = [study.stimuli[option] for option in row["options"]]
    prompt = options[0] if options else None
    common = {
        "study": study.plan.name,
        "person": row["person_id"],
        "task": row["kind"],
        "block": row["task"],
        "prompt": prompt.prompt if prompt else "",
        "topic": prompt.topic if prompt else "",
        "seed": prompt.seed if prompt else None,
        "condition": prompt.condition if prompt else "",
        "axis": study.made_of(prompt.condition)[0] if prompt else "",
        "method": prompt.slider if prompt else "",
        "correct": _correct(row, first),
        "client_s": row["client_ms"] / 1000,
        "server_s": row["answered_at"] - row["last_shown_at"],
        "hidden_s": row["hidden_ms"] / 1000,
        "finished": row["finished_at"] is not None,
        "shown_at": _time(row["shown_at"]),
        "answered_at": _time(row["answered_at"]),
    }
    same = (
        "position",
        "check",
        "cell",
        "choice",
        "degree",
        "repeats",
        "changes",
        "hidden",
        "shows",
        "undone",
        "group",
        "pilot",
    )
    shown = _pair(options) if row["kind"] == "pair" else _one(options, row)
    return common | {name: row[name] for name in same} | shown | {"too_fast": _too_fast(study, row, options)}


def _pair(options: Sequence[Stimulus]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for side, one in zip(("left", "right"), options, strict=False):
        values |= {side: one.strength, f"{side}_id": one.id} | {
            f"{side}_{name}": value for name, value in _measures(one).items()
        }
    return values


def _one(options: Sequence[Stimulus], row: Mapping[str, Any]) -> dict[str, Any]:
    """A trial that ends at one reply: the one shown, or the one a slider was left at."""
    if row["kind"] == "adjustment":
        one = _at(options, row)
        path = [[ms, options[place].strength] for ms, place in row["path"]]
        slider = {
            "start": options[row["start"]].strength,
            "flipped": options[0].strength > options[-1].strength,
            "path": json.dumps(path),
            "moves": len(path),
        }
        return {"strength": one.strength, "reply_id": one.id} | _measures(one) | slider
    one = _at(options, row)
    return {"strength": one.strength, "reply_id": one.id, "too_strong": row["choice"] in TOO_STRONG} | _measures(one)


def _at(options: Sequence[Stimulus], row: Mapping[str, Any]) -> Stimulus:
    """The reply a trial that is no pair ends at."""
    return options[row["option"] if row["kind"] == "adjustment" else row["start"] or 0]


def _measures(one: Stimulus) -> dict[str, Any]:
    measured = {"reward": one.reward, "kl": one.kl, "perplexity": one.perplexity}
    return {"tokens": one.tokens, "words": words(one.reply)} | measured


def words(text: str) -> int:
    """How many words a person has to read."""
    return len(text.split())


def _correct(row: Mapping[str, Any], first: Mapping[tuple[int, int], Mapping[str, Any]]) -> bool | None:
    if row["expected"]:
        return row["choice"] == row["expected"]
    if row["check"] != "repeated":
        return None
    earlier = first.get((row["person_id"], row["repeats"]))
    swapped = {"left": "right", "right": "left"}
    return None if earlier is None else swapped.get(row["choice"], row["choice"]) == earlier["choice"]


def _too_fast(study: Study, row: Mapping[str, Any], options: Sequence[Stimulus]) -> bool | None:
    """Whether there was no time to read: both sides of a pair, or one reply of any other trial."""
    if not options:
        return None
    read = options if row["kind"] == "pair" else [_at(options, row)]
    return row["client_ms"] / 1000 < study.plan.checks.seconds_per_word * sum(words(one.reply) for one in read)


def _person(study: Study, person: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    checks = [row for row in rows if row["check"] in ("instructed", "gold")]
    repeats = [row for row in rows if row["check"] == "repeated"]
    sides = [row["choice"] for row in rows if row["task"] == "pair" and not row["check"]]
    chosen = [side for side in sides if side in ("left", "right")]
    failed = sum(not row["correct"] for row in checks)
    differ = sum(row["correct"] is False for row in repeats)
    fast = sum(row["too_fast"] is True for row in rows)
    share = chosen.count("left") / len(chosen) if chosen else None
    limits = study.plan.flags
    flags = {
        "failed_check": failed > limits.failed_check * len(checks),
        "inconsistent": len(repeats) >= limits.least_repeats and differ > limits.inconsistent * len(repeats),
        "too_fast": fast > limits.too_fast * len(rows),
        "one_sided": share is not None and len(chosen) >= ENOUGH and max(share, 1 - share) > limits.one_sided,
    }
    finished, began = person["finished_at"], person["consented_at"]
    return {
        "study": study.plan.name,
        "person": person["id"],
        "group": person["group"],
        "pilot": person["pilot"],
        "consent_version": person["consent_version"],
        "consented_at": _time(began),
        "finished_at": _time(finished),
        "minutes": None if finished is None else (finished - began) / 60,
        "outcome": person["outcome"],
        "trials": person["trials"],
        "answered": len(rows),
        "checks": len(checks),
        "checks_failed": failed,
        "repeats": len(repeats),
        "repeats_differ": differ,
        "too_fast": fast,
        "hidden": sum(row["hidden"] for row in rows),
        "left_share": share,
        "flags": " ".join(name for name, stands in flags.items() if stands),
    } | {f"q_{name}": value for name, value in person["responses"].items()}


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
