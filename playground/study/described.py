"""A study's tables as they are, without a model of people: what won, what was said, agreement, times. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from playground import bootstrap
from playground.cards import Estimate
from playground.study import fits
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import TooLittleError

VERDICTS = ("weak", "right", "strong", "broken")

_T = TypeVar("_T")
_S = TypeVar("_S")
Table = Any
"""A pandas table or column; the types of pandas end there."""


@dataclass(frozen=True)
class Result(Generic[_T]):
    """A result, or None and the reason."""

    value: _T | None
    reason: str = ""


@dataclass(frozen=True)
class StrengthEstimate:
    """An estimate at one strength, from so many answers."""

    strength: float
    estimate: Estimate
    answers: int = 0


@dataclass(frozen=True)
class VerdictShares:
    """The shares of the verdicts on single replies at one strength."""

    strength: float
    answers: int
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Slider:
    """Where people left the slider: the mean, how far people's own means lie apart, and the pull of where it began.

    `pull` is the slope of the end on the start: 0 is none, 1 is a slider that nobody moves. It is None where the slider
    always began at the same strength.
    """

    mean: Estimate
    deviation: float
    pull: Estimate | None
    ends: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Times:
    """Seconds an answer took, by the browser's clock: median and middle half."""

    task: str
    answers: int
    median: float
    low: float
    high: float
    too_fast: float


def found(work: Callable[[], _T]) -> Result[_T]:
    """What `work` returns, or the reason why it could not."""
    try:
        return Result(work())
    except TooLittleError as error:
        return Result(None, str(error))


def of(model: Result[_T], work: Callable[[_T], _S]) -> Result[_S]:
    """What `work` makes of something found, or the reason why it cannot."""
    value = model.value
    return Result(None, model.reason) if value is None else found(lambda: work(value))


def persons(rows: Table) -> tuple[Places, int]:
    """Whose each row is, counted from 0, and of how many people."""
    person, names = pd.factorize(rows["person"])
    return person.astype(np.int64), len(names)


def won(ordinary: Table, strengths: Sequence[float]) -> tuple[StrengthEstimate, ...]:
    """The share of its pairs each strength won, a tie as half and both bad as none; the interval is over people."""
    person, people = persons(ordinary)
    if people < 2:
        raise TooLittleError("A win rate takes pairs of at least two people.")
    choice = ordinary["choice"].to_numpy(dtype=object)
    rates: list[StrengthEstimate] = []
    for strength in strengths:
        sides = [(ordinary[side] == strength).to_numpy(dtype=bool) for side in ("left", "right")]
        place = np.concatenate([np.flatnonzero(is_there) for is_there in sides])
        side = np.repeat(["left", "right"], [int(is_there.sum()) for is_there in sides])
        points = np.where(choice[place] == "tie", 0.5, (choice[place] == side).astype(float))
        if len(place):
            rates.append(StrengthEstimate(strength, fits.mean(person[place], people, points), len(place)))
    return tuple(rates)


def bad(ordinary: Table, strengths: Sequence[float]) -> tuple[StrengthEstimate, ...]:
    """The share of its pairs in which both were called bad, by strength; the interval is over people."""
    person, people = persons(ordinary)
    if people < 2:
        raise TooLittleError("A share takes pairs of at least two people.")
    called = (ordinary["choice"] == "bad").to_numpy(dtype=float)
    shares: list[StrengthEstimate] = []
    for strength in strengths:
        place = np.flatnonzero(((ordinary["left"] == strength) | (ordinary["right"] == strength)).to_numpy(dtype=bool))
        if len(place):
            shares.append(StrengthEstimate(strength, fits.mean(person[place], people, called[place]), len(place)))
    return tuple(shares)


def said(single: Table) -> tuple[VerdictShares, ...]:
    """The shares of the verdicts by strength."""
    groups = single.groupby("strength")["choice"]
    return tuple(
        VerdictShares(
            float(str(at)), len(choices), {verdict: float((choices == verdict).mean()) for verdict in VERDICTS}
        )
        for at, choices in groups
    )


def slider(rows: Table) -> Slider:
    """Where the slider was left."""
    person, people = persons(rows)
    ends, starts = (rows[name].to_numpy(dtype=float) for name in ("strength", "start"))
    mean = fits.mean(person, people, ends)
    own = np.bincount(person, ends) / np.bincount(person)
    weights = bootstrap.counts(people)[:, person]
    total = weights.sum(axis=1)
    from_start = starts - (weights @ starts / total)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = (weights * from_start * ends).sum(axis=1) / (weights * from_start**2).sum(axis=1)
    counts = rows["strength"].value_counts().sort_index()
    return Slider(
        mean=mean,
        deviation=float(own.std(ddof=1)),
        pull=fits.estimate(pull) if np.ptp(starts) else None,
        ends=tuple((float(str(at)), int(count)) for at, count in counts.items()),
    )


def left(ordinary: Table) -> Estimate:
    """The share of decided pairs that left won."""
    decided = ordinary[ordinary["choice"].isin(["left", "right"])]
    return fits.mean(*persons(decided), (decided["choice"] == "left").to_numpy(dtype=float))


def agreement(ordinary: Table, single: Table) -> dict[str, Result[Estimate]]:
    """How far people agree with each other, about pairs and about single replies."""
    return {"pairs": found(lambda: pairs_agree(ordinary)), "single": found(lambda: singles_agree(single))}


def pairs_agree(ordinary: Table) -> Estimate:
    """Over contents and pairs of strengths: -1 the weaker reply was liked, 1 the stronger, 0 neither."""
    towards = ordinary["choice"].map({"right": 1.0, "left": -1.0}).fillna(0.0).to_numpy(dtype=float)
    stronger = np.where((ordinary["right"] > ordinary["left"]).to_numpy(dtype=bool), towards, -towards)
    unit = ordinary["cell"] + " " + ordinary["prompt"] + " " + ordinary["seed"].astype("string")
    return fits.agreement(_matrix(ordinary["person"], unit, stronger))


def singles_agree(single: Table) -> Estimate:
    """Over replies: the verdicts in their order."""
    rank = single["choice"].map({verdict: number for number, verdict in enumerate(VERDICTS)})
    return fits.agreement(_matrix(single["person"], single["reply_id"], rank.to_numpy(dtype=float)))


def _matrix(person: Table, unit: Table, rating: Array) -> Table:
    rows = pd.DataFrame({"person": person.to_numpy(), "unit": unit.to_numpy(dtype=object), "rating": rating})
    return rows.drop_duplicates(["person", "unit"]).pivot(index="person", columns="unit", values="rating")


def repeated(rows: Table) -> Estimate:
    """The share of repeated pairs answered as before."""
    rows = rows[rows["correct"].notna()]
    return fits.mean(*persons(rows), rows["correct"].to_numpy(dtype=float))


def times(table: Table) -> tuple[Times, ...]:
    """How long answers took, by task."""
    return tuple(
        Times(
            task=str(task),
            answers=len(rows),
            median=float(rows["client_s"].median()),
            low=float(rows["client_s"].quantile(0.25)),
            high=float(rows["client_s"].quantile(0.75)),
            too_fast=float(rows["too_fast"].fillna(value=False).mean()),
        )
        for task, rows in table[table["check"] != "instructed"].groupby("task")
    )
