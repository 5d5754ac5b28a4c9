"""Rows that come back from a file, checked as strictly as the store writes them. No complaint tells what is in one."""

import math
from collections.abc import Mapping
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy import Column, Table

from playground.errors import InvalidInput
from playground.study.forms import Answer
from playground.study.parts import CHOICES, Kind
from playground.study.stimuli import Study
from playground.study.tables import answers, people, studies, trials

_MOST = 2**31 - 1
_WORDS: dict[Column[Any], frozenset[str]] = {
    people.c.outcome: frozenset({"", "completed", "failed", "screened"}),
    trials.c.kind: frozenset(get_args(Kind)),
    trials.c.check: frozenset({"", "instructed", "gold", "repeated"}),
    answers.c.choice: frozenset(choice for choices in CHOICES.values() for choice in choices),
}
"""Columns that hold one of a few words."""

_REPLIES = {"pair": (0, 2), "single": (1,)}
"""How many replies a trial has; the other kinds have some."""


class BackupRows:
    """Checks the rows of a backup, table by table in the order of `metadata.sorted_tables`.

    Trials of `study`, if one is given, must be such as it can show.
    """

    def __init__(self, study: Study | None) -> None:
        self.study = study
        self._ours: set[int] = set()
        self._people: set[int] = set()
        self._trials: dict[int, tuple[str, int]] = {}

    def complaint(self, table: Table, row: Any) -> str:
        """What is wrong with a row as JSON gave it, empty if nothing is."""
        if not isinstance(row, Mapping) or set(row) != set(table.c.keys()):
            return "its columns are not the table's"
        wrong = next((column.name for column in table.c if not _fits(column, row[column.name])), None)
        if wrong is not None:
            return f"{wrong} cannot be that"
        return self._misfit(table, row)

    def _misfit(self, table: Table, row: Mapping[str, Any]) -> str:
        """What does not go together in a row whose columns fit one by one."""
        if table is studies and self.study is not None and row["name"] == self.study.plan.name:
            if row["digest"] != self.study.digest:
                return "it is of another version of the study in the folder"
            self._ours.add(row["id"])
        if table is people and row["study_id"] in self._ours:
            self._people.add(row["id"])
        if table is trials:
            self._trials[row["id"]] = row["kind"], len(row["options"])
            return "" if self._can_be_shown(row) else "it is no trial of the study"
        if table is answers and not _answers(self._trials.get(row["trial_id"]), row):
            return "it answers no trial"
        return ""

    def _can_be_shown(self, row: Mapping[str, Any]) -> bool:
        kind, options, start = row["kind"], row["options"], row["start"]
        counts = _REPLIES.get(kind, range(1, 1000))
        if len(options) not in counts or (start is not None and not 0 <= start < len(options)):
            return False
        if (kind == "adjustment" and start is None) or (not options and row["check"] != "instructed"):
            return False
        if self.study is None or row["person_id"] not in self._people:
            return True
        task = self.study.plan.task(row["task"])
        return task is not None and task.kind == kind and set(options) <= set(self.study.stimuli)


def _answers(trial: tuple[str, int] | None, row: Mapping[str, Any]) -> bool:
    """Whether a row answers a trial of this kind with so many replies."""
    if trial is None:
        return False
    try:
        Answer(**{name: row[name] for name in Answer.model_fields}).check(*trial)
    except InvalidInput:
        return False
    return True


def _fits(column: Column[Any], value: Any) -> bool:
    """Whether a column can hold a value, and anybody can read it back."""
    if value is None:
        return bool(column.nullable)
    match column.type:
        case sa.Boolean():
            return isinstance(value, bool)
        case sa.Integer():
            return isinstance(value, int) and not isinstance(value, bool) and -_MOST <= value <= _MOST
        case sa.Float():
            return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
        case sa.String():
            return _is_text(value, column.type.length) and value in _WORDS.get(column, {value})
        case sa.JSON():
            return _is_of_its_shape(column.name, value)
    return False


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_text(value: Any, longest: int | None = None) -> bool:
    if not isinstance(value, str) or "\x00" in value or (longest is not None and len(value) > longest):
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_of_its_shape(name: str, value: Any) -> bool:
    """options: texts; path: pairs of numbers, which an answer checks itself; detail: names with texts or numbers."""
    if name == "detail":
        return isinstance(value, dict) and all(_is_text(key) and _is_plain(one) for key, one in value.items())
    return isinstance(value, list) and (name == "path" or all(map(_is_text, value)))


def _is_plain(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, int | float) and _is_finite(value))
