"""An axis's card, and an axis in the making, as HTML. Pure; no gradio."""

from markupsafe import Markup

from playground.cards import Card
from playground.events import Progress
from playground.settings import MAIN, SLIDERS
from playground.templates import macros
from playground.training.jobs import STAGES, TrainingStatus
from playground.ui.axes.examples import Example
from playground.ui.numerals import side, signed

_PARTS = macros("ui/axes/card.html")

CHECKS = {
    "pair_accuracy": "held-out pairs that the layer tells apart",
    "reward_accuracy_pairs": "held-out pairs that the reward tells apart",
}


def card(card: Card, note: str = "") -> Markup:
    """What an axis is: its name, its ends and a sentence; with a warning where it was made for other weights."""
    return _PARTS.card(card.name, card.poles, card.description, note)


def details(card: Card) -> Markup:
    """What else there is to know of an axis, folded: how far it goes, how it was made, and from what."""
    checks = [(meaning, f"{card.checks[key]:.0%}") for key, meaning in CHECKS.items() if key in card.checks]
    return _PARTS.details(card, _facts(card), [("licence", card.licence), *checks])


def _facts(card: Card) -> list[tuple[str, str]]:
    safe = card.safe_range
    return [
        ("tested range", ", ".join(f"{name} {_span(safe.of(name))}" for name in SLIDERS)),
        ("reward rises", f"until {MAIN} {signed(card.rises_until)}"),
        ("judge", _judge(card)),
        *([("coherence with the prompt", _coherence(card))] if card.coherence else []),
        ("control 1", f"{card.calibration.updates} updates of step size {card.calibration.step_size:g}"),
        ("base model", card.base.name),
    ]


def _judge(card: Card) -> str:
    """Who judges the axis independently, how well, and how often it prefers the steered reply."""
    if card.judge is None:
        return "none"
    told = f"{card.judge.kind}, agrees with {card.judge.agreement:.0%} of {card.judge.pairs} labelled pairs"
    wins = [f"{share:.0%} of replies at {name}" for name, share in card.preferred.items()]
    return f"{told}; prefers {' and '.join(wins)} to the plain model's" if wins else told


def _coherence(card: Card) -> str:
    """Whether replies still answer: a strong axis may talk of what it likes, whatever was asked."""
    return ", ".join(f"{mean:.2f} at {name}" for name, mean in card.coherence.items())


def example(card: Card, example: Example) -> Markup:
    """One prompt answered at three strengths, each reply as far as it is written."""
    columns = [(side(amount), signed(amount), _towards(card, amount), text or "…") for amount, text in example.replies]
    return _PARTS.example(example.prompt, columns)


def _towards(card: Card, amount: float) -> str:
    """What a strength is called: the pole it leads to, or the base model."""
    if amount == 0:
        return "base (unsteered)"
    return card.poles.positive if amount > 0 else card.poles.negative


def making(one: TrainingStatus | None) -> Markup:
    """An axis in the making: how far it is, and what it says so far."""
    if one is None:
        return Markup("")
    progress, done, here = one.progress, "", -1
    if one.phase == "making" and progress is not None:
        done = f"{progress.done / progress.total if progress.total else 0.0:.4f}"
        here = list(STAGES).index(progress.stage) if progress.stage in STAGES else -1
    says = [(signed(amount), text) for amount, text in one.says] if one.phase != "made" else []
    return _PARTS.making(one, _phase(one), done, list(STAGES.values()), here, says)


def _phase(one: TrainingStatus) -> str:
    if one.phase == "made":
        return "Ready. It is in the list of axes."
    if one.phase == "failed":
        return one.problem
    if one.phase == "stopped":
        return "Stopped. What was done is kept: Resume continues here, Delete removes it."
    if one.progress is None:
        return "Starting: loading the model …"
    return f"{STAGES.get(one.progress.stage, one.progress.stage).capitalize()}{_count(one.progress)}"


def _count(progress: Progress) -> str:
    count = f": {progress.done:g} of {progress.total:g} {progress.unit}".rstrip()
    left = progress.seconds_left
    if not left:
        return count
    time = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
    return f"{count}, about {time} left in this stage"


def _span(ends: tuple[float, float]) -> str:
    return f"{signed(ends[0])} to {signed(ends[1])}"
