"""The Curves page: measure an axis over a grid of strengths, and watch the curves grow while it is measured.

Handlers only carry values; `present` decides what is measured and what is seen. A sweep keeps every batch in a
folder named by what it measures, so the same again goes on after Stop, a closed page or a restart.
"""

import atexit
import shutil
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from playground import places
from playground.errors import InvalidInput, PlaygroundError
from playground.events import Progress, Waiting
from playground.places import ASSETS
from playground.serving.limits import LimitedPlayer
from playground.serving.queue import Client
from playground.settings import MAIN, SLIDERS, Row, Sampling, Sliders
from playground.ui import axis_menu, markup, snippets
from playground.ui.curves import downloads, present
from playground.ui.curves.present import Measurement
from playground.ui.events import LATEST, ONCE
from playground.ui.fold import fold
from playground.ui.number_box import NumberBox, bounds_of
from playground.ui.under_way import Run

if TYPE_CHECKING:
    from playground.measure.plan import SweepPlan
    from playground.measure.sweep import MeasuredReply

_BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}
_COUNTED = {"least": 1, "whole": True}
"""The bounds of what is counted."""

_PICTURE = """() => {
  const chart = document.querySelector('#chart .js-plotly-plot');
  if (!chart) return;
  chart._context.toImageButtonOptions = { format: 'png', scale: 2, filename: chart.layout.meta.file };
  chart.querySelector('.modebar-btn[data-title*=ownload]').click();
}"""
"""Plotly's own button draws the picture; gr.Plot hands it no configuration, so that it is told here how to name it."""
SECONDS_BETWEEN_DRAWINGS = 1.0
"""A browser that draws without pause takes no clicks, Stop among them."""

Update = dict[Any, Any]


@dataclass(eq=False)
class _Watch(Run):
    """What somebody who measures wants meanwhile: whether to stop, and which charts they look at."""

    drawn: tuple[Any, ...] = ()


class CurvesPage:
    """The Curves page of one player."""

    def __init__(
        self,
        hosted: LimitedPlayer,
        here: Iterable[Component] = (),
        sentences: tuple[Component, Component] | None = None,
        axis: str | None = None,
    ) -> None:
        """`here` are Play's dials, whose strength the charts mark; `axis` is the one that Play opens with.

        `sentences` are Play's boxes, the positive one first, for an axis that two sentences describe.
        """
        self.hosted, self.here = hosted, list(here)
        self.sentences = sentences or (gr.State(""), gr.State(""))
        self.scratch = Path(tempfile.mkdtemp(prefix="playground-"))
        atexit.register(shutil.rmtree, self.scratch, ignore_errors=True)
        self._watched: dict[str, _Watch] = {}  # by session, whoever measures
        self._layout(axis)
        self._connect()

    # -- layout ------------------------------------------------------------------------------------------------------

    def _layout(self, axis: str | None) -> None:
        axis = axis if axis in self.hosted.axes else next(iter(sorted(self.hosted.axes)), None)
        self.found = gr.State(self._beginning(axis))
        with gr.Row(elem_id="curves", elem_classes="two", equal_height=False):
            with gr.Column(elem_classes="side", scale=0, min_width=336):
                self._form(axis)
            with gr.Column(elem_classes="main", min_width=320):
                self._results()

    def _beginning(self, axis: str | None) -> Measurement:
        """What is shown of an axis before anything is measured: its card's curve."""
        known = self.hosted.known(axis) if axis else None
        return Measurement(model=self.hosted.name, card=known.card if known is not None else None)

    def _form(self, axis: str | None) -> None:
        names = sorted(self.hosted.axes)
        offered, value = axis_menu.choices(names), axis or axis_menu.TWO_SENTENCES
        self.axis = gr.Dropdown(offered, value=value, label="Axis", elem_id="curves_axis", filterable=False)
        self.vary = gr.Radio(list(present.VARY), value=MAIN, label="Vary", elem_id="vary")
        with gr.Row(elem_classes="numbers"):
            hint = "from:to:step, or numbers with commas"
            self.grids = [
                gr.Textbox(text, label=name, info=hint, elem_id=f"curves_{name}s", min_width=84)
                for name, text in zip(SLIDERS, present.grids_for(MAIN), strict=True)
            ]
        self.source = gr.Radio(list(present.PROMPTS), value=present.UNSEEN, label="Prompts", elem_id="source")
        self.count = NumberBox(12, label="How many", bounds=_COUNTED, elem_id="count")
        self.own = gr.Textbox(
            label="My prompts, one a line", lines=4, max_lines=12, visible=False, elem_id="own_prompts"
        )
        self.file = gr.File(
            label="Or a file (.txt, .jsonl, .gz)",
            file_types=[".txt", ".jsonl", ".ndjson", ".gz"],
            visible=False,
            height=96,
            elem_id="prompts_file",
        )
        with gr.Row(elem_classes="numbers"):
            self.seeds = NumberBox(1, label="Seeds", bounds=_COUNTED, info="Replies to each prompt at each strength.")
            self.seed = NumberBox(
                0, label="Seed", bounds=bounds_of(Row, "seed"), info=Row.model_fields["seed"].description
            )
        with gr.Row(elem_classes="numbers"):
            self.temperature = NumberBox(
                0.7,
                label="Temperature",
                bounds=bounds_of(Sampling, "temperature"),
                info=Sampling.model_fields["temperature"].description,
                step=0.1,
            )
            self.length = NumberBox(
                32, label="Max new tokens", bounds=_COUNTED, info="Longest reply, in tokens.", step=8
            )
        self.size = gr.HTML(**_BARE, elem_id="plan_size")
        with gr.Row(elem_classes="running"):
            self.run = gr.Button("Run", variant="primary", elem_id="measure", min_width=80)
            self.stop = gr.Button("Stop", interactive=False, elem_id="stop_measuring", min_width=80)

    def _results(self) -> None:
        found: Measurement = self.found.value
        self.standing = gr.HTML(present.standing(found), elem_id="standing", js_on_load=markup.SPOKEN, **_BARE)
        labels = [(label, name) for label, name in present.metrics_of(found.shown)]
        names = [name for _, name in labels]
        second, solved = (name if name in names else names[-1] for name in ("perplexity", "kl"))
        with gr.Row(elem_id="measured", equal_height=False):
            with gr.Column(elem_id="charts", min_width=320):
                with gr.Row(elem_classes="tools"):
                    self.first = gr.Dropdown(
                        labels, value="reward", label="Chart", filterable=False, min_width=150, elem_id="first_metric"
                    )
                    self.kind = gr.Radio(
                        list(present.kinds_of(found)),
                        value=present.KINDS[0],
                        label="Drawn",
                        min_width=220,
                        elem_id="drawn",
                    )
                self.chart = gr.Plot(present.chart(found, "reward"), show_label=False, container=False, elem_id="chart")
                self.told = gr.HTML(present.told(found, "reward"), **_BARE)
                self.second = gr.Dropdown(
                    labels, value=second, label="Second chart", filterable=False, elem_id="second_metric"
                )
                self.below = gr.Plot(present.chart(found, second), show_label=False, container=False, elem_id="below")
                self.below_told = gr.HTML(present.told(found, second), **_BARE)
            self.behind = gr.HTML(
                present.behind((), (), ()),
                elem_id="behind",
                js_on_load=(ASSETS / "measured.js").read_text(encoding="utf-8"),
                **_BARE,
            )
        with gr.Row(elem_id="solve", equal_height=True):
            self.wanted = gr.Dropdown(labels, value=solved, label="Solve for", filterable=False, min_width=150)
            self.value = NumberBox(0.5, label="Value", step=0.1, elem_id="aim")
            self.find = gr.Button("Solve", min_width=72, scale=0, elem_id="find")
            self.reached = gr.HTML("", **_BARE, elem_id="reached", js_on_load=markup.SPOKEN)
        with gr.Row(elem_id="take"):
            picture = gr.Button("Chart, PNG", size="sm", min_width=110, scale=0, elem_id="picture")
            picture.click(None, js=_PICTURE)
            texts = ("Points, CSV", "Points, Parquet", "Replies, Parquet", "Prompts", "For LLM Comparator")
            self.downloads = [
                gr.DownloadButton(text, size="sm", interactive=False, min_width=110, scale=0) for text in texts
            ]
        with fold("The command that measures this", "as_command"):
            self.command = gr.Code(language="shell", show_label=False, interactive=False, elem_id="sweep_command")

    # -- behaviour ---------------------------------------------------------------------------------------------------

    def _plan(self, menu: str | None, positive: str, negative: str, *form: Any) -> "SweepPlan":
        axis = axis_menu.chosen(menu, positive, negative)
        if not axis and menu == axis_menu.TWO_SENTENCES:
            raise InvalidInput("The two sentences are Play's, and one is missing.", "Fill both boxes on the page Play.")
        grids, (source, count, own, file, *numbers) = form[: len(SLIDERS)], form[len(SLIDERS) :]
        if file:
            self.hosted.hosting.check_private("Uploading")
        known = self.hosted.known(axis)
        prompts = present.prompts_of(source, count, own, file, known.card if known else None)
        return present.plan(axis, grids, prompts, *numbers, most=self.hosted.hosting.max_replies)

    def describe(self, *form: Any) -> Update:
        """What the form asks for, in words and as a command, before anything is run."""
        try:
            plan = self._plan(*form)
        except PlaygroundError as error:
            return {self.size: markup.paragraph("note warning", markup.failed(error))}
        return {self.size: markup.paragraph("note", present.size(plan)), self.command: self._command(plan)}

    def suggest(self, vary: str) -> Update:
        """The grids that suit what is to vary."""
        return dict(zip(self.grids, present.grids_for(vary), strict=True))

    def _command(self, plan: "SweepPlan") -> str:
        return snippets.sweep_command(plan, model=self.hosted.hosting.model)

    def asked(self, request: gr.Request) -> Update:
        """Run was pressed: whoever measures already goes first."""
        self._watched[request.session_hash or ""] = _Watch()
        return {
            self.standing: present.standing(Measurement(phase="waiting")),
            self.run: gr.Button(interactive=False),
            self.stop: gr.Button(interactive=True),
        }

    def measure(self, request: gr.Request, *values: Any) -> Generator[Update]:
        """Run the form's sweep, drawing as it grows, until done or stopped."""
        session = request.session_hash or ""
        watch = self._watched.setdefault(session, _Watch())
        watch.drawn, form = watch.drawn or values[: len(self.drawn)], values[len(self.drawn) :]
        idle = {self.run: gr.Button(interactive=True), self.stop: gr.Button(interactive=False)}
        try:
            if watch.stopping:  # while it waited
                yield {self.standing: present.standing(Measurement()), **idle}
                return
            yield {self.standing: present.standing(Measurement(phase="measuring"))}
            plan = self._plan(*form)
            kind, kinds = watch.drawn[1], list(present.kinds_of(Measurement(plan)))
            yield {self.kind: gr.Radio(kinds, value=kind if kind in kinds else kinds[0])}
            for found, replies in self._grown(plan, watch, self.hosted.client(request)):
                yield self._shown(found, replies, *watch.drawn)
            yield idle
        except PlaygroundError as error:
            found = Measurement(phase="failed", problem=markup.failed(error))
            yield {self.standing: present.standing(found), **idle}
        except OSError as error:
            hint = "Make room on the disk; Run resumes here."
            problem = markup.failed(PlaygroundError(f"Measuring had to stop: {error}.", hint))
            yield {self.standing: present.standing(Measurement(phase="failed", problem=problem)), **idle}
        finally:
            self._watched.pop(session, None)
            watch.ended.set()

    def _grown(
        self, plan: "SweepPlan", watch: _Watch, client: Client
    ) -> Generator[tuple[Measurement, tuple["MeasuredReply", ...]]]:
        """What is found after each batch, with its replies; ends when all is measured or the person stops."""
        from playground.measure.plan import count_strengths
        from playground.measure.sweep import Identity, PointMeasured, replies_in

        out = self._folder()
        found = Measurement(plan, self.hosted.name, phase="measuring", command=self._command(plan))
        with closing(self.hosted.identity(plan, client, coherence=True)) as steps:
            for event in steps:
                if isinstance(event, Identity):
                    out /= present.folder_name(event.told)
                elif watch.stopping:
                    yield replace(found, phase="empty"), ()
                    return
                else:
                    yield present.further(found, event), ()
        known = self.hosted.known(plan.axis)
        found = replace(found, card=known.card if known is not None else None)
        count, fresh = count_strengths(plan.grids), list[Any]()
        next_drawing = 0.0
        with closing(self.hosted.sweep(plan, client, out, coherence=True, stops=lambda: watch.stopping)) as steps:
            for event in steps:
                if isinstance(event, Waiting):
                    if watch.stopping:
                        yield replace(found, phase="empty"), ()
                        return
                    yield present.further(found, event), ()
                if isinstance(event, Progress):
                    found, fresh = present.further(found, event), []
                    if not event.done:
                        yield found, ()
                if isinstance(event, PointMeasured):
                    fresh.append(event.point)
                    if len(fresh) == count:
                        found = replace(found, points=tuple(fresh), prompts=event.prompts)
                        if time.monotonic() >= next_drawing:
                            yield found, replies_in(out)
                            next_drawing = time.monotonic() + SECONDS_BETWEEN_DRAWINGS
        over = found.progress is not None and found.progress.done >= found.progress.total
        phase = "done" if over else "stopped" if found.progress else "empty"
        yield replace(found, phase=phase), replies_in(out)

    def halt(self, request: gr.Request) -> Update:
        """Stop between two tokens; the batches before are kept."""
        self.left(request)
        # How things stand is told by the run alone: it may have ended before this answer is on the page.
        return {self.stop: gr.Button(interactive=False)}

    def greet(self, blocks: gr.Blocks, tab: gr.Tab) -> None:
        """Say at first sight what the form asks for; whoever comes from Play sees where Play's strength lies."""
        # What is told and drawn anew is one event each, however it comes about: of two, the slower answer would
        # overwrite what was chosen last.
        gr.on([blocks.load, *self.changes], self.describe, self.form, [self.size, self.command], **LATEST)
        gr.on(
            [tab.select, *(box.input for box in (self.first, self.kind, self.second))],
            self.redraw, [self.found, *self.drawn], self.charts, **LATEST,
        )  # fmt: skip

    def left(self, request: gr.Request) -> None:
        """The page was closed: nobody watches any more."""
        if (watch := self._watched.get(request.session_hash or "")) is not None:
            watch.stopping = True

    def redraw(self, request: gr.Request, found: Measurement, *drawn: Any) -> Update:
        """Another chart of the same points, and of those that are still being measured."""
        if (watch := self._watched.get(request.session_hash or "")) is not None:
            watch.drawn = drawn
        return self._charts(found, *drawn)

    def choose(self, request: gr.Request, menu: str | None, positive: str, negative: str, *drawn: Any) -> Update:
        """Another axis: its card's curve, until it is measured here. A run of the one before stops."""
        if (watch := self._watched.get(request.session_hash or "")) is not None:
            watch.end()
        found = self._beginning(axis_menu.chosen(menu, positive, negative))
        kinds = list(present.kinds_of(found))
        return {
            self.found: found,
            self.standing: present.standing(found),
            self.behind: present.behind((), (), ()),
            self.kind: gr.Radio(kinds, value=drawn[1] if drawn[1] in kinds else kinds[0]),
            self.reached: "",
            **self._charts(found, *drawn),
            **{button: gr.DownloadButton(interactive=False) for button in self.downloads},
        }

    def aim(self, found: Measurement, metric: str, value: float | None) -> str:
        """The strength at which a metric has a value."""
        try:
            return present.target(found, metric, value)
        except PlaygroundError as error:
            return markup.paragraph("caption warning", markup.failed(error))

    def _charts(self, found: Measurement, first: str, kind: str, second: str, *here: float) -> Update:
        current = Sliders(**dict(zip(SLIDERS, here, strict=True))) if here else None
        return {
            self.chart: present.chart(found, first, kind, current),
            self.told: present.told(found, first, kind),
            self.below: present.chart(found, second, current=current),
            self.below_told: present.told(found, second),
        }

    def _shown(self, found: Measurement, replies: "tuple[MeasuredReply, ...]", *drawn: Any) -> Update:
        update: Update = {self.found: found, self.standing: present.standing(found)}
        if found.points and found.plan is not None:
            update |= self._charts(found, *drawn)
            update[self.behind] = present.behind(found.points, replies, found.plan.prompts)
        if found.points and found.phase in ("done", "stopped"):
            files = downloads.write_files(found, replies, Path(tempfile.mkdtemp(dir=self.scratch)))
            update |= {
                button: gr.update(value=file, interactive=True)
                for button, file in zip(self.downloads, files, strict=True)
            }
        return update

    def _folder(self) -> Path:
        """Where sweeps are kept: among the user's data, or for as long as this page runs where that cannot be."""
        if not self.hosted.hosting.public:
            with suppress(OSError):
                folder = places.data_directory() / "sweeps"
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    return folder
        return self.scratch / "sweeps"

    def _connect(self) -> None:
        form = self.form = [
            self.axis, *self.sentences, *self.grids, self.source, self.count, self.own, self.file, self.seeds,
            self.seed, self.temperature, self.length,
        ]  # fmt: skip
        self.drawn: list[Any] = [self.first, self.kind, self.second, *self.here]
        self.charts = [self.chart, self.told, self.below, self.below_told]
        public = self.hosted.hosting.public

        def asked_of(source: str) -> list[Any]:
            own = source == present.OWN
            return [
                gr.update(visible=source == present.UNSEEN),
                gr.Textbox(visible=own),
                gr.File(visible=own and not public),
            ]

        self.vary.input(self.suggest, self.vary, self.grids, **LATEST)
        self.source.input(asked_of, self.source, [self.count, self.own, self.file], **LATEST)
        texts = (*self.grids, self.own)
        numbers = (self.count, self.seeds, self.seed, self.temperature, self.length)
        self.changes: list[Any] = [self.axis.input, self.source.input, self.file.change]
        self.changes += [*(box.change for box in texts), *(box.input for box in numbers)]
        everything = [
            self.found, self.standing, self.run, self.stop, self.kind, *self.charts, self.behind, *self.downloads,
        ]  # fmt: skip
        self.axis.input(
            self.choose,
            [self.axis, *self.sentences, *self.drawn],
            [self.found, self.standing, self.kind, self.behind, self.reached, *self.charts, *self.downloads],
            **LATEST,
        )
        self.run.click(self.asked, None, [self.standing, self.run, self.stop], **ONCE).then(
            self.measure, [*self.drawn, *form], everything, **ONCE
        )  # fmt: skip
        self.stop.click(self.halt, None, self.stop, queue=False, **ONCE)
        gr.on(
            [self.find.click, self.value.submit],
            self.aim,
            [self.found, self.wanted, self.value],
            self.reached,
            **ONCE,
        )
