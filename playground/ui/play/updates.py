"""What must change on the Play page for it to show a view, inputs, or another axis: values for its components."""

from typing import Any

import gradio as gr

from playground import descriptions
from playground.cards import Card
from playground.measure import figures
from playground.serving.handle import EngineHandle
from playground.settings import MAIN, SLIDERS
from playground.ui import axis_menu, markup, snippets
from playground.ui.play import captions, derived, panes, present, tokens
from playground.ui.play.dial import Dial, changes, marks
from playground.ui.play.mixer import Mixer, listed
from playground.ui.play.view import BASE, STEERED, Inputs, View
from playground.ui.play.widgets import ASKED, Widgets, method_menu

Update = dict[Any, Any]


def cards_of(player: EngineHandle) -> dict[str, Card]:
    """The cards of a player's axes, by name."""
    return {name: axis.card for name, axis in player.axes.items()}


def card_of(player: EngineHandle, axis: str | None) -> Card | None:
    """The card of an axis, None without one."""
    known = player.known(axis) if axis else None
    return known.card if known is not None else None


def methods_of(player: EngineHandle, axis: str | None) -> list[tuple[str, str]]:
    """What a menu of methods offers: those behind the first slider that has several.

    The first, which acts unless another is named, has no name.
    """
    known = player.known(axis) if axis else None
    each = [known.methods_for(slider) for slider in SLIDERS] if known else []
    offered = next((found for found in each if len(found) > 1), [])
    return [(title, name if place else "") for place, (title, name) in enumerate(offered)]


def menu(view: View, player: EngineHandle, model: str) -> dict[str, Any]:
    """What can be taken along of a view: texts by the names of the menu's buttons."""
    inputs = view.inputs
    if inputs is None or not inputs.prompt.strip():
        return {}
    return snippets.menu(present.preset_of(inputs), player.name, model, derived.compared(view), live=not view.recorded)


class PageUpdates:
    """Updates for one page's components; `model` is what commands call the player's model."""

    def __init__(self, widgets: Widgets, player: EngineHandle, model: str) -> None:
        self.widgets, self.player, self.model = widgets, player, model

    def shown(self, view: View, drawn: dict[Any, Any], axis: str | None) -> Update:
        """What must change on the page for it to show `view`; `drawn` remembers what it shows already."""
        w, card = self.widgets, card_of(self.player, axis)
        before, after = derived.steps(view)
        idle = view.reply(BASE) is not None and not view.writing
        rewards = derived.rewards(view)
        points = tuple(figures.ReplyReward(*point) for point in rewards)
        seen = changes(derived.holds(view), derived.breakpoints(view), (before, after))
        page: Update = {
            w.status: captions.status(view),
            w.reuse: menu(view, self.player, self.model),
            w.ribbon: tokens.ribbon(view),
            **{dial: marks(card, name) | (seen if name == MAIN else {}) for name, dial in w.dials.items()},
            w.curve_text: captions.curve_as_text(card, rewards),
            w.base: panes.pane(view, BASE, card),
            w.steered: panes.pane(view, STEERED, card),
            w.holds: captions.holds(view),
            w.strip: panes.strip(view, card),
            w.previous: before is not None,
            w.next: after is not None,
            w.stop: view.writing,
            w.send: idle,
            w.follow_up: idle,
            w.edit: idle and bool(view.turns),
            w.new_conversation: bool(view.turns),
            w.caption: markup.caption(figures.caption(card)),
            w.curve: (card, points),
        }
        if descriptions.parts(axis or ""):  # whose card is known only once it is calibrated
            page[w.note] = markup.axis_note(card)
        news = {widget: value for widget, value in page.items() if drawn.get(widget) != value}
        drawn.update(news)
        update: Update = {widget: gr.update(interactive=v) if isinstance(v, bool) else v for widget, v in news.items()}
        if w.curve in update:
            update[w.curve] = figures.reward_curve(card, points)
        update |= {dial: gr.update(**page[dial]) for dial in w.dials.values() if dial in update}
        return update | {w.view: view}

    def of_axis(self, inputs: Inputs) -> Update:
        """All that speaks of the axis of inputs."""
        w, card = self.widgets, card_of(self.player, inputs.axis)
        menu = axis_menu.shown(inputs.axis)
        sentences = descriptions.parts(inputs.axis)
        boxes = {w.positive: sentences[0], w.negative: sentences[1]} if sentences else {}
        mixed = [strength.axis for strength in inputs.more]
        note = self.player.axes[inputs.axis].note if inputs.axis in self.player.axes else ""
        return {
            w.axis: menu,
            w.sentences: gr.Column(visible=menu == axis_menu.TWO_SENTENCES),
            **boxes,
            **{dial: Dial(inputs.at.amounts[name], **marks(card, name)) for name, dial in w.dials.items()},
            w.method: gr.update(**method_menu(methods_of(self.player, inputs.axis), inputs.method)),
            **({w.second: True} if inputs.at.without(MAIN).steers else {}),
            w.more: Mixer(inputs.more, axes=listed(cards_of(self.player), inputs.axis, mixed)),
            w.note: markup.axis_note(card, note),
            w.caption: markup.caption(figures.caption(card)),
            w.curve: figures.reward_curve(card),
        }

    def filled(self, inputs: Inputs) -> Update:
        """The page's fields as the inputs say."""
        plain = [name for name in ASKED if name not in ("axis", "positive", "negative", *SLIDERS, "method", "more")]
        return {getattr(self.widgets, name): getattr(inputs, name) for name in plain} | self.of_axis(inputs)

    def editing(self, edits: bool) -> Update:
        """The follow-up's buttons, while the last turn is edited or not."""
        w = self.widgets
        return {
            w.editing: edits,
            w.send: gr.update(value="Replace" if edits else "Send"),
            w.edit: gr.update(value="Keep as it is" if edits else "Edit last turn"),
        }
