"""The Play page: turn a dial, and one batch answers the same prompt at every strength the page shows.

Handlers only carry values: a person's wish goes to the desk, `serve` answers the newest one, `present` and `markup`
decide what is seen. Asking is quick and never waits for the engine; that is how a newer wish stops an older run.
"""

import random
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import gradio as gr

from playground import curves
from playground.cards import Card
from playground.errors import PlaygroundError
from playground.events import Event, Finished
from playground.presets import Preset
from playground.settings import Request
from playground.ui import markup, present
from playground.ui.desk import Desk
from playground.ui.dial import Dial, marks
from playground.ui.present import View, Wish
from playground.ui.widgets import ASKED, Widgets, layout

_REDRAW_S = 1 / 12  # a reply grows on the page at most a dozen times a second
_QUICK: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
_ENGINE: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_id": "engine",
    "concurrency_limit": 1,
    "trigger_mode": "multiple",
}

Update = dict[Any, Any]


class HasCard(Protocol):
    """An axis as the page needs it."""

    @property
    def card(self) -> Card:
        """What is known of it."""
        ...

    @property
    def note(self) -> str:
        """A warning to show beside it, or nothing."""
        ...


class Plays(Protocol):
    """What the page asks of a player."""

    @property
    def name(self) -> str:
        """The base model's display name."""
        ...

    @property
    def axes(self) -> Mapping[str, HasCard]:
        """Its axes by name."""
        ...

    def run(self, request: Request) -> Generator[Event, None, None]:
        """Answer a request as a stream of events; closing it stops."""
        ...


class PlayPage:
    """The page of one player. Holds no one's replies: those live in each session's state."""

    def __init__(self, player: Plays, presets: tuple[Preset, ...]) -> None:
        self.player = player
        self.presets = presets
        self.desk = Desk()
        self.widgets = self._layout()
        self._connect()

    # -- asking: quick, never waits for the engine ---------------------------------------------------------------

    def ask(self, request: gr.Request, view: View, *values: Any) -> Update:
        """Run: answer what the page now says."""
        return self._put(request, view, self._wish(view, values))

    def moved(self, request: gr.Request, view: View, *values: Any) -> Update:
        """A dial came to rest: answer the present turn at that strength, if one was ever asked."""
        if view.wish is None:
            return {}
        wish = self._wish(view, values)
        return self._put(request, view, replace(wish, prompt=view.wish.prompt, system=view.wish.system))

    def follow(self, request: gr.Request, view: View, text: str, *values: Any) -> Update:
        """Send the next turn to both panes."""
        if view.wish is None:
            return {}
        wish = self._wish(view, values)
        wish = replace(wish, prompt=view.wish.prompt, system=view.wish.system, follow_up=text)
        return self._put(request, view, wish) | {self.widgets.follow_up: ""}

    def adopt(self, event: gr.EventData, request: gr.Request, view: View, *values: Any) -> Update:
        """A card of the strip was chosen: its alpha becomes the page's."""
        return self._at(float(event.alpha), request, view, values)

    def step_back(self, request: gr.Request, view: View, *values: Any) -> Update:
        """To the nearest lower alpha at which the reply is another."""
        return self._at(present.steps(view)[0], request, view, values)

    def step_on(self, request: gr.Request, view: View, *values: Any) -> Update:
        """To the nearest higher alpha at which the reply is another."""
        return self._at(present.steps(view)[1], request, view, values)

    def reseed(self, request: gr.Request, view: View, *values: Any) -> Update:
        """A new seed, and the present turn again."""
        seed = random.randrange(10_000)
        values = tuple(seed if name == "seed" else value for name, value in zip(ASKED, values, strict=True))
        return {self.widgets.seed: seed} | self.moved(request, view, *values)

    def choose_preset(self, request: gr.Request, index: int, view: View, *values: Any) -> Update:
        """Fill the page from a preset and answer it."""
        preset, w = self.presets[index], self.widgets
        chosen = preset.model_dump(exclude={"title", "axis", "more"})
        wish = replace(self._wish(view, values), **chosen)
        if preset.axis in self.player.axes:
            wish = replace(wish, axis=preset.axis)
        update = {getattr(w, name): value for name, value in chosen.items() if name not in ("alpha", "control")}
        return update | self._axis_update(wish) | self._put(request, view, wish)

    def choose_axis(self, request: gr.Request, view: View, *values: Any) -> Update:
        """Dials, note and curve speak of another axis; the present turn is answered along it."""
        return self._axis_update(self._wish(view, values)) | self.moved(request, view, *values)

    def halt(self, request: gr.Request) -> None:
        """Stop: the run sees at its next event that nothing is wanted any more. Also when the page is closed."""
        self.desk.withdraw(_session(request))

    def clear(self, request: gr.Request, axis: str | None) -> Update:
        """A new conversation: nothing behind, nothing shown, the settings stay."""
        nothing = Wish()  # it overtakes what is being written, which then leaves the emptied page alone
        self.desk.wish(_session(request), nothing)
        self.desk.served(_session(request), nothing)
        return self._shown(View(), {}, axis) | {self.widgets.follow_up: ""}

    # -- answering: one run at a time, the newest wish wins ------------------------------------------------------

    def serve(self, request: gr.Request, view: View) -> Generator[Update, None, None]:
        """Answer the session's newest wish, drawing as it is written, until done, stopped or overtaken."""
        session, drawn = _session(request), {}
        wish = self.desk.newest(session)
        if wish is None or (wish == view.wish and view.phase == "done"):
            yield {self.widgets.status: markup.status(view)}
            return
        try:
            view = self._begun(view, wish)
            yield self._shown(view, drawn, wish.axis)
            for view in self._run(view, session, wish):  # noqa: B020 - each view grows from the last
                yield self._shown(view, drawn, wish.axis)
        finally:
            self.desk.served(session, wish)

    @staticmethod
    def _begun(view: View, wish: Wish) -> View:
        try:
            return present.begin(view, wish)
        except PlaygroundError as error:
            return present.fail(view, error)

    def _run(self, view: View, session: str, wish: Wish) -> Iterator[View]:
        """The views worth drawing of one run."""
        batch = present.request(view)
        if batch is None:
            return
        events, due = self.player.run(batch), 0.0
        try:
            for event in events:
                if self.desk.newest(session) != wish:
                    if self.desk.newest(session) is None:
                        yield present.stop(view)
                    return  # overtaken: the page belongs to the newer wish
                view = present.fold(view, event)
                if isinstance(event, Finished) or time.monotonic() >= due:
                    yield view
                    due = time.monotonic() + _REDRAW_S
            yield view
        except PlaygroundError as error:
            yield present.fail(view, error)
        finally:
            events.close()

    # -- the rest -------------------------------------------------------------------------------------------------

    def card(self, axis: str | None) -> Card | None:
        """The card of an axis, None without one."""
        return self.player.axes[axis].card if axis and axis in self.player.axes else None

    def _layout(self) -> Widgets:
        axes = sorted(self.player.axes)
        presets = self.presets or (Preset(title="Hello", prompt="Tell me about yourself."),)
        start = next((preset for preset in presets if preset.axis in axes), presets[0])
        name = start.axis if start.axis in axes else axes[0] if axes else None
        note = self.player.axes[name].note if name else ""
        return layout(self.presets, start, axes, self.card(name), note)

    def _wish(self, view: View, values: tuple[Any, ...]) -> Wish:
        given: dict[str, Any] = dict(zip(ASKED, values, strict=True))
        given |= {"axis": given["axis"] or "", "system": given["system"] or "", "turn": len(view.turns)}
        return Wish(**given)

    def _put(self, request: gr.Request, view: View, wish: Wish) -> Update:
        """Put a wish on the desk; what was asked and is answered already stays as it is."""
        ahead = self.desk.wish(_session(request), wish)
        if wish == view.wish and view.phase == "done":
            return {}
        return {self.widgets.status: markup.waiting(ahead)}

    def _at(self, alpha: float | None, request: gr.Request, view: View, values: tuple[Any, ...]) -> Update:
        if alpha is None:
            return {}
        values = tuple(alpha if name == "alpha" else value for name, value in zip(ASKED, values, strict=True))
        return {self.widgets.alpha: alpha} | self.moved(request, view, *values)

    def _axis_update(self, wish: Wish) -> Update:
        w, card = self.widgets, self.card(wish.axis)
        note = self.player.axes[wish.axis].note if wish.axis in self.player.axes else ""
        return {
            w.axis: wish.axis or None,
            w.alpha: Dial(wish.alpha, **marks(card, "alpha")),
            w.control: Dial(wish.control, **marks(card, "control")),
            w.note: markup.axis_note(card, note),
            w.caption: markup.caption(curves.caption(card)),
            w.curve: curves.reward_curve(card),
        }

    def _shown(self, view: View, drawn: dict[Any, Any], axis: str | None) -> Update:
        """What must change on the page for it to show `view`; `drawn` remembers what it shows already."""
        w, card = self.widgets, self.card(axis)
        before, after = present.steps(view)
        idle = view.reply(present.BASE) is not None and not view.writing
        points = tuple(curves.Measured(*point) for point in present.rewards(view))
        page = {
            w.status: markup.status(view),
            w.base: markup.pane(view, present.BASE, card),
            w.steered: markup.pane(view, present.STEERED, card),
            w.holds: markup.holds(view),
            w.strip: markup.strip(view, card),
            w.previous: before is not None,
            w.next: after is not None,
            w.stop: view.writing,
            w.send: idle,
            w.follow_up: idle,
            w.new_conversation: view.wish is not None,
            w.curve: points,
        }
        news = {widget: value for widget, value in page.items() if drawn.get(widget) != value}
        drawn.update(news)
        update: Update = {widget: gr.update(interactive=v) if isinstance(v, bool) else v for widget, v in news.items()}
        if w.curve in update:
            update[w.curve] = curves.reward_curve(card, points)
        return update | {w.view: view}

    def _connect(self) -> None:
        w = self.widgets
        asked = [w.view, *w.asked()]
        everything = list(vars(w).values())
        quick: dict[str, Any] = {**_QUICK, "outputs": everything}
        dials = [w.alpha.input, w.alpha.release, w.control.input, w.control.release]
        asking = [
            gr.on([w.run.click, w.prompt.submit], self.ask, asked, **quick),
            gr.on(dials, self.moved, asked, trigger_mode="always_last", **quick),
            gr.on([w.send.click, w.follow_up.submit], self.follow, [w.view, w.follow_up, *w.asked()], **quick),
            w.strip.select(self.adopt, asked, **quick),
            w.previous.click(self.step_back, asked, **quick),
            w.next.click(self.step_on, asked, **quick),
            w.new_seed.click(self.reseed, asked, **quick),
            w.preset.input(self.choose_preset, [w.preset, *asked], **quick),
            w.axis.input(self.choose_axis, asked, **quick),
        ]
        for event in asking:
            event.then(self.serve, w.view, everything, **_ENGINE)
        w.stop.click(self.halt, queue=False, **_QUICK)
        w.new_conversation.click(self.clear, w.axis, everything, **_QUICK)


def _session(request: gr.Request) -> str:
    return request.session_hash or ""
