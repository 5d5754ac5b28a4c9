"""The answers as files for other programs: CSV and Parquet, what the columns mean, JSON for LLM Comparator, a script
for R, and the whole as a Psych-DS dataset.

What recruiting services call people is in none of them.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from playground import __version__, spreadsheet
from playground import comparator as llm_comparator
from playground.comparator import Compared
from playground.errors import InvalidInput
from playground.settings import SLIDERS
from playground.study import columns, psych_ds, results
from playground.study.records import Records
from playground.study.stimuli import Stimulus, Study

REPLIES: dict[str, tuple[str, str]] = {
    "id": ("string", "Stimulus id, as in left_id, right_id and reply_id of the answers."),
    "prompt": ("string", "Id of the prompt."),
    "topic": ("string", "Topic of the prompt."),
    "practice": ("bool", "Only shown for practice."),
    "prompt_text": ("string", f"The prompt. {spreadsheet.MEANING}"),
    "axis": ("string", "Name of the axis."),
    "method": ("string", f"{' or '.join(SLIDERS)}: what the strength is of."),
    "strength": ("float64", "Strength of the reply."),
    **{name: ("float64", f"Its {name}; 0 if the study varies another slider.") for name in SLIDERS},
    "seed": ("int64", "Seed of its noise."),
    "reply": ("string", f"The reply; people read one that was cut with an ellipsis at its end. {spreadsheet.MEANING}"),
    "tokens": ("int64", "Its length in tokens."),
    "finish_reason": ("string", "stop: it came to its end; length: it was cut."),
    "reward": ("Float64", "The axis's reward of it."),
    "kl": ("Float64", "Its KL to the base model, nats per token."),
    "perplexity": ("Float64", "Its perplexity under the base model."),
    "sha256": ("string", "sha256 of the reply's UTF-8 bytes."),
    "condition": ("string", "Id of its condition; empty in a study without."),
}
"""The table of replies: each column's dtype and meaning."""

COMPARATOR, DICTIONARY = "llm-comparator.json", "dictionary.csv"
PSYCH_DS, REMAKE = "psych-ds", "remake.R"
TABLES = ("answers", "people", "replies", "practice", "events")
OTHERS = (DICTIONARY, COMPARATOR, "study.json", REMAKE, PSYCH_DS)


def write(study: Study, records: Records, folder: Path) -> list[Path]:
    """Write all files into a folder, made if need be; returns them.

    Raises InvalidInput when they cannot be written, or when one of that name is there: somebody may have worked on it.
    """
    files = [folder / name for name in (*(f"{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")), *OTHERS)]
    there = next((file for file in files if file.exists() or file.is_symlink()), None)
    if there is not None:
        raise InvalidInput(f"{there} is there already.", "Choose a new folder; an export overwrites nothing.")
    table, people = results.long_table(records, study), results.people_table(records, study)
    replies = pd.DataFrame([one.as_row() for one in study.stimuli.values()])
    practice, events = results.long_table(records, study, counted=False), results.events_table(records)
    tables: dict[str, pd.DataFrame] = dict(zip(TABLES, (table, people, replies, practice, events), strict=True))
    about = {
        "study": study.plan.name,
        "digest": study.digest,
        "version": __version__,
        "progress": asdict(records.progress()),
        "plan": study.plan.model_dump(mode="json", exclude={"codes"}),
        "manifest": asdict(study.manifest),
    }
    texts = {COMPARATOR: comparator(table, study.stimuli), "study.json": about}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as scratch:
            _write_all(Path(scratch), tables, dictionary(study), texts)
            psych_ds.write(Path(scratch) / PSYCH_DS, study, tables, dictionary(study))
            for file in files:  # only now, so that a full disk leaves no half of an export
                (Path(scratch) / file.name).rename(file)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written: {error.strerror}.", "Choose another place.") from None
    return files


def _write_all(
    folder: Path, tables: Mapping[str, pd.DataFrame], meanings: pd.DataFrame, texts: Mapping[str, object]
) -> None:
    for name, rows in tables.items():
        rows.to_parquet(folder / f"{name}.parquet", index=False)
        spreadsheet.write_csv(rows, folder / f"{name}.csv")
    spreadsheet.write_csv(meanings, folder / DICTIONARY)
    for name, values in texts.items():
        (folder / name).write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / REMAKE).write_text(Path(__file__).with_name(REMAKE).read_text(encoding="utf-8"), encoding="utf-8")


def dictionary(study: Study) -> pd.DataFrame:
    """What each column of each table means."""
    asked = {
        f"q_{question.id}": (
            "string",
            " ".join([question.text, *([spreadsheet.MEANING] if question.kind == "text" else [])]),
        )
        for question in study.plan.questions
    }
    tables = {"answers": columns.COLUMNS, "people": columns.PEOPLE | asked, "replies": REPLIES}
    tables |= {"practice": columns.COLUMNS, "events": columns.EVENTS}
    meanings = [(table, name, *what) for table, named in tables.items() for name, what in named.items()]
    return pd.DataFrame(meanings, columns=["table", "column", "dtype", "meaning"])


def comparator(table: pd.DataFrame, stimuli: Mapping[str, Stimulus]) -> dict[str, Any]:
    """Ordinary pairs for LLM Comparator: A is the reply at the higher strength, B at the lower.

    Each answer is a score from -1.5 to 1.5, above 0 where A was liked better: half its degree, or 1 if none was asked.
    """
    ordinary: Any = table[(table["task"] == "pair") & (table["check"] == "")]
    rated: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in ordinary.to_dict("records"):
        is_flipped = stimuli[row["right_id"]].strength > stimuli[row["left_id"]].strength
        ids = (row["right_id"], row["left_id"]) if is_flipped else (row["left_id"], row["right_id"])
        score = _rightwards(row) * (1 if is_flipped else -1) + 0.0
        rated[ids].append({"is_flipped": bool(is_flipped), "score": score, "rationale": str(row["choice"])})
    pairs = [_compared(stimuli[high], stimuli[low], scores) for (high, low), scores in sorted(rated.items())]
    source = str(table["study"].iloc[0]) if len(table) else ""
    return llm_comparator.comparator(source, ("higher strength", "lower strength"), pairs)


def _rightwards(row: Mapping[Any, Any]) -> float:
    """-1.5 to 1.5, above 0 where right was chosen."""
    if pd.isna(row["degree"]):
        return {"left": -1.0, "right": 1.0}.get(row["choice"], 0.0)
    return row["degree"] / 2


def _compared(high: Stimulus, low: Stimulus, scores: list[dict[str, Any]]) -> Compared:
    names = ("strength", "tokens", "reward", "kl", "perplexity")
    return Compared(
        high.prompt_text,
        high.reply,
        low.reply,
        float(np.mean([score["score"] for score in scores])),
        {name: (getattr(high, name), getattr(low, name)) for name in names},
        (high.topic,) if high.topic else (),
        tuple(scores),
    )
