"""From a study's tables to the arrays of the models, and what they answer. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from playground.study import comparisons, differences, preferences
from playground.study.comparisons import MeasureEffects, Threshold
from playground.study.described import Result, Table, found, of, persons
from playground.study.differences import Differences
from playground.study.family import MEASURES
from playground.study.model.pairs import Pairs, TooLittleError
from playground.study.preferences import PreferenceModel, PromptPreferences

_DEGREES = 7


@dataclass(frozen=True)
class ModelTests:
    """What bears on the preference, test by test."""

    prompts: Result[PromptPreferences]
    topics: Result[Differences]
    groups: Result[Differences]
    order: Result[float]
    questions: Mapping[str, Result[float]]


def as_pairs(ordinary: Table, degrees: bool = True) -> Pairs:
    """Rows of ordinary pairs, sorted by person, as arrays. Both bad is no preference, as a tie is.

    The degrees of preference are the answers where every left and right has one; else left, no preference, right.
    """
    person, people = persons(ordinary)
    choice = ordinary["choice"].to_numpy(dtype=object)
    towards = np.where(choice == "right", 1, np.where(choice == "left", -1, 0))
    degree = ordinary["degree"].fillna(0).to_numpy(dtype=np.int64)
    graded = degrees and bool((towards != 0).any()) and bool((np.sign(degree) == towards).all())
    categories = _DEGREES if graded else 3
    answer = degree + 3 if graded else towards + 1
    if categories == 3 and not (towards == 0).any():
        answer, categories = (towards + 1) // 2, 2
    return Pairs(
        people=people,
        person=person,
        left=ordinary["left"].to_numpy(dtype=float),
        right=ordinary["right"].to_numpy(dtype=float),
        answer=answer.astype(np.int64),
        categories=categories,
        prompt=pd.factorize(ordinary["prompt"])[0].astype(np.int64),
        covariates=_covariates(ordinary),
    )


def _covariates(ordinary: Table) -> dict[str, np.ndarray]:
    """What the right reply has more of than the left one; nan where it was not measured."""

    def side(name: str, column: str) -> np.ndarray:
        return ordinary[f"{name}_{column}"].to_numpy(dtype=float, na_value=np.nan)

    def ratio(column: str, more: float) -> np.ndarray:
        return np.log2(side("right", column) + more) - np.log2(side("left", column) + more)

    return {
        "reward": side("right", "reward") - side("left", "reward"),
        "KL": side("right", "kl") - side("left", "kl"),
        "perplexity": ratio("perplexity", 0.0),
        "length": ratio("words", 1.0),
    }


def told(
    model: Result[PreferenceModel], ordinary: Table, people: Table | None, margin: float | None = None
) -> ModelTests:
    """Prompts, topics, groups, order and questions; preferred strengths `margin` apart count as the same."""
    names = [str(name) for name in pd.factorize(ordinary["prompt"])[1]]
    topic = [str(name) for name in ordinary["topic"]]
    topic_of = dict(zip(ordinary["prompt"].astype(str), topic, strict=True))
    prompts = of(model, lambda one: preferences.by_prompt(one, names))
    position = ordinary["position"].to_numpy(dtype=float)
    return ModelTests(
        prompts=prompts,
        topics=of(model, lambda one: differences.topics(one, topic, prompts.value, topic_of, margin)),
        groups=_several(ordinary, "group", lambda: of(model, lambda one: _parts(one, ordinary["group"], margin))),
        order=of(model, lambda one: comparisons.order(one, position)),
        questions=_questions(model, ordinary, people),
    )


def conditions(ordinary: Table, margin: float | None = None) -> Result[Differences]:
    """Whether the conditions of one method differ in what is liked best; ordinary pairs of all of them."""

    def compared() -> Differences:
        rows = ordinary.sort_values("person", kind="stable")
        pairs = as_pairs(rows)
        strengths = np.unique(np.concatenate([pairs.left, pairs.right])).tolist()
        return _parts(PreferenceModel(pairs, strengths), rows["condition"], margin)

    return _several(ordinary, "condition", lambda: found(compared))


def _several(ordinary: Table, column: str, compare: Callable[[], Result[Differences]]) -> Result[Differences]:
    """What is found where a column names several."""
    return compare() if ordinary[column].nunique() > 1 else Result(None, differences.ONLY_ONE)


def _parts(model: PreferenceModel, label: Table, margin: float | None) -> Differences:
    return differences.parts(model, [str(name) for name in label], margin)


def _questions(model: Result[PreferenceModel], ordinary: Table, people: Table | None) -> dict[str, Result[float]]:
    """Whether those who answered a question differently like different strengths, question by question."""
    if people is None or model.value is None:
        return {}
    order = pd.factorize(ordinary["person"])[1]
    rows = people.set_index("person").reindex(order)
    asked = [name for name in people.columns if str(name).startswith("q_")]
    said = {name: [None if pd.isna(one) else str(one) for one in rows[name]] for name in asked}
    return {
        name.removeprefix("q_"): of(model, lambda one, name=name: comparisons.moderator(one, said[name]))
        for name in asked
    }


def measures(model: Result[PreferenceModel], ordinary: Table) -> MeasureEffects:
    """Reward, KL, perplexity and length: alone, beside the strengths, together."""
    beside = {name: of(model, lambda one, name=name: comparisons.beside(one, [name])) for name in MEASURES}
    known = [name for name, one in beside.items() if one.value is not None]
    return MeasureEffects(
        alone={name: of(model, lambda one, name=name: comparisons.alone(one, [name])) for name in MEASURES},
        beside=beside,
        together=of(model, lambda one: _together(one, known)),
        explained=of(model, comparisons.explained),
        means=_means(ordinary),
    )


def _together(model: PreferenceModel, known: list[str]) -> comparisons.CovariateEffects:
    if len(known) < 2:
        raise TooLittleError("Fewer than two measures can be told.")
    return comparisons.beside(model, known)


def _means(ordinary: Table) -> tuple[tuple[float, Mapping[str, float]], ...]:
    """The mean measures of the replies shown, each reply once, by strength."""
    columns = {
        "id": "id",
        "strength": "",
        "reward": "reward",
        "KL": "kl",
        "perplexity": "perplexity",
        "length": "words",
    }
    sides = [
        pd.DataFrame({name: ordinary[f"{side}_{column}" if column else side] for name, column in columns.items()})
        for side in ("left", "right")
    ]
    replies = pd.concat(sides).drop_duplicates("id")
    values: dict[str, np.ndarray] = {name: replies[name].to_numpy(dtype=float, na_value=np.nan) for name in MEASURES}
    known = [name for name, one in values.items() if not np.isnan(one).any()]
    strength = replies["strength"].to_numpy(dtype=float)
    return tuple(
        (float(at), {name: float(values[name][strength == at].mean()) for name in known}) for at in np.unique(strength)
    )


def too_strong(single: Table, strengths: tuple[float, ...]) -> Threshold:
    """From which strength on replies are too strong. Raises TooLittleError."""
    rows = single[single["too_strong"].notna()]
    person, _ = persons(rows)
    strength = rows["strength"].to_numpy(dtype=float)
    return comparisons.too_strong(person, strength, rows["too_strong"].to_numpy(dtype=float), strengths)
