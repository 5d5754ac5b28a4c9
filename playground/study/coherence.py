"""Whether the parts of a study file fit together. Raises InvalidInput that says what does not, and a way out."""

import unicodedata
from collections.abc import Sequence
from itertools import product

from playground.errors import InvalidInput
from playground.settings import FURTHEST
from playground.study import family
from playground.study.parts import Checks, Condition, Group, PlannedAnalysis, Prompt, Question, Task
from playground.study.typed import clean
from playground.texts import is_blank

_LONGEST_CELL = 80  # letters that the database keeps


def check_conditions(
    conditions: Sequence[Condition],
    groups: Sequence[Group],
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    tasks: Sequence[Task],
) -> None:
    """Conditions have names and strengths, and groups see some of them."""
    names = [one.id for one in conditions]
    if "" in names:
        raise InvalidInput("A condition has no id.", "Name each.")
    for one in conditions:
        if one.strengths and len(rising(one.strengths)) < 2:
            raise InvalidInput(f"The condition {one.id!r} has one strength.", "Give it two or more, or none.")
    for prompt, seed, task, one in product(prompts, seeds, tasks, conditions):
        if len(f"{task.id} {one.id} {task.kind} {prompt.id} {seed}") > _LONGEST_CELL:
            raise InvalidInput(
                f"The names of condition {one.id!r} and prompt {prompt.id!r} are too long for task {task.name!r}.",
                "Shorten one of them.",
            )
    for group in groups:
        lost = next((one for one in group.conditions if one not in names), None)
        if lost is not None:
            raise InvalidInput(f"The group {group.id!r} sees no condition {lost!r}.", "Name some of [[conditions]].")


def check_questions(questions: Sequence[Question], tasks: Sequence[Task]) -> None:
    """Questions come somewhere."""
    names = [task.name for task in tasks]
    lost = next((question for question in questions if question.at not in ("", "start", *names)), None)
    if lost is not None:
        raise InvalidInput(
            f"The question {lost.id!r} comes after no task: {lost.at!r}.",
            f'at is "start", or one of {", ".join(names)}, or left out.',
        )


def check_checks(checks: Checks, tasks: Sequence[Task]) -> None:
    """Attention checks have pairs to hide among, and can be failed."""
    pairs = [task for task in tasks if task.kind == "pair"]
    if checks.end_early and not checks.fail_after:
        raise InvalidInput("checks.end_early ends nothing.", "Set checks.fail_after to 1 or more.")
    if (checks.instructed or checks.gold or checks.repeated) and not pairs:
        raise InvalidInput("Checks hide among pairs, and there is no pair task.", "Add one, or set the checks to 0.")
    if checks.gold and checks.broken is None:
        raise InvalidInput("A gold pair needs a broken reply.", "Set checks.broken to a strength far too strong.")
    if checks.repeated > sum(task.trials for task in pairs) // 2:
        raise InvalidInput("More pairs repeat than half of them.", "Lower checks.repeated or ask more pairs.")


def check_analysis(
    planned: PlannedAnalysis, questions: Sequence[Question], tasks: Sequence[Task], compared: Sequence[str]
) -> None:
    """What is planned can be told; `compared` is what the study has several of."""
    if planned.primary == "too_strong" and not any(task.kind in ("single", "adaptive") for task in tasks):
        raise InvalidInput(
            "analysis.primary is too_strong, and no task asks for it.", "Add a task of kind single or adaptive."
        )
    names = family.names((one.id for one in questions), compared, planned.equivalent_within is not None)
    registered = planned.secondary or ()
    for one in registered:
        if one not in names or registered.count(one) > 1:
            wrong = "is there twice" if one in names else "is no test of this study"
            raise InvalidInput(f"analysis.secondary: {one!r} {wrong}.", f"There are: {', '.join(names)}.")
    if planned.equivalent_within is not None and not compared:
        raise InvalidInput(
            "analysis.equivalent_within compares nothing.", "Give prompts topics, or add [[conditions]] or [[groups]]."
        )


def check_options(question: Question) -> None:
    """Refuse options that nobody can choose, since what a browser sends is cleaned, or that look alike."""
    where = f"The question {question.id!r}"
    seen: set[str] = set()
    for option in question.options:
        if is_blank(option):
            raise InvalidInput(f"{where} has an empty option.", "Give each option a text.")
        if option != clean(option):
            raise InvalidInput(
                f"{where} has an option that begins or ends with a blank, or holds what is no text: {option!r}.",
                f"Write {clean(option)!r}.",
            )
        looks = " ".join(unicodedata.normalize("NFKC", option).split())
        if looks in seen:
            raise InvalidInput(f"{where} has the option {option!r} twice.", "Give each once.")
        seen.add(looks)


def rising(strengths: tuple[float, ...]) -> tuple[float, ...]:
    """Strengths as they are, if they rise."""
    if list(strengths) != sorted(set(strengths)):
        raise InvalidInput("The strengths do not rise.", "List each once, the lowest first.")
    if max(abs(strength) for strength in strengths) > FURTHEST:
        raise InvalidInput("A strength is out of range.", f"Stay between -{FURTHEST:g} and {FURTHEST:g}.")
    return strengths
