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

from playground.settings import SLIDERS
from playground.study.forms import TOO_STRONG
from playground.study.records import Records
from playground.study.stimuli import Stimulus, Study

COLUMNS: dict[str, tuple[str, str]] = {
    "study": ("string", "Name of the study."),
    "person": ("int64", "Number of the person; the external id is in no table that is analysed."),
    "position": ("int64", "Place of the trial in the person's schedule, practice included, from 0."),
    "task": ("string", "pair, adjustment, single or adaptive."),
    "block": ("string", "Name of the task, where the study has several of a kind; else its kind."),
    "check": ("string", 'Empty for an ordinary trial; else "instructed", "gold" or "repeated".'),
    "cell": ("string", "What the design shows equally often; empty for instructed and gold pairs."),
    "prompt": ("string", "Id of the prompt; empty for instructed pairs."),
    "topic": ("string", "Topic of the prompt."),
    "seed": ("Int64", "Seed of the replies' noise."),
    "condition": ("string", "Id of the condition; empty in a study without."),
    "axis": ("string", "Name of the axis."),
    "method": ("string", f"{' or '.join(SLIDERS)}: what the strengths are of."),
    "left": ("Float64", "Pair: strength of the left reply."),
    "right": ("Float64", "Pair: strength of the right reply."),
    "strength": ("Float64", "Single and adaptive: strength shown. Adjustment: strength chosen."),
    "start": ("Float64", "Adjustment: strength the slider began at."),
    "choice": ("string", "Pair: left, right, tie, bad. Adjustment: liked. Single: weak, right, strong, broken."),
    "degree": ("Int64", "Pair: -3 (left much better) to 3 (right much better), 0 a tie; missing if not asked."),
    "too_strong": ("boolean", "Single and adaptive: strong or broken was chosen."),
    "correct": ("boolean", "Instructed and gold: as expected. Repeated: the same reply, or again tie or both bad."),
    "repeats": ("Int64", "Repeated: position of the pair it repeats."),
    "flipped": ("boolean", "Adjustment: the slider ran from the highest strength to the lowest."),
    "left_tokens": ("Int64", "Pair: length of the left reply in tokens."),
    "right_tokens": ("Int64", "Pair: length of the right reply in tokens."),
    "left_words": ("Int64", "Pair: length of the left reply in words."),
    "right_words": ("Int64", "Pair: length of the right reply in words."),
    "left_reward": ("Float64", "Pair: the axis's reward of the left reply."),
    "right_reward": ("Float64", "Pair: the axis's reward of the right reply."),
    "left_kl": ("Float64", "Pair: KL to the base model of the left reply, nats per token."),
    "right_kl": ("Float64", "Pair: KL to the base model of the right reply, nats per token."),
    "left_perplexity": ("Float64", "Pair: perplexity of the left reply under the base model."),
    "right_perplexity": ("Float64", "Pair: perplexity of the right reply under the base model."),
    "tokens": ("Int64", "Not a pair: length in tokens of the reply at `strength`."),
    "words": ("Int64", "Not a pair: its length in words."),
    "reward": ("Float64", "Not a pair: its reward."),
    "kl": ("Float64", "Not a pair: its KL to the base model, nats per token."),
    "perplexity": ("Float64", "Not a pair: its perplexity under the base model."),
    "left_id": ("string", "Pair: stimulus id of the left reply."),
    "right_id": ("string", "Pair: stimulus id of the right reply."),
    "reply_id": ("string", "Not a pair: stimulus id of the reply at `strength`."),
    "path": ("string", "Adjustment: JSON list of [milliseconds, strength] as the slider moved."),
    "moves": ("Int64", "Adjustment: steps in that path."),
    "changes": ("int64", "How often the choice changed before it was sent."),
    "undone": ("int64", "How often an answer to it was taken back before this one; the last counts."),
    "client_s": ("float64", "Seconds from shown to answered by the browser's clock, of the last showing."),
    "server_s": ("float64", "Seconds from last shown to answered by the server's clock."),
    "hidden": ("int64", "How often the page lost the focus."),
    "hidden_s": ("float64", "For how many seconds in all."),
    "shows": ("int64", "How often the trial was shown; above 1 after a reload."),
    "too_fast": ("boolean", "Answered sooner than the plan's seconds per word; missing for instructed pairs."),
    "shown_at": ("datetime64[ns, UTC]", "First shown."),
    "answered_at": ("datetime64[ns, UTC]", "Saved."),
    "finished": ("bool", "The person came to the end."),
    "group": ("string", "The group the person is in; empty in a study without."),
    "pilot": ("bool", "The person tried the study out before it began."),
}
"""The long table: each column's dtype and meaning."""

PEOPLE: dict[str, tuple[str, str]] = {
    "study": ("string", "Name of the study."),
    "person": ("int64", "Number of the person, as in the long table."),
    "group": ("string", "The group they are in; empty in a study without."),
    "pilot": ("bool", "They tried the study out before it began; no part of its results."),
    "consent_version": ("string", "The consent text agreed to."),
    "consented_at": ("datetime64[ns, UTC]", "When the person consented."),
    "finished_at": ("datetime64[ns, UTC]", "When they came to the end; missing if they have not."),
    "minutes": ("Float64", "Between the two."),
    "outcome": ("string", "completed, failed (checks) or screened (out by a question); empty if not finished."),
    "trials": ("int64", "Counted trials in the schedule, checks included."),
    "answered": ("int64", "How many of them are answered."),
    "checks": ("int64", "Instructed and gold pairs answered."),
    "checks_failed": ("int64", "How many of them wrongly."),
    "repeats": ("int64", "Repeated pairs answered."),
    "repeats_differ": ("int64", "How many of them otherwise than the first time."),
    "too_fast": ("int64", "Trials answered too fast."),
    "hidden": ("int64", "Times the page lost the focus."),
    "left_share": ("Float64", "Share of left among the left and right answers to ordinary pairs."),
    "flags": ("string", "What stands out, separated by spaces: failed_check, inconsistent, too_fast, one_sided."),
}
"""The table of people: each column's dtype and meaning. Columns q_ID hold the answers to the study's questions."""

_ENOUGH = 8  # choices of a side, to tell that somebody has one


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


EVENTS: dict[str, tuple[str, str]] = {
    "at": ("datetime64[ns, UTC]", "When it happened."),
    "person": ("Int64", "Number of the person; missing for one who declined, or of whom nobody knows."),
    "position": ("Int64", "Place of the trial in the person's schedule; missing for what is of no trial."),
    "kind": (
        "string",
        "What happened: consented, instructed, shown, answered, undone, responded, finished, declined, ...",
    ),
    "detail": ("string", "More of it, as JSON."),
}
"""The event log: each column's dtype and meaning."""


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
    return _frame(rows, EVENTS)


def long_table(records: Records, study: Study, counted: bool = True) -> pd.DataFrame:
    """One row per counted answer, or per one of practice, with the columns of `COLUMNS`."""
    rows = records.answered_trials(counted)
    first = {(row["person_id"], row["position"]): row for row in rows}
    return _frame([_row(study, row, first) for row in rows], COLUMNS)


def people_table(records: Records, study: Study) -> pd.DataFrame:
    """One row per person, with the columns of `PEOPLE` and one more per question."""
    mine: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in long_table(records, study).to_dict("records"):
        mine[row["person"]].append({str(name): value for name, value in row.items()})
    asked = {f"q_{question.id}": ("string", question.text) for question in study.plan.questions}
    rows = [_person(study, person, mine[person["id"]]) for person in records.enrolled()]
    return _frame(rows, PEOPLE | asked)


def main_data(table: pd.DataFrame, people: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables without the pilot, which stays where there is nothing else, and without who was screened out."""
    kept = people.query("outcome != 'screened'")
    if bool((~kept["pilot"]).any()):
        kept = kept.query("not pilot")
    return table.loc[table["person"].isin(kept["person"])].reset_index(drop=True), kept.reset_index(drop=True)


def flow(records: Records) -> dict[str, int]:
    """How many people came how far; pilots and main data together."""
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
        "one_sided": share is not None and len(chosen) >= _ENOUGH and max(share, 1 - share) > limits.one_sided,
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


def _frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Rows as a table with just these columns and dtypes, also when there are none."""
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype="object").astype(dtype)  # pyright: ignore
            for name, (dtype, _) in columns.items()
        }
    )
