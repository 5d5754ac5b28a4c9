"""The Play page's components and where they stand. No behaviour: that is in `page`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from playground import descriptions
from playground.cards import Card, Descriptions
from playground.measure import figures
from playground.places import ASSETS
from playground.presets import Preset
from playground.settings import MAIN, SLIDERS, Request, Row, Sampling, Settings, Sliders, Strength
from playground.ui import axis_menu, markup
from playground.ui.fold import Fold, fold
from playground.ui.number_box import NumberBox, bounds_of
from playground.ui.play import captions, derived, panes, tokens
from playground.ui.play.dial import Dial, changes, marks
from playground.ui.play.mixer import Mixer, listed
from playground.ui.play.view import BASE, FEWEST, MOST, STEERED, STRIP, Inputs, View

ASKED = [
    name
    for field in fields(Inputs)
    if field.name not in ("follow_up", "edits", "turn")
    for name in {"at": SLIDERS, "axis": ("axis", "positive", "negative")}.get(field.name, [field.name])
]
"""The components the inputs are read from, in the order of its fields: a dial for each slider, three tell the axis."""

_CARD_SCRIPT, _PANE_SCRIPT, _RIBBON_SCRIPT, _REUSE_SCRIPT, _REUSE = (
    (ASSETS / name).read_text(encoding="utf-8")
    for name in ("strip.js", "pane.js", "ribbon.js", "reuse.js", "reuse.html")
)

_BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}


@dataclass(frozen=True)
class Widgets:
    """The page's components; the first group carry the names of the inputs' fields."""

    prompt: gr.Textbox
    system: gr.Textbox
    axis: gr.Dropdown
    positive: gr.Textbox
    negative: gr.Textbox
    dials: Mapping[str, Dial]
    temperature: NumberBox
    seed: NumberBox
    max_new_tokens: NumberBox
    top_k: NumberBox
    top_p: NumberBox
    repetition_penalty: NumberBox
    method: gr.Dropdown
    updates: NumberBox
    step_size: NumberBox
    target: NumberBox
    side_by_side: gr.Textbox
    more: Mixer
    detail: gr.Checkbox

    preset: gr.Dropdown
    sentences: gr.Column
    gallery: gr.Dropdown
    train: gr.Button
    second: Fold
    note: gr.HTML
    run: gr.Button
    stop: gr.Button
    new_seed: gr.Button
    status: gr.HTML
    reuse: gr.HTML
    base: gr.HTML
    steered: gr.HTML
    holds: gr.HTML
    previous: gr.Button
    next: gr.Button
    ribbon: gr.HTML
    follow_up: gr.Textbox
    send: gr.Button
    edit: gr.Button
    editing: gr.State
    new_conversation: gr.Button
    strip: gr.HTML
    curve: gr.Plot
    caption: gr.HTML
    curve_text: gr.HTML
    view: gr.State

    @property
    def boxes(self) -> tuple[gr.Textbox, gr.Textbox]:
        """The two sentences, the positive one first."""
        return self.positive, self.negative

    def asked(self) -> list[Any]:
        """The components the inputs are read from."""
        return [self.dials[name] if name in self.dials else getattr(self, name) for name in ASKED]

    def everything(self) -> list[Any]:
        """All components."""
        return [*self.dials.values(), *(one for name, one in vars(self).items() if name != "dials")]


def layout(
    presets: tuple[Preset, ...],
    start: Preset,
    cards: Mapping[str, Card],
    card: Card | None,
    note: str,
    view: View,
    menu: dict[str, Any],
    methods: list[tuple[str, str]],
    length: int,
) -> Widgets:
    """Place every component inside the present Blocks: preset `start`, an axis's card, a view and its Share menu.

    `length` is how many tokens a reply may have unless a preset says otherwise.
    """
    parts: dict[str, Any] = {"view": gr.State(view), "editing": gr.State(value=False)}
    with gr.Row(elem_id="play", equal_height=False):
        with gr.Column(elem_id="left", scale=0, min_width=280):
            parts |= _asking(presets, start, sorted(cards), card, note)
            first, running = _running(start, card, view)
            others, settings = _settings(start, cards, card, methods, length)
            parts |= running | settings | {"dials": {MAIN: first, **others}}
        with gr.Column(elem_id="right", min_width=280):
            parts |= _answers(card, view, menu) | _strengths(card, view)
    return Widgets(**parts)


def _asking(
    presets: tuple[Preset, ...], start: Preset, axes: list[str], card: Card | None, note: str
) -> dict[str, Any]:
    with gr.Column(elem_id="asking"):
        prompt = gr.Textbox(
            start.prompt,
            label="Prompt",
            lines=2,
            max_lines=6,
            elem_id="prompt",
            placeholder="What should the model reply to? Enter sends, Shift+Enter begins a new line.",
        )
        with gr.Row(elem_id="choosing"):
            preset = gr.Dropdown(
                [(preset.title, index) for index, preset in enumerate(presets)],
                value=presets.index(start) if presets else None,
                label="Preset",
                elem_id="preset",
                visible=bool(presets),
                filterable=False,
                min_width=100,
            )
            axis = gr.Dropdown(
                axis_menu.choices(axes),
                value=card.name if card else axis_menu.TWO_SENTENCES,
                label="Axis",
                elem_id="axis",
                filterable=False,
                min_width=100,
            )
        sentences = _sentences(card is None)
        notes = gr.HTML(markup.axis_note(card, note), elem_id="note", **_BARE)
    return {"preset": preset, "prompt": prompt, "axis": axis, "note": notes, **sentences}


def _sentences(visible: bool) -> dict[str, Any]:
    """Two boxes that are an axis, which steers as soon as both are filled."""
    with gr.Column(elem_id="sentences", visible=visible) as column:
        gr.HTML(markup.paragraph("note", "Who replies at either end? Enter steers at once, untrained."), **_BARE)
        # The right end of the dial stands on the right.
        with gr.Row(elem_id="ends"):
            negative = gr.Textbox(label="Left: you are …", placeholder="a dull accountant", **_end("negative"))
            positive = gr.Textbox(label="Right: you are …", placeholder="a swashbuckling pirate", **_end("positive"))
        with gr.Row(elem_id="or_take"):
            gallery = gr.Dropdown(
                list(descriptions.gallery()),
                value=None,
                label="Or one of these",
                elem_id="gallery",
                visible=bool(descriptions.gallery()),
                min_width=120,
            )
            train = gr.Button("Train it", elem_id="train_it", size="sm", min_width=80, scale=0)
    return {"sentences": column, "positive": positive, "negative": negative, "gallery": gallery, "train": train}


def _end(name: str) -> dict[str, Any]:
    field = Descriptions.model_fields[name]
    longest = next(bound.max_length for bound in field.metadata if hasattr(bound, "max_length"))
    return {"lines": 1, "max_lines": 3, "max_length": longest, "elem_id": name, "min_width": 110}


def _dial(name: str, start: Preset, card: Card | None, **seen: Any) -> Dial:
    hint = _hint(Sliders, name)
    kind = ["main-dial"] if name == MAIN else []
    return Dial(start.amounts[name], elem_id=name, elem_classes=kind, name=name, hint=hint, **marks(card, name), **seen)


def _running(start: Preset, card: Card | None, view: View) -> tuple[Dial, dict[str, Any]]:
    """The first dial, which always shows, and the buttons below it."""
    seen = changes(derived.holds(view), derived.breakpoints(view), derived.steps(view))
    with gr.Column(elem_id="dials"):
        first = _dial(MAIN, start, card, **seen)
        with gr.Row(elem_id="running"):
            run = gr.Button("Run", variant="primary", elem_id="run", min_width=64)
            stop = gr.Button("Stop", interactive=False, elem_id="stop", min_width=64)
    return first, {"run": run, "stop": stop}


def method_menu(offered: list[tuple[str, str]], chosen: str | None) -> dict[str, Any]:
    """What a menu of methods shows; it is there only where there is a choice."""
    known = chosen or ""
    value = known if known in (name for _, name in offered) else ""
    return {"choices": offered or [("", "")], "value": value, "visible": len(offered) > 1}


def _settings(
    start: Preset, cards: Mapping[str, Card], card: Card | None, methods: list[tuple[str, str]], length: int
) -> tuple[dict[str, Dial], dict[str, Any]]:
    """The other dials, and what else is not needed at first sight, folded by subject."""
    parts: dict[str, Any] = {}
    with gr.Column(elem_id="settings"):
        others = [name for name in SLIDERS if name != MAIN]
        heading = f"{', '.join(others).capitalize()}, the {'other dials' if len(others) > 1 else 'second dial'}"
        with fold(heading, "second", start.without(MAIN).steers) as second:
            dials = {name: _dial(name, start, card) for name in others}
            parts["method"] = gr.Dropdown(
                **method_menu(methods, start.method), label="Method", elem_id="method", filterable=False
            )
            with gr.Row(elem_classes="numbers"):
                parts["updates"] = _number(None, "updates", Strength, placeholder="calibrated")
                parts["step_size"] = _number(None, "step_size", Strength, step=0.1, placeholder="calibrated")
                parts["target"] = _number(None, "target", Strength, step=0.1, placeholder="none")
        parts["second"] = second
        axes = listed(cards, card.name if card else None)
        parts["more"] = Mixer(start.more, axes=axes, elem_id="mixer", visible=bool(axes))
        with fold("Length and sampling", "sampling"):
            with gr.Row(elem_classes="numbers"):
                parts["max_new_tokens"] = _number(length, "max_new_tokens", Request, step=8)
                parts["temperature"] = _number(start.temperature, "temperature", Sampling, step=0.1)
                parts["seed"] = _number(start.seed, "seed", Row)
            with gr.Row(elem_classes="numbers"):
                parts["top_k"] = _number(0, "top_k", Sampling)
                parts["top_p"] = _number(1.0, "top_p", Sampling, step=0.05)
                parts["repetition_penalty"] = _number(1.0, "repetition_penalty", Sampling, label="Penalty", step=0.05)
            parts["new_seed"] = gr.Button("Resample", elem_id="new_seed", size="sm", min_width=80)
        with fold("System prompt and strip", "advanced"):
            parts["system"] = gr.Textbox(
                start.system,
                label="System prompt",
                lines=2,
                elem_id="system",
                placeholder="Instructions the model keeps in mind; empty for none.",
            )
            parts["side_by_side"] = gr.Textbox(
                STRIP,
                label="Strengths side by side",
                info=f"{FEWEST} to {MOST} values of {MAIN}, answered in one batch.",
                max_lines=1,
                elem_id="side_by_side",
            )
    return dials, parts


def _answers(card: Card | None, view: View, menu: dict[str, Any]) -> dict[str, Any]:
    with gr.Row(elem_id="top"):
        status = gr.HTML(captions.status(view), elem_id="status", js_on_load=markup.SPOKEN, **_BARE)
        reuse = gr.HTML(menu, html_template=_REUSE, js_on_load=_REUSE_SCRIPT, elem_id="reuse", **_BARE)
    with gr.Row(elem_id="panes", equal_height=True):
        base = gr.HTML(panes.pane(view, BASE, card), elem_id="base", js_on_load=_PANE_SCRIPT, **_BARE)
        steered = gr.HTML(panes.pane(view, STEERED, card), elem_id="steered", js_on_load=_PANE_SCRIPT, **_BARE)
    with gr.Row(elem_id="following"):
        follow_up = gr.Textbox(
            label="Follow up",
            show_label=False,
            container=False,
            placeholder="Follow up: each pane goes on from its own replies …",
            interactive=view.reply(BASE) is not None,
            lines=1,
            max_lines=4,
            elem_id="follow_up",
            scale=1,
            min_width=120,
        )
        send = gr.Button("Send", interactive=view.reply(BASE) is not None, elem_id="send", min_width=64, scale=0)
        edit = gr.Button("Edit last turn", interactive=False, elem_id="edit", min_width=100, scale=0)
        anew = gr.Button("New conversation", interactive=False, elem_id="anew", min_width=100, scale=0)
    with gr.Column(elem_id="looking"):
        detail = gr.Checkbox(value=False, label="Tokens", container=False, elem_id="detail")
        with gr.Row(elem_id="holding"):
            before, after = (step is not None for step in derived.steps(view))
            holds = gr.HTML(captions.holds(view), elem_id="holds", **_BARE)
            previous = gr.Button("◂ previous change", size="sm", interactive=before, elem_id="previous", min_width=60)
            following = gr.Button("next change ▸", size="sm", interactive=after, elem_id="next", min_width=60)
        ribbon = gr.HTML(tokens.ribbon(view), elem_id="ribbon", js_on_load=_RIBBON_SCRIPT, **_BARE)
    return {
        "status": status,
        "reuse": reuse,
        "base": base,
        "steered": steered,
        "holds": holds,
        "previous": previous,
        "next": following,
        "detail": detail,
        "ribbon": ribbon,
        "follow_up": follow_up,
        "send": send,
        "edit": edit,
        "new_conversation": anew,
    }


def _strengths(card: Card | None, view: View) -> dict[str, Any]:
    points = tuple(figures.ReplyReward(*point) for point in derived.rewards(view))
    with gr.Column(elem_id="curve", visible=card is not None):
        curve = gr.Plot(figures.reward_curve(card, points), show_label=False, container=False, elem_id="plot")
        gr.HTML(
            '<div class="you" aria-hidden="true"><i>you</i></div>',
            **_BARE,
            elem_id="you",
        )
        caption = gr.HTML(markup.caption(figures.caption(card)), **_BARE, elem_id="caption")
        text = gr.HTML(captions.curve_as_text(card, derived.rewards(view)), **_BARE, elem_id="curve_text")
    strip = gr.HTML(
        panes.strip(view, card),
        elem_id="strip",
        **_BARE,
        js_on_load=_CARD_SCRIPT,
        visible=card is not None,
    )
    return {"strip": strip, "curve": curve, "caption": caption, "curve_text": text}


def _number(value: float | None, name: str, settings: type[Settings], label: str = "", **more: Any) -> NumberBox:
    """A number box that knows what its setting means and how far it goes."""
    label = label or name.replace("_", " ").capitalize()
    bounds, hint = bounds_of(settings, name), _hint(settings, name)
    return NumberBox(value, label=label, bounds=bounds, info=hint, name=name, elem_id=name, **more)


def _hint(settings: type[Settings], name: str) -> str:
    return settings.model_fields[name].description or ""
