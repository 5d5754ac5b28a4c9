"""What a study's findings say, in plain words: a sentence or two for each, also where there is nothing to say. Pure."""

from playground.cards import Estimate
from playground.study.analysis import Analysis, Findings, Found

TASKS = {"pair": "A pair", "adjustment": "The slider", "single": "A single reply", "adaptive": "An adaptive reply"}
FLAGS = {
    "failed_check": "an attention check answered wrongly",
    "inconsistent": "a repeated pair answered otherwise",
    "too_fast": "more than a quarter of the answers too fast to have read",
    "one_sided": "nearly always the same side",
    "unfinished": "did not come to the end",
}
"""What a rule of exclusion means."""

_OFTEN_AT_AN_END = 0.025


def summary(analysis: Analysis) -> list[str]:
    """The main findings of those who were kept, most important first."""
    kept = analysis.kept
    told = [_who(analysis), preferred(analysis, kept)]
    if kept.preference.value:
        told.append(people(analysis, kept))
    if kept.too_strong.value or kept.said:
        told.append(too_strong(analysis, kept))
    return told


def preferred(analysis: Analysis, found: Findings) -> str:
    """Which strength people like best."""
    fitted = found.preference.value
    if fitted is None:
        return f"No preferred {analysis.method} can be told. {found.preference.reason}"
    best, method = fitted.preferred, analysis.method
    if fitted.curve.mean >= 0:
        end = "highest" if best.mean == analysis.strengths[-1] else "lowest"
        return f"Preference has no top between the strengths shown; it is highest at the {end}, {method} {best.mean:g}."
    told = f"People like {method} {number(best.mean)} best ({interval(best)})."
    if best.mean != fitted.reference:
        nearest = min(fitted.rising, key=lambda point: abs(point[0] - best.mean))[1]
        told += f" Beside a reply at {fitted.reference:g} it is preferred {percent(nearest)} of the time."
    if fitted.at_an_end > _OFTEN_AT_AN_END:
        told += (
            f" In {fitted.at_an_end:.0%} of the resamples the top is the lowest or highest strength shown,"
            " so the true one may lie beyond."
        )
    return told


def won(analysis: Analysis, found: Findings) -> str:
    """Which strengths win their pairs."""
    if not found.won.value:
        return found.won.reason or "No pairs were answered."
    best = max(found.won.value, key=lambda at: at.estimate.mean)
    ties, bad = (found.choices.get(choice, 0) for choice in ("tie", "bad"))
    return (
        f"Replies at {analysis.method} {best.strength:g} win {percent(best.estimate)} of their pairs, "
        f"more than any other. Of {count(found.pairs, 'pair')}, {ties} were ties (half a win each) "
        f"and {bad} both bad (no win)."
    )


def length(analysis: Analysis, found: Findings) -> str:
    """Whether length explains the preference."""
    fitted = found.with_length.value
    if fitted is None or fitted.longer is None:
        return f"The part of length cannot be told. {found.with_length.reason}"
    longer = fitted.longer
    way = "liked better" if longer.mean > 0 else "liked less"
    sure = "" if longer.low > 0 or longer.high < 0 else ", which may be chance"
    return (
        f"A reply with twice the words is {way}: {longer.mean:+.2f} log-odds ({interval(longer)}){sure}. "
        f"Between replies of one length, {analysis.method} {number(fitted.preferred.mean)} is liked best "
        f"({interval(fitted.preferred)})."
    )


def people(analysis: Analysis, found: Findings) -> str:
    """Whether people differ."""
    fitted, p = found.preference.value, found.differ.value
    if fitted is None or p is None:
        return f"Whether people differ cannot be told. {found.preference.reason or found.differ.reason}"
    told = (
        f"People differ in what they like ({chance(p)})"
        if p < 0.05
        else f"No difference between people shows ({chance(p)})"
    )
    if fitted.deviation is None:
        return f"{told}."
    return (
        f"{told}: the strengths they like best have a standard deviation of about "
        f"{number(fitted.deviation.mean)} {analysis.method} ({interval(fitted.deviation)})."
    )


def topics(analysis: Analysis, found: Findings) -> str:
    """Whether topics differ."""
    known = {topic: one.value for topic, one in found.topics.preferred.items() if one.value}
    p = found.topics.chance
    if not known:
        return "No topic has pairs enough for a preferred strength of its own."
    each = "; ".join(f"{topic} {number(one.mean)} ({interval(one)})" for topic, one in known.items())
    if p.value is None:
        return f"Preferred {analysis.method} by topic: {each}. {p.reason}"
    differ = "Topics differ" if p.value < 0.05 else "No difference between topics shows"
    return f"{differ} ({chance(p.value)}). Preferred {analysis.method}: {each}."


def too_strong(analysis: Analysis, found: Findings) -> str:
    """From which strength on replies are too strong."""
    fitted, method = found.too_strong.value, analysis.method
    if fitted is None:
        return f"No threshold can be told. {found.too_strong.reason}"
    if fitted.half is None:
        above = fitted.rising[0][1] > 0.5
        return (
            "More than half of the replies are called too strong even at the lowest strength shown."
            if above
            else f"Fewer than half of the replies are called too strong, even at {method} {analysis.strengths[-1]:g}."
        )
    told = f"Half of the replies are called too strong at {method} {number(fitted.half.mean)} ({interval(fitted.half)})"
    if fitted.three_quarters is None:
        return f"{told}; three quarters at no strength shown."
    return f"{told}, three quarters at {number(fitted.three_quarters.mean)} ({interval(fitted.three_quarters)})."


def slider(analysis: Analysis, found: Findings) -> str:
    """Where people left the slider."""
    fitted = found.slider.value
    if fitted is None:
        return f"No slider was used. {found.slider.reason}"
    mattered = "does not show to matter" if fitted.pull.low <= 0 <= fitted.pull.high else "mattered"
    return (
        f"People left the slider at {analysis.method} {number(fitted.mean.mean)} on average ({interval(fitted.mean)}). "
        f"Where it began {mattered}: for each 1 that it began higher it ended {number(fitted.pull.mean)} higher "
        f"({interval(fitted.pull)})."
    )


def side(found: Findings) -> str:
    """Whether people favour a side."""
    if found.left.value is None:
        return f"Side bias cannot be told. {found.left.reason}"
    left = found.left.value
    biased = "no bias shows" if left.low <= 0.5 <= left.high else "sides mattered, and the models allow for it"
    return f"Of the decided pairs, left won {percent(left)}; {biased}."


def agreement(found: Findings) -> str:
    """How far people agree with each other and with themselves."""
    names = {"pairs": "which of two replies is better", "single": "how a single reply is"}
    told = [
        f"Agreement on {names[kind]}: Krippendorff's alpha {number(one.value.mean)} ({interval(one.value)})."
        for kind, one in found.agreement.items()
        if one.value
    ]
    told = told or ["Agreement cannot be told. " + next(iter(found.agreement.values())).reason]
    if found.repeated.value:
        told.append(
            f"Shown a pair again with its sides swapped, people answer the same {percent(found.repeated.value)}."
        )
    return " ".join(told)


def excluded(analysis: Analysis) -> str:
    """Who was left out and why."""
    rules = "; ".join(f"{rule} ({FLAGS[rule]})" for rule in analysis.rules)
    if not analysis.rules:
        return "Nobody was to be excluded."
    out = len(analysis.excluded)
    return f"The rules were: {rules}. They leave out {count(out, 'person', 'people') if out else 'nobody'}."


def _who(analysis: Analysis) -> str:
    kept = analysis.kept
    if not kept.answers:
        return "Nobody's answers are left to analyse." if analysis.everyone.answers else "Nobody has answered yet."
    gave = (
        f"{count(kept.people, 'person', 'people')} gave {count(kept.answers, 'answer')}, {kept.pairs} of them to pairs."
    )
    out = len(analysis.excluded)
    return f"{gave} {count(out, 'person was', 'people were')} excluded." if out else gave


def number(value: float) -> str:
    """Two places, and no minus before a zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def interval(found: Estimate) -> str:
    """The interval of an estimate."""
    return f"95 % interval {number(found.low)} to {number(found.high)}"


def percent(found: Estimate) -> str:
    """A share with its interval."""
    return f"{found.mean:.0%} ({found.low:.0%} to {found.high:.0%})"


def chance(p: float) -> str:
    """A p-value."""
    return "p ≤ 0.001" if p <= 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def count(many: int, one: str, more: str = "") -> str:
    """A number with its noun."""
    return f"{many} {one if many == 1 else more or one + 's'}"


def both(found: Found[Estimate]) -> str:
    """An estimate with its interval, or a dash."""
    one = found.value
    return "–" if one is None else f"{number(one.mean)} ({number(one.low)} to {number(one.high)})"
