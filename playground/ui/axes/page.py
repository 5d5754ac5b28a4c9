"""The Axes page: what each axis is, what it does, and how to get another: load one, or make one.

Handlers only carry values: `card` decides what is seen, `training/jobs` makes axes in processes of their own.
"""

import atexit
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from playground import places, presets
from playground.cards import Card
from playground.errors import AxisMismatch, InvalidInput, PlaygroundError
from playground.events import Token, Waiting
from playground.measure import figures
from playground.serving.limits import LimitedPlayer
from playground.serving.queue import Client
from playground.settings import MAIN, UNSTEERED, Request, Row, Strength, conversation
from playground.training.jobs import TrainingJobs, TrainingRequest, TrainingStatus
from playground.ui import axis_menu, markup
from playground.ui.axes import card as axis_card
from playground.ui.axes import examples
from playground.ui.axes.examples import Example
from playground.ui.events import LATEST, ONCE
from playground.ui.fold import fold
from playground.ui.number_box import NumberBox
from playground.ui.under_way import Run

_BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}
_EVERY_S = 2.0
_EXAMPLE_TOKENS = 40

Update = dict[Any, Any]


class AxesPage:
    """The Axes page of one player; `listed` are dropdowns elsewhere that list the axes too."""

    def __init__(self, hosted: LimitedPlayer, listed: Sequence[gr.Dropdown], jobs: TrainingJobs | None = None) -> None:
        self.hosted, self.listed = hosted, list(listed)
        hosting = hosted.hosting
        self.jobs = jobs or TrainingJobs(places.own_axes(), hosting.model, hosting.dtype, ["--device", hosting.device])
        self.may_add = hosting.adds_axes
        self.left_out: dict[Path, AxisMismatch] = {}
        self._answering: dict[str, Run] = {}  # by session: the example that is being written
        if self.may_add:
            self.left_out |= hosted.damaged
            self._load_own()
            atexit.register(self.jobs.close)
        self._layout()
        self._connect()

    # -- layout ------------------------------------------------------------------------------------------------------

    def _layout(self) -> None:
        names = self.names()
        start = next((box.value for box in self.listed if box.value in names), next(iter(names), None))
        with gr.Row(elem_id="axes", elem_classes="two", equal_height=False):
            with gr.Column(elem_classes="side", scale=0, min_width=336):
                self.axis = gr.Radio(names, value=start, label="Axes", elem_id="axes_list", visible=bool(names))
                self.said = gr.HTML("", elem_id="axes_said", js_on_load=markup.SPOKEN, **_BARE)
                gr.HTML(_left_out(self.left_out), elem_id="axes_left_out", visible=bool(self.left_out), **_BARE)
                with gr.Column(visible=self.may_add, elem_classes="adding"):
                    self._adding()
                if not self.may_add:
                    where = "the engine's own page" if self.hosted.hosting.elsewhere else "a machine of your own"
                    told = f"On {where} you can make an axis from two sentences."
                    gr.HTML(markup.paragraph("note", told), **_BARE)
            with gr.Column(elem_classes="main", min_width=320):
                self.making = gr.HTML("", elem_id="making", **_BARE)
                with gr.Row(visible=False, elem_classes="running") as self.in_hand:
                    self.cancel = gr.Button("Cancel", min_width=90, scale=0, elem_id="cancel_making")
                    self.go_on = gr.Button("Resume", min_width=90, scale=0, elem_id="go_on")
                    self.forget = gr.Button("Delete", min_width=110, scale=0, elem_id="forget")
                self.card = gr.HTML(self._card(start), elem_id="card", **_BARE)
                self.example = gr.HTML(self._example(start), elem_id="example", **_BARE)
                with gr.Row(elem_id="example_row", equal_height=True, visible=bool(names)) as self.example_row:
                    self.prompt = gr.Textbox(
                        self._prompt(start), label="Another prompt", lines=1, elem_id="example_prompt"
                    )
                    self.show = gr.Button("Show", min_width=80, scale=0, elem_id="show_example")
                self.curve = gr.Plot(
                    self._curve(start), show_label=False, container=False, elem_id="card_curve", visible=bool(names)
                )
                self.caption = gr.HTML(self._caption(start), **_BARE)
                self.details = gr.HTML(self._details(start), elem_id="card_details", **_BARE)
        self.timer = gr.Timer(_EVERY_S, active=False)
        self.slug = gr.State("")

    def _adding(self) -> None:
        with fold("Make an axis from two sentences", "make") as self.adding:
            fields = TrainingRequest.model_fields
            self.name = gr.Textbox(label="Name", placeholder="calm", max_lines=1, elem_id="new_name")
            self.positive = gr.Textbox(
                label="What it should be like",
                placeholder="an extremely calm and patient person who takes one thing at a time",
                lines=2,
                elem_id="new_positive",
            )
            self.negative = gr.Textbox(
                label="What it should not be like",
                placeholder="an extremely hectic and impatient person who is always in a hurry",
                lines=2,
                elem_id="new_negative",
            )
            with gr.Row(elem_classes="numbers"):
                for_left, for_right = (f"What stands at the slider's {end} end." for end in ("left", "right"))
                self.negative_pole = gr.Textbox(
                    label="Slider, left", info=for_left, placeholder="hectic", max_lines=1, min_width=84
                )
                self.positive_pole = gr.Textbox(
                    label="Slider, right", info=for_right, placeholder="calm", max_lines=1, min_width=84
                )
                self.minutes = NumberBox(
                    fields["minutes"].default,
                    label="Minutes",
                    info=fields["minutes"].description,
                    bounds={"least": 1, "whole": True, "optional": True},
                )
            self.pairs = gr.File(
                label="Or pairs (.jsonl): prompt, chosen, rejected",
                file_types=[".jsonl", ".ndjson", ".json", ".gz"],
                height=96,
            )
            self.make = gr.Button("Make it", variant="primary", elem_id="make_axis")
        with fold("Load an axis", "load"):
            self.files = gr.File(
                label="Files: card.json and .safetensors",
                file_count="multiple",
                file_types=[".json", ".safetensors"],
                height=110,
                elem_id="axis_files",
            )
            self.folder = gr.Textbox(label="Folder path", max_lines=1, elem_id="axis_folder")
            self.load = gr.Button("Load", elem_id="load_axis")

    # -- behaviour ---------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The axes by name."""
        return sorted(self.hosted.axes)

    def choose(self, request: gr.Request, name: str | None) -> Update:
        """Show an axis's card; an example that is still being written ends."""
        self._end_example(request)
        return {
            self.card: self._card(name),
            self.curve: gr.Plot(self._curve(name), visible=name is not None),
            self.caption: self._caption(name),
            self.prompt: self._prompt(name),
            self.example: self._example(name),
            self.details: self._details(name),
        }

    def give_example(self, request: gr.Request, name: str | None, prompt: str) -> Generator[str]:
        """Answer a prompt at three strengths, as it is written, until something else is shown."""
        self._end_example(request)
        session, run = request.session_hash or "", Run()
        self._answering[session] = run
        try:
            with closing(self._written(name, prompt, self.hosted.client(request))) as drawings:
                for drawn in drawings:
                    if run.stopping:
                        return
                    yield drawn
        finally:
            run.ended.set()
            if self._answering.get(session) is run:
                del self._answering[session]

    def _end_example(self, request: gr.Request) -> None:
        if (run := self._answering.get(request.session_hash or "")) is not None:
            run.end()

    def _written(self, name: str | None, prompt: str, client: Client) -> Generator[str]:
        card = self._card_of(name)
        if card is None or name is None:
            yield ""
            return
        amounts = examples.strengths(card)
        texts = ["" for _ in amounts]
        try:
            strengths = [Strength(axis=name, **UNSTEERED.to(MAIN, amount).amounts) for amount in amounts]
            rows = tuple(Row(messages=conversation(prompt), strengths=(strength,)) for strength in strengths)
            with closing(self.hosted.run(Request(rows=rows, max_new_tokens=_EXAMPLE_TOKENS), client)) as events:
                for event in events:
                    if isinstance(event, Waiting):
                        yield markup.waiting(event.before)
                    if isinstance(event, Token):
                        texts[event.row] += event.text
                        if event.row == 0:
                            yield _example(card, prompt, amounts, texts)
            yield _example(card, prompt, amounts, texts)
        except PlaygroundError as error:
            yield markup.paragraph("status failed", markup.failed(error))

    def begin(self, *form: Any) -> Update:
        """Begin to make an axis."""
        names = ("name", "positive", "negative", "positive_pole", "negative_pole", "minutes", "pairs")
        given = {name: value for name, value in zip(names, form, strict=True) if value}
        try:
            self.hosted.hosting.check_own("Making axes")
            if not str(given.get("name", "")).strip():
                raise InvalidInput("The axis needs a name.", "Such as: calm.")
            slug = self.jobs.begin(TrainingRequest(**given))
        except PlaygroundError as error:
            return {self.said: _complaint(error)}
        return {self.said: "", self.slug: slug} | self._making(slug)

    def describe(self, positive: str, negative: str) -> Update:
        """Two sentences are to be trained: they come into the form, which opens."""
        return {self.positive: positive, self.negative: negative, self.adding: True}

    def resume(self, slug: str) -> Update:
        """Resume a stopped training."""
        try:
            self.hosted.hosting.check_own("Making axes")
            self.jobs.go_on(slug)
        except PlaygroundError as error:
            return {self.said: _complaint(error)}
        return self._making(slug)

    def stop(self, slug: str) -> Update:
        """Cancel a training; its work is kept."""
        self.hosted.hosting.check_own("Making axes")
        self.jobs.cancel(slug)
        return self._making(slug)

    def throw_away(self, slug: str) -> Update:
        """Delete a stopped training's work."""
        self.hosted.hosting.check_own("Making axes")
        if slug:
            self.jobs.forget(slug)
        return self._nothing_in_hand()

    def watch(self, request: gr.Request, slug: str) -> Update:
        """How the training stands that this page watches; once it is done its axis is in the list."""
        try:
            one = self.jobs.look(slug)
        except PlaygroundError:  # deleted in another window
            return self._nothing_in_hand()
        shown = self._in_hand(one)
        if one.phase != "made":
            return shown
        try:  # another window may have loaded it
            name = one.name if one.name in self.hosted.axes else self.hosted.load(str(self.jobs.folder / slug))
        except PlaygroundError as error:
            return shown | {self.said: _complaint(error), self.slug: ""}
        return shown | self._listed(request, name) | {self.slug: ""}

    def add(self, request: gr.Request, files: list[str] | None, folder: str) -> Update:
        """Load an axis from files that were chosen, or from a folder on this machine."""
        try:
            name = self.hosted.take_in(files, self.jobs.folder) if files else self.hosted.load(folder)
        except PlaygroundError as error:
            return {self.said: _complaint(error)}
        return self._listed(request, name) | {
            self.said: markup.paragraph("note", "Loaded."),
            self.files: None,
            self.folder: "",
        }

    def refresh(self, request: gr.Request, name: str | None) -> Update:
        """The axes as they are now, for a page that has just been opened, and what is in the making."""
        chosen = name if name in self.hosted.axes else next(iter(self.names()), None)
        update = self._listed(request, chosen)
        unfinished = [one for one in self.jobs.all() if one.phase != "made"] if self.may_add else []
        if unfinished:
            best = min(unfinished, key=lambda one: one.phase != "making")
            update |= {self.slug: best.slug} | self._making(best.slug)
        return update

    def train_by(self, button: gr.Button, sentences: tuple[Component, Component], tabs: gr.Tabs) -> None:
        """Let a button elsewhere bring two sentences into this page's form, and show it."""
        described = button.click(self.describe, [*sentences], [self.positive, self.negative, self.adding], **ONCE)
        described.then(lambda: gr.Tabs(selected="axes"), None, tabs, **ONCE)

    def greet(self, blocks: gr.Blocks) -> None:
        """Bring a page that is opened up to date."""
        blocks.load(self.refresh, self.axis, self._shown(), **ONCE)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _load_own(self) -> None:
        """Load what was made or loaded here before; what cannot be used stays where it is and is told of."""
        for folder in self.jobs.finished():
            try:
                self.hosted.load(str(folder))
            except AxisMismatch as error:
                self.left_out[folder] = error
                print(f"Left out {folder.name}: {error}", flush=True)  # noqa: T201

    def _making(self, slug: str) -> Update:
        return self._in_hand(self.jobs.look(slug))

    def _nothing_in_hand(self) -> Update:
        return {
            self.slug: "", self.making: "", self.in_hand: gr.Row(visible=False), self.timer: gr.Timer(active=False),
        }  # fmt: skip

    def _in_hand(self, one: TrainingStatus) -> Update:
        return {
            self.timer: gr.Timer(active=one.phase == "making"),
            self.making: axis_card.making(one),
            self.in_hand: gr.Row(visible=one.phase != "made"),
            self.cancel: gr.Button(visible=one.phase == "making"),
            self.go_on: gr.Button(visible=one.phase in ("stopped", "failed")),
            self.forget: gr.Button(visible=one.phase in ("stopped", "failed")),
        }

    def _listed(self, request: gr.Request, name: str | None) -> Update:
        """Every list of axes as it is now; this page shows `name`, the others keep their choice."""
        names = self.names()
        lists: Update = {box: gr.Dropdown(choices=axis_menu.choices(names)) for box in self.listed}
        radio = gr.Radio(choices=names, value=name, visible=bool(names))
        return lists | {self.axis: radio, self.example_row: gr.Row(visible=bool(names))} | self.choose(request, name)

    def _card_of(self, name: str | None) -> Card | None:
        return self.hosted.axes[name].card if name is not None and name in self.hosted.axes else None

    def _card(self, name: str | None) -> str:
        if name is None or name not in self.hosted.axes:
            return markup.paragraph("hint", "No axis fits this model yet. Make one, or load one.")
        return axis_card.card(self.hosted.axes[name].card, self.hosted.axes[name].note)

    def _details(self, name: str | None) -> str:
        card = self._card_of(name)
        return axis_card.details(card) if card is not None else ""

    def _example(self, name: str | None) -> str:
        """The example that ships with an axis; of others a person asks for one."""
        card = self._card_of(name)
        example = examples.of(card) if card is not None else None
        return axis_card.example(card, example) if card is not None and example is not None else ""

    def _curve(self, name: str | None) -> Any:
        return figures.reward_curve(self._card_of(name))

    def _caption(self, name: str | None) -> str:
        return markup.caption(figures.caption(self._card_of(name))) if name in self.hosted.axes else ""

    def _prompt(self, name: str | None) -> str:
        return presets.prompt_for(name)

    def _shown(self) -> list[Any]:
        return [
            *self.listed, self.axis, self.said, self.making, self.in_hand, self.cancel, self.go_on, self.forget,
            self.timer, self.card, self.curve, self.caption, self.example_row, self.prompt, self.example,
            self.details, self.slug,
            *([self.files, self.folder] if self.may_add else []),
        ]  # fmt: skip

    def _connect(self) -> None:
        shown = self._shown()
        self.axis.input(self.choose, self.axis, shown, **LATEST)
        gr.on(
            [self.show.click, self.prompt.submit], self.give_example, [self.axis, self.prompt], self.example,
            **{**ONCE, "trigger_mode": "multiple"},
        )  # fmt: skip
        self.cancel.click(self.stop, self.slug, shown, **ONCE)
        self.go_on.click(self.resume, self.slug, shown, **ONCE)
        self.forget.click(self.throw_away, self.slug, shown, **ONCE)
        if not self.may_add:
            return
        form = [
            self.name, self.positive, self.negative, self.positive_pole, self.negative_pole, self.minutes, self.pairs,
        ]  # fmt: skip
        self.make.click(self.begin, form, shown, **ONCE)
        self.load.click(self.add, [self.files, self.folder], shown, **ONCE)
        self.timer.tick(self.watch, self.slug, shown, **ONCE)


def _left_out(found: Mapping[Path, PlaygroundError]) -> str:
    """The folders of axes that could not be used, each with the reason and the fix."""
    return markup.left_out([(folder.name, error) for folder, error in found.items()])


def _example(card: Card, prompt: str, amounts: Sequence[float], texts: Sequence[str]) -> str:
    return axis_card.example(card, Example(prompt, tuple(zip(amounts, texts, strict=True))))


def _complaint(error: PlaygroundError) -> str:
    return markup.paragraph("status failed", markup.failed(error), role="alert")
