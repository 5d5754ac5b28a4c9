"""What a study's findings say, in plain words: a sentence or two for each, also where there is nothing to say. Pure."""

from playground.study.analysis import Analysis, Findings
from playground.study.described import Result
from playground.study.model.utility import SHAPE_SEEN
from playground.study.wording import SURE, both, chance, count, ends, interval, number, percent


def summary(analysis: Analysis) -> list[str]:
    """The main findings of those who were kept, most important first."""
    kept = analysis.kept
    liked = [preferred(analysis, kept)]
    if kept.preference.value:
        liked += [one for one in (at_equal_length(analysis, kept), people(analysis, kept)) if one]
        liked += [reward(analysis, kept)]
    limit = [too_strong(analysis, kept)] if kept.too_strong.value or kept.said or limit_leads(analysis) else []
    parts = [limit, liked] if limit_leads(analysis) else [liked, limit]
    return [_who(analysis), *parts[0], *parts[1]]


def limit_leads(analysis: Analysis) -> bool:
    """Whether the primary outcome is from where on replies are too strong."""
    return analysis.planned is not None and analysis.planned.primary == "too_strong"


def preferred(analysis: Analysis, found: Findings) -> str:
    """Which strength people like best."""
    fitted, method = found.preference.value, analysis.method
    if fitted is None:
        return f"No preferred {method} can be told. {found.preference.reason}"
    best = fitted.preferred
    if best is None:
        why = {
            "": f"Liking has no simple curve over {method}.",
            "steep": "Liking falls so steeply on one side that its top cannot be placed.",
            "few": f"Fewer than {SHAPE_SEEN} pairs do not tell where between the strengths shown the top lies.",
        }
        return f"{why[fitted.refused]} {_shown(analysis, found)}"
    if not fitted.has_top:
        end = "highest" if best.mean > analysis.strengths[0] else "lowest"
        return f"Preference has no top between the strengths shown; it is highest at the {end}, {method} {best.mean:g}."
    if found.differ.value and found.differ.value.camps:
        return f"There is no one {method} that people like best. {camps(analysis, found)}"
    told = f"People like {method} {number(best.mean)} best ({interval(best)})"
    general = found.prompts.value.preferred if found.prompts.value else None
    told += f" for these prompts, {ends(general)} for prompts in general." if general else " for these prompts."
    if best.mean != fitted.reference:
        nearest = min(fitted.rising, key=lambda point: abs(point[0] - best.mean))[1]
        told += f" Beside a reply at {fitted.reference:g} it is preferred {percent(nearest)} of the time."
    if fitted.misfit is None:
        told += " With three strengths that holds only if liking falls alike on both sides of the top."
    if fitted.beyond:
        which = " and ".join({"low": "lowest", "high": "highest"}[end] for end in fitted.beyond)
        told += f" The interval reaches beyond the {which} strength shown, so the true one may lie there."
    return told


def _shown(analysis: Analysis, found: Findings) -> str:
    """Which of the strengths shown may be best."""
    fitted = found.preference.value
    if fitted is None or not fitted.best:
        return ""
    names = [f"{at:g}" for at in fitted.best]
    if len(names) == 1:
        return f"Of those shown {analysis.method} {names[0]} is liked best, better than any other."
    some = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"Of those shown {analysis.method} {some} are not told apart as the best; all others are liked less."


def fit(analysis: Analysis, found: Findings) -> str:
    """Whether the curve fits, and what leads."""
    fitted = found.preference.value
    if fitted is None:
        return f"There is no curve. {found.preference.reason}"
    if fitted.misfit is None:
        return "With three strengths, a parabola fits whatever people answer; four or more would tell."
    if fitted.curve == "parabola":
        return f"A parabola fits ({chance(fitted.misfit)}), so its top leads. {_shown(analysis, found)}"
    by_parabola = f"Its top would be {both(Result(fitted.parabola))}."
    few = f"but fewer than {SHAPE_SEEN} pairs seldom tell when it does not"
    if fitted.curve and fitted.misfit >= SURE:
        leads = "one with two sides is on the safe side and leads."
        if found.pairs < SHAPE_SEEN:
            leads = f"{few}. One with two sides leads, which does not take it that liking falls alike on both."
        return f"A parabola may fit ({chance(fitted.misfit)}), {leads} {by_parabola} {_shown(analysis, found)}"
    if fitted.curve:
        return (
            f"A parabola does not fit ({chance(fitted.misfit)}): liking falls otherwise below the top than above it. "
            f"A parabola with two sides does, and leads. {by_parabola} {_shown(analysis, found)}"
        )
    if fitted.refused == "few":
        return (
            f"A parabola may fit ({chance(fitted.misfit)}), {few}, and one with two sides has no top between the "
            f"strengths shown, so none is told. {by_parabola} {_shown(analysis, found)}"
        )
    if fitted.refused == "steep":
        fits = "does not" if fitted.misfit < SURE else "may not"
        return (
            f"A parabola {fits} fit ({chance(fitted.misfit)}), and one with two sides falls more than twelve times as "
            "steeply on one side: where its top lies would rest on a handful of answers, and its interval would hold "
            f"the truth too seldom, so it is not told. {by_parabola} {_shown(analysis, found)}"
        )
    return (
        f"Neither a parabola ({chance(fitted.misfit)}) nor one with two sides fits, so nothing is said about strengths "
        f"between those shown. {by_parabola} {_shown(analysis, found)}"
    )


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


def best_and_won(analysis: Analysis, found: Findings) -> str:
    """Why the strength that wins most need not be the one liked best."""
    told = won(analysis, found)
    fitted, rates = found.preference.value, found.won.value
    if fitted is None or fitted.preferred is None or not rates:
        return told
    most = max(rates, key=lambda at: at.estimate.mean).strength
    if abs(most - fitted.preferred.mean) < 0.01:
        return told
    return (
        f"{told} That is another number than the strength liked best, {number(fitted.preferred.mean)}: only strengths "
        "that were shown can win, and how often depends on what they stood beside."
    )


def at_equal_length(analysis: Analysis, found: Findings) -> str:
    """Said in the summary where length moves the preferred strength out of its interval; else empty."""
    fitted = found.preference.value
    added = found.measures.beside["length"].value if "length" in found.measures.beside else None
    if fitted is None or fitted.preferred is None or added is None or added.preferred is None:
        return ""
    if fitted.preferred.low <= added.preferred.mean <= fitted.preferred.high:
        return ""
    return (
        f"Between replies of equal length another strength is liked best: {analysis.method} "
        f"{both(Result(added.preferred))}. Length explains part of the preference."
    )


def people(analysis: Analysis, found: Findings) -> str:
    """Whether people differ."""
    differ = found.differ.value
    if differ is None:
        return f"How far people differ cannot be told. {found.differ.reason}"
    if differ.camps:
        return f"People are of two camps. {camps(analysis, found)}"
    spread = f"standard deviation {number(differ.deviation.mean)} {analysis.method}"
    if differ.chance < SURE and differ.deviation.low > 0:
        return (
            f"People differ in what they like best ({chance(differ.chance)}): {spread}, {interval(differ.deviation)}."
        )
    at_most = f"at most {number(differ.at_most)}"
    if differ.chance < SURE:
        return f"People differ in what they like best ({chance(differ.chance)}): {spread}, {at_most}."
    return (
        f"No difference between people shows ({chance(differ.chance)}): the standard deviation of what they like best "
        f"is {at_most} {analysis.method} (one-sided, 95 %)."
    )


def camps(analysis: Analysis, found: Findings) -> str:
    """Two groups of people."""
    differ = found.differ.value
    if differ is None or not differ.camps:
        return ""
    one, two = differ.camps
    return (
        f"Two groups fit better than one: {one.share:.0%} like {analysis.method} {both(Result(one.preferred))} best, "
        f"{two.share:.0%} {both(Result(two.preferred))}."
    )


def prompts(analysis: Analysis, found: Findings) -> str:
    """Whether prompts differ, and what holds in general."""
    one = found.prompts.value
    if one is None:
        return f"The result is about these prompts. {found.prompts.reason}"
    differ = "Prompts differ" if one.chance < SURE else "No difference between prompts shows"
    told = f"{differ} ({chance(one.chance)}): standard deviation {both(Result(one.deviation))} {analysis.method}."
    if one.preferred is None:
        return f"{told} What is liked best for prompts in general cannot be told."
    return f"{told} For prompts in general {analysis.method} {both(Result(one.preferred))} is liked best."


def reward(analysis: Analysis, found: Findings) -> str:
    """What people like beside what the reward likes."""
    means = [(at, one["reward"]) for at, one in found.measures.means if "reward" in one]
    fitted = found.preference.value
    if not means or fitted is None or fitted.preferred is None:
        return "Reward and preference cannot be compared."
    highest = max(means, key=lambda point: point[1])[0]
    told = f"Reward is highest at {analysis.method} {highest:g} of those shown, "
    told += (
        "as people's preference is"
        if fitted.preferred.low <= highest <= fitted.preferred.high
        else f"people's preference at {number(fitted.preferred.mean)}"
    )
    return f"{told}. {measure('reward', found)}"


def measure(name: str, found: Findings) -> str:
    """What a unit of a measure adds to preference, alone and beside the strength."""
    alone, beside = found.measures.alone[name], found.measures.beside[name]
    if alone.value is None or beside.value is None:
        return f"What {name} adds cannot be told. {alone.reason or beside.reason}"
    unit = {"reward": "A unit of reward", "KL": "A nat of KL a token", "length": "Twice the words"}
    what = unit.get(name, f"Twice the {name}")
    one, two = alone.value.effects[name], beside.value.effects[name]
    sure = "" if beside.value.chances[name] < SURE else ", which may be chance"
    return (
        f"{what} adds {one.mean:+.2f} log-odds to preference ({interval(one)}), and beside the strength "
        f"{two.mean:+.2f} ({interval(two)}){sure}."
    )


def too_strong(analysis: Analysis, found: Findings) -> str:
    """From which strength on replies are too strong."""
    fitted, method = found.too_strong.value, analysis.method
    if fitted is None:
        return f"No threshold can be told. {found.too_strong.reason}"
    if fitted.half is None:
        above = fitted.rising[0][1].mean > 0.5
        return (
            "More than half of the replies are called too strong even at the lowest strength shown."
            if above
            else f"Fewer than half of the replies are called too strong, even at {method} {analysis.strengths[-1]:g}."
        )
    told = f"Half of the replies are called too strong at {method} {number(fitted.half.mean)} ({interval(fitted.half)})"
    if fitted.three_quarters is None:
        told += ", three quarters at no strength shown"
    else:
        told += f", three quarters at {number(fitted.three_quarters.mean)} ({interval(fitted.three_quarters)})"
    return f"{told}. People's own thresholds have a standard deviation of {both(Result(fitted.deviation))}."


def tests(analysis: Analysis, found: Findings) -> str:
    """What the secondary tests say, adjusted for the family they are registered in."""
    what = f"the {analysis.method} that half call too strong" if limit_leads(analysis) else _best(analysis)
    if not found.tests:
        return f"The primary outcome is {what}. There are no secondary tests."
    family = [one.adjusted for one in found.tests if one.adjusted is not None]
    sure = [one.name for one in found.tests if one.adjusted is not None and one.adjusted < SURE]
    kept = f"{', '.join(sure)}." if sure else "none."
    registered = analysis.planned is not None and analysis.planned.secondary is not None
    others = len(found.tests) - len(family)
    return (
        f"The primary outcome is {what}. Of {count(len(family), 'secondary test')}"
        f"{' that the study file registers' if registered else ''} these hold after Holm's adjustment for all of "
        f"them: {kept}" + (f" {count(others, 'other test is', 'other tests are')} exploratory." if others else "")
    )


def _best(analysis: Analysis) -> str:
    return f"the preferred {analysis.method}"


def _who(analysis: Analysis) -> str:
    kept = analysis.kept
    if not kept.answers:
        return "Nobody's answers are left to analyse." if analysis.everyone.answers else "Nobody has answered yet."
    gave = (
        f"{count(kept.people, 'person', 'people')} gave {count(kept.answers, 'answer')}, {kept.pairs} of them to pairs."
    )
    out = len(analysis.excluded)
    return f"{gave} {count(out, 'person was', 'people were')} excluded." if out else gave
