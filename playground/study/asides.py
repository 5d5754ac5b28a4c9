"""What bears on a study's findings, in plain words: who took part, order, sides, agreement, the slider. Pure."""

from playground.study.analysis import Analysis, Findings
from playground.study.described import Result
from playground.study.differences import Differences
from playground.study.parts import Flags
from playground.study.results import ENOUGH
from playground.study.wording import SURE, both, chance, count, interval, number, percent

TASKS = {"pair": "A pair", "adjustment": "The slider", "single": "A single reply", "adaptive": "An adaptive reply"}


def rule(name: str, flags: Flags) -> str:
    """What a rule of exclusion means, by the limits of the study file."""
    some = flags.least_repeats
    return {
        "failed_check": f"{_above(flags.failed_check)} the attention checks answered wrongly",
        "inconsistent": f"{_above(flags.inconsistent)} at least {some} repeated pairs answered otherwise",
        "too_fast": f"{_above(flags.too_fast)} the answers too fast to have read",
        "one_sided": f"{_above(flags.one_sided)} at least {ENOUGH} decided pairs for the same side",
        "unfinished": "did not come to the end",
    }[name]


def _above(share: float) -> str:
    return f"more than {100 * share:g} % of" if share else "any of"


def flow(analysis: Analysis) -> str:
    """Who came how far."""
    told = ", ".join(f"{many} {what}" for what, many in analysis.flow.items())
    return f"{told[0].upper()}{told[1:]}. {excluded(analysis)}" if told else excluded(analysis)


def compared(analysis: Analysis, found: Findings, what: str) -> str:
    """Whether topics, conditions or groups differ, or are the same within the margin."""
    result = getattr(found, what)
    one: Differences | None = result.value
    if one is None:
        return f"{what.capitalize()} are not compared. {result.reason}"
    each = "; ".join(f"{name} {both(Result(at))}" for name, at in one.preferred.items())
    differ = f"{what.capitalize()} differ" if one.chance < SURE else f"No difference between {what} shows"
    here = " for these prompts" if what == "topics" else ""
    told = f"{differ}{here} ({chance(one.chance)}). Preferred {analysis.method}: {each}."
    if one.in_general is not None:
        told += f" For prompts in general: {chance(one.in_general)}."
    if one.each:
        furthest = max(max(abs(two.apart.low), abs(two.apart.high)) for two in one.each)
        told += f" Differences larger than {number(furthest)} between two of them are ruled out (95 % each)."
    return f"{told}{_equivalent(analysis, one, what)}"


def _equivalent(analysis: Analysis, one: Differences, what: str) -> str:
    margin = analysis.planned.equivalent_within if analysis.planned else None
    if margin is None:
        return ""
    if one.equivalent is None:
        return f" Whether they are the same within {margin:g} cannot be told."
    same = "are the same within" if one.equivalent < SURE else "do not show to be the same within"
    return (
        f" The {what} {same} {margin:g}, the margin of the study file (two one-sided tests, {chance(one.equivalent)})."
    )


def order(found: Findings) -> str:
    """Whether answers change from first to last."""
    if found.order.value is None:
        return f"Whether answers change from first to last cannot be told. {found.order.reason}"
    change = "change" if found.order.value < SURE else "do not show to change"
    return f"From first to last, answers {change} ({chance(found.order.value)})."


def slider(analysis: Analysis, found: Findings) -> str:
    """Where people left the slider."""
    fitted = found.slider.value
    if fitted is None:
        return f"No slider was used. {found.slider.reason}"
    left = (
        f"People left the slider at {analysis.method} {number(fitted.mean.mean)} on average ({interval(fitted.mean)})."
    )
    if fitted.pull is None:
        return f"{left} It always began at the same strength."
    mattered = "does not show to matter" if fitted.pull.low <= 0 <= fitted.pull.high else "mattered"
    return (
        f"{left} Where it began {mattered}: for each 1 that it began higher it ended {number(fitted.pull.mean)} higher "
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
    planned = _planned(analysis)
    rules = "; ".join(f"{name} ({rule(name, analysis.flags)})" for name in analysis.rules)
    if not analysis.rules:
        return f"Nobody was to be excluded{planned}."
    out = len(analysis.excluded)
    return f"The rules were{planned}: {rules}. They leave out {count(out, 'person', 'people') if out else 'nobody'}."


def _planned(analysis: Analysis) -> str:
    """Whether the exclusions are those of the study file."""
    if analysis.planned is None:
        return " (the study file planned none)"
    return ", as planned" if set(analysis.planned.exclude) == set(analysis.rules) else ", other than planned"
