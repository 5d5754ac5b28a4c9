"""The Play page: turn a dial, and one batch answers the same prompt at every strength the page shows.

Handlers only carry values: a person's inputs go to the inbox, `serve` answers the newest, `present` and `updates`
decide what is seen. Asking is quick and never waits for the engine; that is how newer inputs stop an older run.
"""

import random
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import escape

from playground import descriptions, presets
from playground.errors import AxisMismatch, PlaygroundError
from playground.events import Event, Progress, Waiting
from playground.presets import Preset
from playground.serving.limits import LimitedPlayer
from playground.serving.queue import Client
from playground.settings import SLIDERS, Request, Sliders
from playground.ui import axis_menu, markup, share
from playground.ui.events import LATEST, ONCE
from playground.ui.number_box import NumberBox
from playground.ui.play import captions, present
from playground.ui.play.inbox import NOTHING, Inbox
from playground.ui.play.pace import SLOW
from playground.ui.play.recordings import Recording
from playground.ui.play.updates import PageUpdates, Update, card_of, cards_of, menu, methods_of
from playground.ui.play.view import Inputs, View
from playground.ui.play.widgets import ASKED, Widgets, layout

_REDRAW_S = 1 / 15  # a reply grows on the page at most so often
_LONGEST_FILE = 200_000  # letters of a preset that are read


class PlayPage:
    """The page of one player. Holds no one's replies: those live in each session's state."""

    def __init__(
        self,
        player: LimitedPlayer,
        offered: tuple[Preset, ...],
        model: str = "smollm2",
        recording: Recording | None = None,
        length: int = SLOW,
        longest: int = 2048,
    ) -> None:
        """`model` is what commands call the player's model; `recording` is shown first.

        `length` is how many tokens a reply may have unless a preset says otherwise, `longest` how many at most.
        """
        self.player = player
        self.presets = offered
        self.model = model
        self.recording = recording
        self.length, self.longest = length, longest
        self.inbox = Inbox()
        self.widgets = self._layout()
        self.drawing = PageUpdates(self.widgets, player, model)
        self._connect()

    # -- asking: quick, never waits for the engine ---------------------------------------------------------------

    def ask(self, request: gr.Request, view: View, *values: Any) -> Update:
        """Run: answer what the page now says."""
        return self._put(request, view, self._inputs(view, values)) or gr.skip()

    def moved(self, request: gr.Request, view: View, *values: Any) -> Update:
        """A dial moved: answer the present turn at that strength, if one was ever asked."""
        return self._moved(request, view, values) or gr.skip()

    def follow(self, request: gr.Request, view: View, text: str, edits: bool, *values: Any) -> Update:
        """Send the next turn to both panes, or the last one anew."""
        if view.inputs is None:
            return gr.skip()
        if not text.strip():  # nor may it stand in for what was asked last
            gr.Info("Type what the model should reply to next.")
            return gr.skip()
        inputs = self._inputs(view, values)
        inputs = replace(inputs, prompt=view.inputs.prompt, system=view.inputs.system, follow_up=text, edits=edits)
        return self._put(request, view, inputs) | {self.widgets.follow_up: ""} | self.drawing.editing(False)

    def begin_editing(self, view: View, edits: bool) -> Update:
        """Take the last turn's text back into the box; a second time leaves it as it is."""
        return self.drawing.editing(not edits) | {self.widgets.follow_up: "" if edits else view.prompt}

    def go_on(self, request: gr.Request, view: View, *values: Any) -> Update:
        """Continue: the same replies with more tokens, up to as many as the page allows."""
        more = min(view.max_new_tokens + self.length, self.longest)
        if more <= view.max_new_tokens:
            gr.Info(f"Replies end at {self.longest} tokens here.")
            return gr.skip()
        values = tuple(more if name == "max_new_tokens" else value for name, value in zip(ASKED, values, strict=True))
        return {self.widgets.max_new_tokens: more} | self._moved(request, view, values)

    def reseed(self, request: gr.Request, view: View, *values: Any) -> Update:
        """A new seed, and the present turn again."""
        if not values[ASKED.index("temperature")]:
            gr.Info("At temperature 0 every seed gives the same reply. Set the temperature to 0.7, say, for others.")
            return gr.skip()
        seed = random.randrange(10_000)
        values = tuple(seed if name == "seed" else value for name, value in zip(ASKED, values, strict=True))
        return {self.widgets.seed: seed} | self._moved(request, view, values)

    def choose_preset(self, request: gr.Request, index: int, view: View, *values: Any) -> Update:
        """Fill the page from a preset and answer it."""
        return self._from(self.presets[index], request, view, values)

    def open_preset(self, event: gr.EventData, request: gr.Request, view: View, *values: Any) -> Update:
        """Fill the page from a preset that was saved earlier and answer it."""
        try:
            preset = presets.parse(str(event.text)[:_LONGEST_FILE], str(event.name))
            self._check_axes(preset, "preset")
        except PlaygroundError as error:
            gr.Warning(escape(f"{error.message} {error.hint}"), title="The preset was not opened")  # shown as HTML
            return gr.skip()
        return self._from(preset, request, view, values) | {self.widgets.preset: None}

    def _from(self, preset: Preset, request: gr.Request, view: View, values: tuple[Any, ...]) -> Update:
        inputs = present.of_preset(preset, self._inputs(view, values), self._is_here)
        return self.drawing.filled(inputs) | self._put(request, view, inputs)

    def _check_axes(self, preset: Preset, what: str) -> None:
        """Refuse settings from elsewhere whose axes are not all here."""
        missing = [name for name in share.axes_of(preset) if not self._is_here(name)]
        if missing:
            raise AxisMismatch(
                f"This {what} asks for the axis {missing[0]!r}, which is not here.",
                f"Load it on the page Axes, then open the {what} again.",
            )

    def _is_here(self, axis: str) -> bool:
        """Whether an axis of this name can steer: it is loaded, or two sentences tell it."""
        return axis in self.player.axes or descriptions.parts(axis) is not None

    def greet(self, blocks: gr.Blocks) -> None:
        """When the page is opened by a link that carries settings, fill them in and answer."""
        opened = blocks.load(self.opened, None, self._everything(), **ONCE)
        opened.then(self.serve, self.widgets.view, self._drawn(), **LATEST)

    def opened(self, request: gr.Request) -> Update:
        """The page was opened: by a link that carries settings, these are filled in and answered."""
        w = self.widgets
        try:
            shared = share.decode(dict(request.query_params))
            if shared is None:
                return gr.skip()
            self._check_axes(shared.preset, "link")
        except PlaygroundError as error:
            return {w.view: present.fail(View(), error)}
        inputs = present.of_preset(shared.preset, Inputs(), self._is_here)
        update = self.drawing.filled(inputs) | self._put(request, View(), inputs) | {w.view: View()}
        if shared.model not in ("", self.player.name):
            other = f"The link was made with {shared.model}; replies of {self.player.name} differ."
            update[w.note] = markup.axis_note(card_of(self.player, inputs.axis), other)
        return update

    def choose_axis(self, request: gr.Request, view: View, *values: Any) -> Update:
        """Dials, note and curve speak of another axis; the present turn is answered along it."""
        inputs = self._inputs(view, values)
        return self.drawing.of_axis(inputs) | (self._moved(request, view, values) if inputs.axis else {})

    def describe(self, request: gr.Request, view: View, *values: Any) -> Update:
        """Both ends are described: what the page asks is answered along that axis."""
        inputs = self._inputs(view, values)
        if not inputs.axis:
            gr.Info("Describe both ends of the axis, then press Enter.")
            return gr.skip()
        return self.drawing.of_axis(inputs) | self._put(request, view, inputs)

    def take(self, request: gr.Request, name: str | None, view: View, *values: Any) -> Update:
        """Fill both boxes from a shipped description and answer along it."""
        if name not in descriptions.gallery():
            return gr.skip()
        inputs = replace(self._inputs(view, values), axis=name)
        return self.drawing.of_axis(inputs) | {self.widgets.gallery: None} | self._put(request, view, inputs)

    def tokens(self, request: gr.Request, view: View, *values: Any) -> Update:
        """The token view was opened or closed: the same reply, told in more or less detail."""
        return self._moved(request, view, values) or gr.skip()

    def halt(self, request: gr.Request) -> None:
        """Stop: the run sees at its next event that nothing is wanted any more. Also when the page is closed."""
        self.inbox.withdraw(_session(request))

    def clear(self, request: gr.Request, *axis: Any) -> Update:
        """A new conversation: nothing behind, nothing shown, the settings stay."""
        session = _session(request)
        self.inbox.put(session, NOTHING)
        if self.inbox.claim(session):  # nobody serves it
            self.inbox.leave(session)
        shown = self.drawing.shown(View(), {}, axis_menu.chosen(*axis))
        return shown | {self.widgets.follow_up: ""} | self.drawing.editing(False)

    # -- answering: one run at a time, the newest inputs win ------------------------------------------------------

    def serve(self, request: gr.Request, view: View) -> Generator[Update, None, None]:
        """Answer the session's newest inputs, drawing as it is written, and go on to whichever overtakes it.

        So a dial that moves asks for one answer at a time, however many strengths it passes.
        """
        session, drawn = _session(request), {}
        if not self.inbox.claim(session):
            yield gr.skip()
            return
        try:
            inputs = self.inbox.following(session, view.inputs if view.phase == "done" and not view.recorded else None)
            if inputs is None:
                yield {self.widgets.status: captions.status(view)}
            while inputs is not None:
                view = self._begun(view, inputs)
                yield self.drawing.shown(view, drawn, inputs.axis)
                for view in self._run(view, request, inputs):  # noqa: B020 - each view grows from the last
                    yield self.drawing.shown(view, drawn, inputs.axis)
                inputs = self.inbox.following(session, inputs)
        finally:
            self.inbox.leave(session)

    @staticmethod
    def _begun(view: View, inputs: Inputs) -> View:
        try:
            return present.begin(view, inputs)
        except PlaygroundError as error:
            return present.fail(view, error)

    def _events(self, asked: Request, client: Client) -> Generator[Event | Progress]:
        """The events of a request, and before it how far the axes are that must be calibrated first."""
        yield from self.player.prepare(asked.axes, client)
        yield from self.player.run(asked, client)

    def _run(self, view: View, request: gr.Request, inputs: Inputs) -> Iterator[View]:
        """The views worth drawing of one run."""
        session, client = _session(request), self.player.client(request)
        while (batch := present.request(view)) is not None:
            events, due = self._events(batch, client), time.monotonic() + _REDRAW_S
            try:
                for event in events:
                    if self.inbox.newest(session) != inputs:
                        if self.inbox.newest(session) is None:
                            yield present.stop(view)
                        return  # overtaken: the page belongs to the newer inputs
                    view = present.fold(view, event)
                    if time.monotonic() >= due or isinstance(event, Waiting):
                        yield view
                        due = time.monotonic() + _REDRAW_S
                yield view
                if view.asked == batch.rows:
                    return  # the stream ended before its replies did
            except PlaygroundError as error:
                yield present.fail(view, error)
                return
            finally:
                events.close()

    # -- the rest -------------------------------------------------------------------------------------------------

    def _layout(self) -> Widgets:
        axes = sorted(self.player.axes)
        offered = self.presets or (Preset(title="Hello", prompt="Tell me about yourself."),)
        start = next((preset for preset in offered if preset.axis in axes), offered[0])
        name = start.axis if start.axis in axes else axes[0] if axes else None
        note = self.player.axes[name].note if name else ""
        view = self._recorded(start, name or "")
        return layout(
            self.presets,
            start,
            cards_of(self.player),
            card_of(self.player, name),
            note,
            view,
            menu(view, self.player, self.model),
            methods_of(self.player, name),
            self._length(start, view),
        )

    def _length(self, start: Preset, view: View) -> int:
        """What the page opens with: a recording is not shorter at the first touch than it was before."""
        own = start.max_new_tokens if "max_new_tokens" in start.model_fields_set else self.length
        return max(own, view.max_new_tokens) if view.recorded else own

    def _recorded(self, start: Preset, axis: str) -> View:
        """What the page shows before anybody touches it: what this very model has answered to that preset."""
        one = self.recording
        if one is None or not one.fits(self.player.name, cards_of(self.player)):
            return View()
        inputs = present.of_preset(start, Inputs(axis=axis), self._is_here)
        return present.recorded(inputs, one.request, one.events, one.by)

    def _inputs(self, view: View, values: tuple[Any, ...]) -> Inputs:
        given: dict[str, Any] = dict(zip(ASKED, values, strict=True))
        given |= {name: given[name] or "" for name in ("prompt", "system", "side_by_side")}
        sentences = (given.pop(name) or "" for name in ("positive", "negative"))
        given["axis"] = axis_menu.chosen(given["axis"], *sentences)
        given["at"] = Sliders.model_construct(**{name: given.pop(name) for name in SLIDERS})
        given["turn"] = len(view.turns)
        if given["method"] not in (name for _, name in methods_of(self.player, given["axis"])):
            given["method"] = None  # another axis was chosen meanwhile
        given["method"] = given["method"] or None
        return Inputs(**given)

    def _moved(self, request: gr.Request, view: View, values: tuple[Any, ...]) -> Update:
        """Answer as the page now says, but for a prompt that is being typed, what was asked last.

        That is not always what is answered: a prompt or a follow-up just sent must not be lost to a dial that moves.
        """
        asked = self.inbox.newest(_session(request)) or view.inputs
        if asked is None or asked is NOTHING:
            return {}
        turn = {name: getattr(asked, name) for name in ("prompt", "system", "follow_up", "edits", "turn")}
        return self._put(request, view, replace(self._inputs(view, values), **turn))

    def _put(self, request: gr.Request, view: View, inputs: Inputs) -> Update:
        """Put inputs into the inbox; what was asked and is answered already stays as it is."""
        ahead = self.inbox.put(_session(request), inputs)
        if view.writing or (inputs == view.inputs and view.phase == "done" and not view.recorded):
            return {}
        return {self.widgets.status: captions.starting(ahead)}

    def _connect(self) -> None:
        w = self.widgets
        asked = [w.view, *w.asked()]
        once: dict[str, Any] = {**ONCE, "outputs": self._everything()}
        latest: dict[str, Any] = {**LATEST, "outputs": self._everything()}
        dials = [event for dial in (*w.dials.values(), w.more) for event in (dial.input, dial.release)]
        numbers = [box.submit for box in w.asked() if isinstance(box, NumberBox)]
        follow = [w.view, w.follow_up, w.editing, *w.asked()]
        asking = [
            gr.on([w.run.click, w.prompt.submit, w.side_by_side.submit, *numbers], self.ask, asked, **once),
            gr.on([w.base.select, w.steered.select], self.go_on, asked, **once),
            # A dial moves many times a second: one listener, latest wins, and nothing else to redraw.
            gr.on(dials, self.moved, asked, w.status, **LATEST),
            w.detail.input(self.tokens, asked, [w.status, w.ribbon], **LATEST),
            gr.on([w.send.click, w.follow_up.submit], self.follow, follow, **once),
            w.new_seed.click(self.reseed, asked, **once),
            w.preset.input(self.choose_preset, [w.preset, *asked], **latest),
            w.reuse.select(self.open_preset, asked, **once),
            w.axis.input(self.choose_axis, asked, **latest),
            w.method.input(self.moved, asked, **latest),
            gr.on([w.positive.submit, w.negative.submit], self.describe, asked, **once),
            w.gallery.input(self.take, [w.gallery, *asked], **latest),
        ]
        for event in asking:
            event.then(self.serve, w.view, self._drawn(), **LATEST)
        w.edit.click(self.begin_editing, [w.view, w.editing], **once)
        w.stop.click(self.halt, queue=False, **ONCE)
        w.new_conversation.click(self.clear, [w.axis, *w.boxes], **once)

    def _everything(self) -> list[Any]:
        return self.widgets.everything()

    def _drawn(self) -> list[Any]:
        """What changes while a reply is written."""
        return [*self.drawing.shown(View(), {}, None), self.widgets.note]


def _session(request: gr.Request) -> str:
    return request.session_hash or ""
