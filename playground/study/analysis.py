"""A study's tables as findings: numbers with intervals, or a sentence that says why there are none. Pure.

Everything is computed twice, with and without the people whom the rules of exclusion name.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from playground.cards import Estimate
from playground.errors import InvalidInput
from playground.study import fits
from playground.study.fits import Limit, Pairs, Preference, TooLittleError
from playground.study.results import wilson

FLAGS = ("failed_check", "inconsistent", "too_fast", "one_sided", "unfinished")
"""For what a person can be excluded."""

USUAL = ("failed_check", "too_fast")

VERDICTS = ("weak", "right", "strong", "broken")

_T = TypeVar("_T")
Table = Any
"""A pandas table or column; the types of pandas end there."""


@dataclass(frozen=True)
class Found(Generic[_T]):
    """A result, or None and the reason."""

    value: _T | None
    reason: str = ""


@dataclass(frozen=True)
class At:
    """An estimate at one strength, from so many answers."""

    strength: float
    estimate: Estimate
    answers: int = 0


@dataclass(frozen=True)
class Share:
    """How many of the people prefer this strength most, with Wilson's interval."""

    strength: float
    people: int
    share: Estimate


@dataclass(frozen=True)
class Topics:
    """The preferred strength by topic, and the probability of such differences if there were none."""

    preferred: Mapping[str, Found[Estimate]]
    chance: Found[float]


@dataclass(frozen=True)
class Said:
    """The shares of the verdicts on single replies at one strength."""

    strength: float
    answers: int
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Slider:
    """Where people left the slider: the mean, how far people's own means lie apart, and the pull of where it began.

    `pull` is the slope of the end on the start: 0 is none, 1 is a slider that nobody moves.
    """

    mean: Estimate
    deviation: float
    pull: Estimate
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


@dataclass(frozen=True)
class Findings:
    """What one group of people said. `differ` is the probability of their differences if all liked the same."""

    people: int
    answers: int
    pairs: int
    choices: Mapping[str, int]
    won: Found[tuple[At, ...]]
    scores: Found[tuple[At, ...]]
    preference: Found[Preference]
    with_length: Found[Preference]
    differ: Found[float]
    shares: Found[tuple[Share, ...]]
    topics: Topics
    too_strong: Found[Limit]
    said: tuple[Said, ...]
    slider: Found[Slider]
    left: Found[Estimate]
    agreement: Mapping[str, Found[Estimate]]
    repeated: Found[Estimate]
    times: tuple[Times, ...]


@dataclass(frozen=True)
class Excluded:
    """A person left out, and for what."""

    person: int
    flags: tuple[str, ...]
    answers: int


@dataclass(frozen=True)
class Analysis:
    """A whole study. `kept` leaves out the people of `excluded`; `everyone` does not."""

    study: str
    method: str
    axis: str
    strengths: tuple[float, ...]
    rules: tuple[str, ...]
    excluded: tuple[Excluded, ...]
    kept: Findings
    everyone: Findings

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is no finite number becomes None."""
        return _plain(asdict(self))


def analyse(table: Table, people: Table, strengths: Sequence[float], rules: Sequence[str] = USUAL) -> Analysis:
    """The findings of `results.long_table` and `results.people_table`. Raises InvalidInput for an unknown rule."""
    unknown = [rule for rule in rules if rule not in FLAGS]
    if unknown:
        raise InvalidInput(f"People cannot be excluded for {unknown[0]!r}.", f"There are: {', '.join(FLAGS)}.")
    strengths = tuple(strengths)
    excluded = _excluded(people, rules)
    out = {one.person for one in excluded}
    everyone = findings(table, strengths)
    kept = findings(table[~table["person"].isin(out)], strengths) if out else everyone
    return Analysis(
        study=_only(table["study"]),
        method=_only(table["method"]) or "alpha",
        axis=_only(table["axis"]),
        strengths=strengths,
        rules=tuple(rules),
        excluded=excluded,
        kept=kept,
        everyone=everyone,
    )


def findings(table: Table, strengths: tuple[float, ...]) -> Findings:
    """What the people in a long table said."""
    ordinary = table[(table["task"] == "pair") & (table["check"] == "")]
    pairs = as_pairs(ordinary)
    single = table[table["task"].isin(["single", "adaptive"])]
    liked = found(lambda: fits.preference(pairs, strengths))
    return Findings(
        people=table["person"].nunique(),
        answers=len(table),
        pairs=len(ordinary),
        choices={str(choice): int(count) for choice, count in ordinary["choice"].value_counts().items()},
        won=found(lambda: _won(ordinary, strengths)),
        scores=found(lambda: tuple(At(at, score) for at, score in fits.bradley_terry(pairs, strengths))),
        preference=liked,
        with_length=found(lambda: fits.preference(pairs, strengths, with_length=True)),
        differ=found(lambda: fits.people_differ(pairs, strengths)),
        shares=Found(_shares(liked.value.each, strengths)) if liked.value else Found(None, liked.reason),
        topics=_topics(ordinary, pairs, strengths),
        too_strong=found(lambda: _too_strong(single, strengths)),
        said=_said(single),
        slider=found(lambda: _slider(table[table["task"] == "adjustment"])),
        left=found(lambda: _left(ordinary)),
        agreement={"pairs": found(lambda: _pairs_agree(ordinary)), "single": found(lambda: _singles_agree(single))},
        repeated=found(lambda: _repeated(table[table["check"] == "repeated"])),
        times=_times(table),
    )


def as_pairs(ordinary: Table) -> Pairs:
    """Rows of ordinary pairs as arrays. Both bad is no preference, as a tie is."""
    person, people = _persons(ordinary)
    choice = ordinary["choice"].to_numpy(dtype=object)
    words = {side: ordinary[f"{side}_words"].to_numpy(dtype=float) + 1 for side in ("left", "right")}
    return Pairs(
        people=people,
        person=person,
        left=ordinary["left"].to_numpy(dtype=float),
        right=ordinary["right"].to_numpy(dtype=float),
        won=np.where(choice == "right", 1.0, np.where(choice == "left", 0.0, 0.5)),
        decided=np.isin(choice, ["left", "right"]),
        longer=np.log2(words["right"] / words["left"]),
    )


def found(work: Callable[[], _T]) -> Found[_T]:
    """What `work` returns, or the reason why it could not."""
    try:
        return Found(work())
    except TooLittleError as error:
        return Found(None, str(error))


def _won(ordinary: Table, strengths: Sequence[float]) -> tuple[At, ...]:
    """The share of its pairs each strength won, a tie as half and both bad as none; the interval is over people."""
    pairs = as_pairs(ordinary)
    if pairs.people < 2:
        raise TooLittleError("A win rate takes pairs of at least two people.")
    tie = (ordinary["choice"] == "tie").to_numpy(dtype=bool)
    rates: list[At] = []
    for strength in strengths:
        sides = [(pairs.left == strength, 0.0), (pairs.right == strength, 1.0)]
        place = np.concatenate([np.flatnonzero(is_there) for is_there, _ in sides])
        side = np.concatenate([np.full(is_there.sum(), won) for is_there, won in sides])
        points = np.where(tie[place], 0.5, (pairs.decided[place] & (pairs.won[place] == side)).astype(float))
        if len(place):
            rates.append(At(strength, fits.mean(pairs.person[place], pairs.people, points), len(place)))
    return tuple(rates)


def _shares(each: Sequence[float], strengths: Sequence[float]) -> tuple[Share, ...]:
    nearest = [min(strengths, key=lambda strength: abs(strength - one)) for one in each]
    shares: list[Share] = []
    for strength in strengths:
        low, high = wilson(nearest.count(strength), len(nearest))
        mean = nearest.count(strength) / len(nearest)
        shares.append(Share(strength, nearest.count(strength), Estimate(mean=mean, low=low, high=high)))
    return tuple(shares)


def _topics(ordinary: Table, pairs: Pairs, strengths: Sequence[float]) -> Topics:
    names = [str(name) for name in ordinary["topic"]]

    def preferred(topic: str) -> Estimate:
        return fits.preference(as_pairs(ordinary[ordinary["topic"] == topic]), strengths).preferred

    each = {topic: found(lambda topic=topic: preferred(topic)) for topic in sorted(set(names)) if topic}
    return Topics(each, found(lambda: fits.topics_differ(pairs, strengths, names)))


def _too_strong(single: Table, strengths: Sequence[float]) -> Limit:
    rows = single[single["too_strong"].notna()]
    person, people = _persons(rows)
    asked, said = (np.zeros((people, len(strengths))) for _ in range(2))
    place = np.array([strengths.index(strength) for strength in rows["strength"]], dtype=int)
    np.add.at(asked, (person, place), 1)
    np.add.at(said, (person, place), rows["too_strong"].to_numpy(dtype=float))
    return fits.too_strong(strengths, said, asked)


def _said(single: Table) -> tuple[Said, ...]:
    groups = single.groupby("strength")["choice"]
    return tuple(
        Said(float(str(at)), len(choices), {verdict: float((choices == verdict).mean()) for verdict in VERDICTS})
        for at, choices in groups
    )


def _slider(rows: Table) -> Slider:
    person, people = _persons(rows)
    ends, starts = (rows[name].to_numpy(dtype=float) for name in ("strength", "start"))
    mean = fits.mean(person, people, ends)
    own = np.bincount(person, ends) / np.bincount(person)
    weights = fits.resampled(people)[:, person]
    total = weights.sum(axis=1)
    from_start = starts - (weights @ starts / total)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = (weights * from_start * ends).sum(axis=1) / (weights * from_start**2).sum(axis=1)
    counts = rows["strength"].value_counts().sort_index()
    return Slider(
        mean=mean,
        deviation=float(own.std(ddof=1)),
        pull=fits.estimate(pull),
        ends=tuple((float(str(at)), int(count)) for at, count in counts.items()),
    )


def _left(ordinary: Table) -> Estimate:
    decided = ordinary[ordinary["choice"].isin(["left", "right"])]
    return fits.mean(*_persons(decided), (decided["choice"] == "left").to_numpy(dtype=float))


def _pairs_agree(ordinary: Table) -> Estimate:
    """Over contents and pairs of strengths: -1 the weaker reply was liked, 1 the stronger, 0 neither."""
    pairs = as_pairs(ordinary)
    stronger = np.where(pairs.right > pairs.left, 2 * pairs.won - 1, 1 - 2 * pairs.won)
    unit = ordinary["cell"] + " " + ordinary["prompt"] + " " + ordinary["seed"].astype("string")
    return fits.agreement(_matrix(ordinary["person"], unit, stronger))


def _singles_agree(single: Table) -> Estimate:
    rank = single["choice"].map({verdict: number for number, verdict in enumerate(VERDICTS)})
    return fits.agreement(_matrix(single["person"], single["reply_id"], rank.to_numpy(dtype=float)))


def _matrix(person: Table, unit: Table, rating: fits.Array) -> Table:
    rows = pd.DataFrame({"person": person.to_numpy(), "unit": unit.to_numpy(dtype=object), "rating": rating})
    return rows.drop_duplicates(["person", "unit"]).pivot(index="person", columns="unit", values="rating")


def _repeated(rows: Table) -> Estimate:
    rows = rows[rows["correct"].notna()]
    return fits.mean(*_persons(rows), rows["correct"].to_numpy(dtype=float))


def _persons(rows: Table) -> tuple[fits.Places, int]:
    """Whose each row is, counted from 0, and of how many people."""
    person, names = pd.factorize(rows["person"])
    return person.astype(np.int64), len(names)


def _times(table: Table) -> tuple[Times, ...]:
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


def _excluded(people: Table, rules: Sequence[str]) -> tuple[Excluded, ...]:
    out: list[Excluded] = []
    for row in people.to_dict("records"):
        stands = [*str(row["flags"]).split(), *(["unfinished"] if pd.isna(row["finished_at"]) else [])]
        named = tuple(flag for flag in stands if flag in rules)
        if named:
            out.append(Excluded(int(row["person"]), named, int(row["answered"])))
    return tuple(out)


def _only(column: Table) -> str:
    return str(column.iloc[0]) if len(column) else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
