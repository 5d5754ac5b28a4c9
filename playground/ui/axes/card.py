"""An axis's card, and an axis in the making, as HTML. Pure strings; no gradio."""

from html import escape

from playground.cards import Card
from playground.events import Progress
from playground.settings import MAIN, SLIDERS
from playground.training.jobs import STAGES, TrainingStatus
from playground.ui.axes.examples import Example
from playground.ui.numerals import side, signed

CHECKS = {
    "pair_accuracy": "held-out pairs that the layer tells apart",
    "reward_accuracy_pairs": "held-out pairs that the reward tells apart",
}


def card(card: Card, note: str = "") -> str:
    """What an axis is: its name, its ends and a sentence; with a warning where it was made for other weights."""
    warning = f'<p class="warning">{escape(note)}</p>' if note else ""
    return (
        f'<section class="sheet" aria-label="the axis {escape(card.name)}"><h2>{escape(card.name)}</h2>'
        f'<p class="poles"><span class="away">◂ {escape(card.poles.negative)}</span>'
        f'<span class="toward">{escape(card.poles.positive)} ▸</span></p>'
        f"<p>{escape(card.description)}</p>{warning}</section>"
    )


def details(card: Card) -> str:
    """What else there is to know of an axis, folded: how far it goes, how it was made, and from what."""
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(card))
    return (
        '<details class="sheet"><summary>Details: tested range, judge, data, licence, command</summary>'
        f"<dl>{facts}</dl></details>"
    )


def _facts(card: Card) -> list[tuple[str, str]]:
    safe = card.safe_range
    facts = [
        ("tested range", ", ".join(f"{name} {_span(safe.of(name))}" for name in SLIDERS)),
        ("reward rises", f"until {MAIN} {signed(card.rises_until)}"),
        ("judge", _judge(card)),
        *([("coherence with the prompt", _coherence(card))] if card.coherence else []),
        ("control 1", f"{card.calibration.updates} updates of step size {card.calibration.step_size:g}"),
        ("base model", escape(card.base.name)),
        ("data", "<br>".join(_data(one) for one in card.data) or "none named"),
        ("licence", escape(card.licence)),
    ]
    facts += [(meaning, f"{card.checks[key]:.0%}") for key, meaning in CHECKS.items() if key in card.checks]
    command = f"<details><summary>the command</summary><pre>{escape(card.command)}</pre></details>"
    by_hand = f"<div><small>and by hand: {escape(card.by_hand)}</small></div>" if card.by_hand else ""
    return [*facts, ("made by", f"version {escape(card.version)}{command}{by_hand}")]


def _data(one: object) -> str:
    name, licence = escape(getattr(one, "name", "")), escape(getattr(one, "licence", ""))
    by = escape(getattr(one, "attribution", ""))
    return f"{name} ({licence})" + (f"<br><small>{by}</small>" if by else "")


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


def example(card: Card, example: Example) -> str:
    """One prompt answered at three strengths, each reply as far as it is written."""
    columns = "".join(
        f'<article class="{side(amount)}"><h3>{signed(amount)} <span>{_towards(card, amount)}</span></h3>'
        f'<p class="text">{escape(text) or "…"}</p></article>'
        for amount, text in example.replies
    )
    return f'<p class="user">{escape(example.prompt)}</p><div class="three">{columns}</div>'


def _towards(card: Card, amount: float) -> str:
    """What a strength is called: the pole it leads to, or the base model."""
    if amount == 0:
        return "base (unsteered)"
    return escape(card.poles.positive if amount > 0 else card.poles.negative)


def making(one: TrainingStatus | None) -> str:
    """An axis in the making: how far it is, and what it says so far."""
    if one is None:
        return ""
    parts = [f'<section class="making" aria-label="{escape(one.name)} in the making"><h3>{escape(one.name)}</h3>']
    parts.append(f'<p class="status {one.phase}">{_phase(one)}</p>')
    if one.phase == "making" and one.progress is not None:
        done = one.progress.done / one.progress.total if one.progress.total else 0.0
        parts.append(f'<progress max="1" value="{done:.4f}" aria-label="this stage"></progress>')
        parts.append(_stages(one.progress.stage))
    if one.pair is not None and one.phase != "made":
        prompt, more, less = (escape(text) for text in one.pair)
        parts.append(
            f'<h4>It learns from pairs such as this</h4><p class="user">{prompt}</p>'
            f'<p class="text away">◂ {less}</p><p class="text toward">{more} ▸</p>'
        )
    if one.says and one.phase != "made":
        said = "".join(f'<p class="text"><b>{signed(amount)}</b> {escape(text)}</p>' for amount, text in one.says)
        parts.append(f"<h4>What it says when it is checked</h4>{said}")
    return "".join([*parts, "</section>"])


def _phase(one: TrainingStatus) -> str:
    if one.phase == "made":
        return "Ready. It is in the list of axes."
    if one.phase == "failed":
        return f"<b>It had to stop.</b> <span>{escape(one.problem)}</span>"
    if one.phase == "stopped":
        return "Stopped. What was done is kept: Resume continues here, Delete removes it."
    if one.progress is None:
        return "Starting: loading the model …"
    return f"{escape(STAGES.get(one.progress.stage, one.progress.stage)).capitalize()}{_count(one.progress)}"


def _count(progress: Progress) -> str:
    count = f": {progress.done:g} of {progress.total:g} {escape(progress.unit)}".rstrip()
    left = progress.seconds_left
    if not left:
        return count
    time = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
    return f"{count}, about {time} left in this stage"


def _stages(now: str) -> str:
    """All stages as a row of marks, the present one named for whoever cannot see it."""
    names = list(STAGES)
    here = names.index(now) if now in names else -1
    marks = "".join(
        f'<li class="{"past" if at < here else "now" if at == here else ""}" title="{name}"></li>'
        for at, name in enumerate(STAGES.values())
    )
    label = f"stage {here + 1} of {len(names)}" if here >= 0 else "stages"
    return f'<ol class="stages" role="img" aria-label="{label}">{marks}</ol>'


def _span(ends: tuple[float, float]) -> str:
    return f"{signed(ends[0])} to {signed(ends[1])}"
