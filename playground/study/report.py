"""A study's findings as one HTML page in the order a reader asks: everything in it, no network. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from playground.cards import Estimate
from playground.measure.charts import drawn
from playground.study import asides, citing, differences, family, figures, sentences
from playground.study.analysis import Analysis, Findings
from playground.study.described import Result
from playground.study.differences import Differences
from playground.study.results import wilson
from playground.study.wording import both, chance, number, percent
from playground.templates import macros

_PARTS = macros("study/report.html")


def page(analysis: Analysis, title: str, about: Mapping[str, str] | None = None) -> str:
    """The whole report. `about` is told at its end and in the methods: digests, models, versions, the command."""
    about = about or {}
    outcomes = (_limit, _liked) if sentences.limit_leads(analysis) else (_liked, _limit)
    parts = [
        _part("Who took part", asides.flow(analysis), table=_excluded(analysis)),
        *(part for outcome in outcomes for part in outcome(analysis)),
        *(_compared(analysis, what) for what in family.COMPARED),
        *_others(analysis),
        _part("How this was computed", citing.methods(analysis, about), table=_table(("", ""), list(about.items()))),
        _part("To cite", "", table=_PARTS.code(citing.BIBTEX)),
    ]
    return _PARTS.page(title, sentences.summary(analysis), parts, Markup(get_plotlyjs()))


def _liked(analysis: Analysis) -> list[str]:
    """What people like best, whether its curve fits, and how people differ."""
    kept = analysis.kept
    return [
        _part("The strength people like best", sentences.preferred(analysis, kept), figures.liking(analysis, kept)),
        _part("Does the curve fit?", sentences.fit(analysis, kept), table=_utilities(kept)),
        _part(
            "Which strength wins",
            sentences.best_and_won(analysis, kept),
            figures.win_rates(analysis, kept),
            _rates(kept),
        ),
        _part("How people differ", sentences.people(analysis, kept), figures.shares(analysis, kept), _shares(kept)),
    ]


def _limit(analysis: Analysis) -> list[str]:
    """From where on replies are too strong, and what they were called."""
    kept = analysis.kept
    return [
        _part("Where it becomes too much", sentences.too_strong(analysis, kept), figures.too_strong(analysis, kept)),
        _part("What single replies were called", _verdicts_told(kept), figures.verdicts(analysis, kept)),
    ]


def _compared(analysis: Analysis, what: str) -> str:
    """Whether topics, conditions or groups differ; nothing about conditions or groups where there are none."""
    result: Result[Differences] = getattr(analysis.kept, what)
    if result.value is None and what != "topics" and result.reason == differences.ONLY_ONE:
        return ""
    figure = figures.compared(analysis, result)
    return _part(what.capitalize(), asides.compared(analysis, analysis.kept, what), figure, _apart(result.value))


def _apart(one: Differences | None) -> str:
    if one is None or not one.each:
        return ""
    told = [(f"{two.second} – {two.first}", both(Result(two.apart)), two.equivalent) for two in one.each]
    rows = [(name, apart, "–" if equal is None else chance(equal)) for name, apart, equal in told]
    return _table(("", "difference", "two one-sided tests"), rows)


def _others(analysis: Analysis) -> list[str]:
    """What else bears on it."""
    kept = analysis.kept
    return [
        _part("Prompts", sentences.prompts(analysis, kept), table=_prompts(kept)),
        _part(
            "Reward against preference",
            sentences.reward(analysis, kept),
            figures.measured(analysis, kept),
            _measures(kept),
        ),
        _part("Where people left the slider", asides.slider(analysis, kept), figures.slider(analysis, kept)),
        _part("What people said of themselves", _questions_told(kept), table=_questions(kept)),
        _part("Robustness", asides.order(kept), table=_robustness(analysis)),
        _part("Sides and agreement", f"{asides.side(kept)} {asides.agreement(kept)}"),
        _part("How long answers took", _times_told(kept), table=_times(kept)),
        _part("All tests", sentences.tests(analysis, kept), table=_tests(kept)),
    ]


def _rates(found: Findings) -> str:
    scores = {at.strength: at.estimate for at in found.scores.value or ()}
    rows = [
        (f"{at.strength:g}", str(at.answers), percent(at.estimate), both(Result(scores.get(at.strength))))
        for at in found.won.value or ()
    ]
    return _table(("strength", "shown", "won", "Bradley-Terry, log-odds"), rows) if rows else ""


def _utilities(found: Findings) -> str:
    fitted = found.preference.value
    if fitted is None:
        return ""
    rows = [(f"{at:g}", both(Result(one)), "may be best" if at in fitted.best else "") for at, one in fitted.utilities]
    return _table(("strength", f"log-odds beside {fitted.reference:g}", ""), rows)


def _shares(found: Findings) -> str:
    rows = [(f"{at:g}", percent(one)) for at, one in found.differ.value.shares] if found.differ.value else []
    return _table(("nearest strength", "people who like it best"), rows) if rows else ""


def _prompts(found: Findings) -> str:
    if found.prompts.value is None:
        return ""
    rows = [(name, number(top), number(error)) for name, top, error in found.prompts.value.each]
    return _table(("prompt", "liked best", "standard error"), rows)


def _measures(found: Findings) -> str:
    rows: list[tuple[str, ...]] = []
    for name, one in found.measures.alone.items():
        beside = found.measures.beside[name]
        if one.value is None or beside.value is None:
            rows.append((name, "–", "–", "–", beside.reason or one.reason))
            continue
        effects = both(Result(one.value.effects[name])), both(Result(beside.value.effects[name]))
        rows.append((name, *effects, f"{one.value.explained:.1%}", both(Result(beside.value.preferred))))
    if found.measures.explained.value is not None:
        rows.append(("the strength alone", "", "", f"{found.measures.explained.value:.1%}", ""))
    if found.measures.together.value is not None:
        together = found.measures.together.value
        names = ", ".join(f"{name} {both(Result(one))}" for name, one in together.effects.items())
        rows.append(
            ("all beside the strength", "", names, f"{together.explained:.1%}", both(Result(together.preferred)))
        )
    heads = ("", "log-odds a unit, alone", "beside the strength", "explained (McFadden)", "liked best at equal values")
    return _table(heads, rows)


def _questions_told(found: Findings) -> str:
    if not found.questions:
        return "No question was asked, or no preferred strength can be told."
    return "Whether people who answered a question otherwise like another strength, by permutation of people."


def _questions(found: Findings) -> str:
    rows = [(name, one.reason if one.value is None else chance(one.value)) for name, one in found.questions.items()]
    return _table(("question", ""), rows) if rows else ""


def _tests(found: Findings) -> str:
    rows = [
        (one.name, chance(one.chance), "exploratory" if one.adjusted is None else chance(one.adjusted))
        for one in found.tests
    ]
    return _table(("secondary test", "alone", "adjusted (Holm)"), rows) if rows else ""


def _times(found: Findings) -> str:
    rows = [
        (
            asides.TASKS[one.task],
            str(one.answers),
            f"{one.median:.1f}",
            f"{one.low:.1f} to {one.high:.1f}",
            f"{one.too_fast:.0%}",
        )
        for one in found.times
    ]
    return _table(("", "answers", "median, s", "middle half, s", "too fast"), rows) if rows else ""


def _times_told(found: Findings) -> str:
    return "By the browser's clock, from shown to answered." if found.times else "Nobody has answered yet."


def _verdicts_told(found: Findings) -> str:
    if not found.said:
        return "No single replies were shown."
    # A strength that few replies were shown at may not win by chance: the lower end of its interval counts.
    best = max(found.said, key=lambda one: wilson(one.shares["right"] * one.answers, one.answers)[0])
    return f"Replies at {best.strength:g} were called just right by most: {best.shares['right']:.0%} of {best.answers}."


def _excluded(analysis: Analysis) -> str:
    rows = [(str(one.person), ", ".join(one.flags), str(one.answers)) for one in analysis.excluded]
    return _table(("person", "for", "answers"), rows) if rows else ""


def _robustness(analysis: Analysis) -> str:
    groups = (analysis.kept, analysis.everyone)
    numbers: list[tuple[str, Callable[[Findings], str]]] = [
        ("people", lambda found: str(found.people)),
        ("answers", lambda found: str(found.answers)),
        (f"preferred {analysis.method}", lambda found: both(_of(found.preference, "preferred"))),
        ("by a parabola", lambda found: both(_of(found.preference, "parabola"))),
        ("by choices without their degree", lambda found: both(_of(found.by_choice, "preferred"))),
        ("at equal length", lambda found: both(_of(found.measures.beside["length"], "preferred"))),
        ("for prompts in general", lambda found: both(_of(found.prompts, "preferred"))),
        ("people's standard deviation", lambda found: both(_of(found.differ, "deviation"))),
        ("half too strong at", lambda found: both(_of(found.too_strong, "half"))),
        ("slider left at", lambda found: both(_of(found.slider, "mean"))),
        ("left won", lambda found: both(found.left)),
    ]
    return _table(("", "without the excluded", "everyone"), [(name, *map(tell, groups)) for name, tell in numbers])


def _of(found: Result[Any], name: str) -> Result[Estimate]:
    return Result(getattr(found.value, name) if found.value is not None else None)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    return _PARTS.table(heads, rows)


def _part(heading: str, told: str, figure: go.Figure | None = None, table: str = "") -> Markup:
    return _PARTS.part(heading, told.split("\n"), drawn(figure, heading) if figure is not None else "", table)
