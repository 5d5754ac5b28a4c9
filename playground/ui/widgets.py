"""The Play page's components and where they stand. No behaviour: that is in `play`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from playground import curves
from playground.cards import Card
from playground.presets import Preset
from playground.settings import Request, Row, Sampling, Settings, Strength
from playground.ui import gauges, markup, panes, ribbon
from playground.ui.dial import Dial, changes, marks
from playground.ui.mixer import Mixer, listed
from playground.ui.theme import ASSETS
from playground.ui.view import BASE, FEWEST, MOST, STEERED, STRIP, View, Wish

ASKED = [field.name for field in fields(Wish) if field.name not in ("follow_up", "edits", "turn")]
"""The names of the components a wish is read from, in the order of its fields."""

_CARD_SCRIPT, _RIBBON_SCRIPT, _REUSE_SCRIPT, _REUSE = (
    (ASSETS / name).read_text(encoding="utf-8") for name in ("strip.js", "ribbon.js", "reuse.js", "reuse.html")
)

_BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}


@dataclass(frozen=True)
class Widgets:
    """The page's components; the first group carry the names of a wish's fields."""

    prompt: gr.Textbox
    system: gr.Textbox
    axis: gr.Dropdown
    alpha: Dial
    control: Dial
    temperature: gr.Number
    seed: gr.Number
    max_new_tokens: gr.Number
    top_k: gr.Number
    top_p: gr.Number
    repetition_penalty: gr.Number
    updates: gr.Number
    step_size: gr.Number
    alphas: gr.Textbox
    more: Mixer
    detail: gr.Checkbox

    preset: gr.Dropdown
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

    def asked(self) -> list[Any]:
        """The components a wish is read from."""
        return [getattr(self, name) for name in ASKED]


def layout(
    presets: tuple[Preset, ...],
    start: Preset,
    cards: Mapping[str, Card],
    card: Card | None,
    note: str,
    view: View,
    menu: dict[str, Any],
) -> Widgets:
    """Place every component inside the present Blocks: preset `start`, an axis's card, a view and its Share menu."""
    parts: dict[str, Any] = {"view": gr.State(view), "editing": gr.State(value=False)}
    with gr.Row(elem_id="play", equal_height=False):
        with gr.Column(elem_id="left", scale=0, min_width=336):
            parts |= _asking(presets, start, sorted(cards), card, note) | _dials(start, card, view)
            parts |= _settings(start, cards, card)
        with gr.Column(elem_id="right", min_width=320):
            parts |= _answers(card, view, menu) | _strengths(card, view)
    return Widgets(**parts)


def _asking(
    presets: tuple[Preset, ...], start: Preset, axes: list[str], card: Card | None, note: str
) -> dict[str, Any]:
    with gr.Column(elem_id="asking"):
        preset = gr.Dropdown(
            [(preset.title, index) for index, preset in enumerate(presets)],
            value=presets.index(start) if presets else None,
            label="Preset",
            elem_id="preset",
            visible=bool(presets),
            filterable=False,
        )
        prompt = gr.Textbox(
            start.prompt,
            label="Prompt",
            lines=3,
            max_lines=8,
            elem_id="prompt",
            placeholder="What should the model reply to?",
        )
        axis = gr.Dropdown(
            axes,
            value=card.name if card else None,
            label="Axis",
            elem_id="axis",
            visible=bool(axes),
            filterable=False,
        )
        notes = gr.HTML(markup.axis_note(card, note), elem_id="note", **_BARE)
    return {"preset": preset, "prompt": prompt, "axis": axis, "note": notes}


def _dials(start: Preset, card: Card | None, view: View) -> dict[str, Any]:
    seen = changes(gauges.holds(view), gauges.breakpoints(view), gauges.steps(view))
    with gr.Column(elem_id="dials"):
        alpha = Dial(
            start.alpha, elem_id="alpha", name="alpha", hint=_hint(Strength, "alpha"), **marks(card, "alpha"), **seen
        )
        control = Dial(
            start.control, elem_id="control", name="control", hint=_hint(Strength, "control"), **marks(card, "control")
        )
        with gr.Row(elem_id="running"):
            run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
            stop = gr.Button("Stop", interactive=False, elem_id="stop", min_width=80)
    return {"alpha": alpha, "control": control, "run": run, "stop": stop}


def _settings(start: Preset, cards: Mapping[str, Card], card: Card | None) -> dict[str, Any]:
    """Temperature, seed and length in sight; the rest folded away."""
    parts: dict[str, Any] = {}
    with gr.Column(elem_id="settings"):
        with gr.Row(elem_classes="numbers"):
            parts["temperature"] = _number(start.temperature, "temperature", Sampling, step=0.1)
            parts["seed"] = _number(start.seed, "seed", Row, precision=0)
            parts["max_new_tokens"] = _number(
                start.max_new_tokens, "max_new_tokens", Request, label="length", precision=0, step=8
            )
        parts["new_seed"] = gr.Button("Again with another seed", elem_id="new_seed", size="sm", min_width=80)
        axes = listed(cards, card.name if card else None)
        parts["more"] = Mixer(start.more, axes=axes, elem_id="mixer", visible=bool(axes))
        with gr.Accordion("System text", open=False):
            parts["system"] = gr.Textbox(
                start.system,
                label="System text",
                show_label=False,
                lines=2,
                elem_id="system",
                placeholder="Instructions the model keeps in mind; empty for none.",
            )
        with gr.Accordion("Sampling", open=False), gr.Row(elem_classes="numbers"):
            parts["top_k"] = _number(0, "top_k", Sampling, precision=0)
            parts["top_p"] = _number(1.0, "top_p", Sampling, step=0.05)
            parts["repetition_penalty"] = _number(1.0, "repetition_penalty", Sampling, label="penalty", step=0.05)
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            with gr.Row(elem_classes="numbers"):
                parts["updates"] = _number(None, "updates", Strength, precision=0, placeholder="calibrated")
                parts["step_size"] = _number(None, "step_size", Strength, step=0.1, placeholder="calibrated")
            parts["alphas"] = gr.Textbox(
                STRIP,
                label="Strengths side by side",
                info=f"{FEWEST} to {MOST} values of alpha, answered in one batch.",
                max_lines=1,
                elem_id="alphas",
            )
    return parts


def _answers(card: Card | None, view: View, menu: dict[str, Any]) -> dict[str, Any]:
    with gr.Row(elem_id="top"):
        status = gr.HTML(markup.status(view), elem_id="status", **_BARE)
        reuse = gr.HTML(menu, html_template=_REUSE, js_on_load=_REUSE_SCRIPT, elem_id="reuse", **_BARE)
    with gr.Row(elem_id="panes", equal_height=True):
        base = gr.HTML(panes.pane(view, BASE, card), elem_id="base", **_BARE)
        steered = gr.HTML(panes.pane(view, STEERED, card), elem_id="steered", **_BARE)
    with gr.Row(elem_id="holding"):
        before, after = (step is not None for step in gauges.steps(view))
        previous = gr.Button("◂ previous change", size="sm", interactive=before, elem_id="previous", min_width=60)
        holds = gr.HTML(markup.holds(view), elem_id="holds", **_BARE)
        following = gr.Button("next change ▸", size="sm", interactive=after, elem_id="next", min_width=60)
    with gr.Column(elem_id="looking"):
        detail = gr.Checkbox(value=False, label="Look at the tokens", container=False, elem_id="detail")
        tokens = gr.HTML(ribbon.ribbon(view), elem_id="ribbon", js_on_load=_RIBBON_SCRIPT, **_BARE)
    with gr.Row(elem_id="following"):
        follow_up = gr.Textbox(
            label="Follow up",
            show_label=False,
            container=False,
            placeholder="Follow up in both panes …",
            interactive=False,
            lines=1,
            max_lines=4,
            elem_id="follow_up",
            scale=1,
        )
        send = gr.Button("Send", interactive=False, elem_id="send", min_width=72, scale=0)
        edit = gr.Button("Edit last turn", interactive=False, elem_id="edit", min_width=120, scale=0)
        anew = gr.Button("New conversation", interactive=False, elem_id="anew", min_width=150, scale=0)
    return {
        "status": status,
        "reuse": reuse,
        "base": base,
        "steered": steered,
        "holds": holds,
        "previous": previous,
        "next": following,
        "detail": detail,
        "ribbon": tokens,
        "follow_up": follow_up,
        "send": send,
        "edit": edit,
        "new_conversation": anew,
    }


def _strengths(card: Card | None, view: View) -> dict[str, Any]:
    points = tuple(curves.Measured(*point) for point in gauges.rewards(view))
    strip = gr.HTML(
        panes.strip(view, card),
        elem_id="strip",
        **_BARE,
        js_on_load=_CARD_SCRIPT,
        visible=card is not None,
    )
    with gr.Column(elem_id="curve", visible=card is not None):
        curve = gr.Plot(curves.reward_curve(card, points), show_label=False, container=False, elem_id="plot")
        gr.HTML(
            '<div class="you" aria-hidden="true"><i>you</i></div>',
            **_BARE,
            elem_id="you",
        )
        caption = gr.HTML(markup.caption(curves.caption(card)), **_BARE, elem_id="caption")
        text = gr.HTML(markup.curve_as_text(card, gauges.rewards(view)), **_BARE, elem_id="curve_text")
    return {"strip": strip, "curve": curve, "caption": caption, "curve_text": text}


def _number(value: float | None, name: str, settings: type[Settings], label: str = "", **more: Any) -> gr.Number:
    """A number box that knows what its setting means; bounds are checked where the setting is defined."""
    hint = _hint(settings, name)
    return gr.Number(value, label=label or name.replace("_", " "), info=hint, elem_id=name, min_width=84, **more)


def _hint(settings: type[Settings], name: str) -> str:
    return settings.model_fields[name].description or ""
