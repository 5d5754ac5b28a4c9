"""A study's tables as findings: numbers with intervals, or a sentence that says why there are none. Pure.

Everything is computed twice, with and without the people whom the rules of exclusion name.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import pandas as pd
from pydantic import TypeAdapter

from playground.cards import Estimate
from playground.errors import InvalidInput
from playground.settings import MAIN
from playground.study import described, family, fits, modelled, preferences
from playground.study.comparisons import MeasureEffects, Threshold
from playground.study.described import Result, Slider, StrengthEstimate, Table, Times, VerdictShares, found, of
from playground.study.differences import Differences
from playground.study.family import SecondaryTest
from playground.study.parts import Flags, PlannedAnalysis, Rule
from playground.study.preferences import PeoplePreferences, Preference, PreferenceModel, PromptPreferences

FLAGS = get_args(Rule)
"""For what a person can be excluded."""

USUAL = PlannedAnalysis().exclude


@dataclass(frozen=True)
class Findings:
    """What one group of people said.

    `order` is the chance that answers change so much from first to last if they do not, `questions` that of people
    differing by what they said of themselves; `by_choice` is the preference without the degrees.
    """

    people: int
    answers: int
    pairs: int
    choices: Mapping[str, int]
    won: Result[tuple[StrengthEstimate, ...]]
    bad: Result[tuple[StrengthEstimate, ...]]
    scores: Result[tuple[StrengthEstimate, ...]]
    preference: Result[Preference]
    by_choice: Result[Preference]
    differ: Result[PeoplePreferences]
    prompts: Result[PromptPreferences]
    topics: Result[Differences]
    conditions: Result[Differences]
    groups: Result[Differences]
    order: Result[float]
    questions: Mapping[str, Result[float]]
    measures: MeasureEffects
    tests: tuple[SecondaryTest, ...]
    too_strong: Result[Threshold]
    said: tuple[VerdictShares, ...]
    slider: Result[Slider]
    left: Result[Estimate]
    agreement: Mapping[str, Result[Estimate]]
    repeated: Result[Estimate]
    times: tuple[Times, ...]


@dataclass(frozen=True)
class Excluded:
    """A person left out, and for what."""

    person: int
    flags: tuple[str, ...]
    answers: int


@dataclass(frozen=True)
class Analysis:
    """A whole study. `kept` leaves out the people of `excluded`, `everyone` does not; `flow` is who came how far.

    `planned` is what the study file says of the analysis, None where it says nothing; `flags` are the
    limits above which somebody stood out.
    """

    study: str
    method: str
    axis: str
    strengths: tuple[float, ...]
    rules: tuple[str, ...]
    planned: PlannedAnalysis | None
    flags: Flags
    flow: Mapping[str, int]
    excluded: tuple[Excluded, ...]
    kept: Findings
    everyone: Findings

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is no finite number becomes None."""
        return _plain(asdict(self))


def schema() -> dict[str, Any]:
    """The JSON schema of `Analysis.as_json`."""
    return TypeAdapter(Analysis).json_schema()


def analyse(
    table: Table,
    people: Table,
    strengths: Sequence[float],
    rules: Sequence[str] | None = None,
    planned: PlannedAnalysis | None = None,
    others: Table | None = None,
    flags: Flags | None = None,
) -> Analysis:
    """The findings of `results.long_table` and `results.people_table`. Raises InvalidInput for an unknown rule.

    Without `rules` people are left out as planned, or else as usual. `others` are the answers of all conditions, where
    the table is of one, `flags` the limits by which people were flagged, if not the usual ones.
    """
    rules = (planned.exclude if planned else USUAL) if rules is None else rules
    unknown = [rule for rule in rules if rule not in FLAGS]
    if unknown:
        raise InvalidInput(f"People cannot be excluded for {unknown[0]!r}.", f"There are: {', '.join(FLAGS)}.")
    strengths, others = tuple(strengths), table if others is None else others
    excluded = _excluded(people, rules)
    out = [one.person for one in excluded]
    planned_or_usual = planned or PlannedAnalysis()
    everyone = findings((table, people, others), strengths, planned_or_usual)
    kept = (
        findings((_without(table, out), people, _without(others, out)), strengths, planned_or_usual)
        if out
        else everyone
    )
    return Analysis(
        study=_only(table["study"]),
        method=_only(table["method"]) or MAIN,
        axis=_only(table["axis"]),
        strengths=strengths,
        rules=tuple(rules),
        planned=planned,
        flags=flags or Flags(),
        flow={},
        excluded=excluded,
        kept=kept,
        everyone=everyone,
    )


def _without(table: Table, people: Sequence[int]) -> Table:
    return table[~table["person"].isin(people)]


def findings(tables: tuple[Table, Table, Table], strengths: tuple[float, ...], planned: PlannedAnalysis) -> Findings:
    """What people said: their long table, the table of people, and the long table of all conditions."""
    table, people, others = tables
    table = table.sort_values("person", kind="stable")
    ordinary = _ordinary(table)
    single = table[table["task"].isin(["single", "adaptive"])]
    model = found(lambda: PreferenceModel(modelled.as_pairs(ordinary), strengths))
    told = modelled.told(model, ordinary, people, planned.equivalent_within)
    comparable = others[others["method"].isin(table["method"].unique())]
    all_of_it = Findings(
        people=table["person"].nunique(),
        answers=len(table),
        pairs=len(ordinary),
        choices={str(choice): int(count) for choice, count in ordinary["choice"].value_counts().items()},
        won=found(lambda: described.won(ordinary, strengths)),
        bad=found(lambda: described.bad(ordinary, strengths)),
        scores=found(lambda: _scores(ordinary, strengths)),
        preference=of(model, preferences.preference),
        by_choice=found(
            lambda: preferences.preference(PreferenceModel(modelled.as_pairs(ordinary, degrees=False), strengths))
        ),
        differ=of(model, preferences.people),
        prompts=told.prompts,
        topics=told.topics,
        conditions=modelled.conditions(_ordinary(comparable), planned.equivalent_within),
        groups=told.groups,
        order=told.order,
        questions=told.questions,
        measures=modelled.measures(model, ordinary),
        tests=(),
        too_strong=found(lambda: modelled.too_strong(single, strengths)),
        said=described.said(single),
        slider=found(lambda: described.slider(table[table["task"] == "adjustment"])),
        left=found(lambda: described.left(ordinary)),
        agreement=described.agreement(ordinary, single),
        repeated=found(lambda: described.repeated(table[table["check"] == "repeated"])),
        times=described.times(table),
    )
    return replace(all_of_it, tests=family.tests(_chances(all_of_it), planned.secondary))


def _ordinary(table: Table) -> Table:
    return table[(table["task"] == "pair") & (table["check"] == "")]


def _scores(ordinary: Table, strengths: Sequence[float]) -> tuple[StrengthEstimate, ...]:
    return tuple(
        StrengthEstimate(at, score) for at, score in fits.bradley_terry(modelled.as_pairs(ordinary), strengths)
    )


def _chances(findings: Findings) -> dict[str, float | None]:
    """The secondary tests by what they ask."""
    compared = {name: getattr(findings, name).value for name in family.COMPARED}
    return {
        family.PEOPLE: findings.differ.value.chance if findings.differ.value else None,
        **{family.differ(name): one.chance if one else None for name, one in compared.items()},
        **{family.equivalent(name): one.equivalent if one else None for name, one in compared.items()},
        family.ORDER: findings.order.value,
        **{family.question(name): one.value for name, one in findings.questions.items()},
        **{
            family.beside(name): one.value.chances[name] if one.value else None
            for name, one in findings.measures.beside.items()
        },
    }


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
    if isinstance(value, Estimate | Flags | PlannedAnalysis):
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
