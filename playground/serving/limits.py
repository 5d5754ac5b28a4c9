"""The door to a player that keeps the limits of a page. No gradio."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from playground import descriptions, sources
from playground.cards import Base
from playground.errors import AxisMismatch, shown
from playground.events import Event, Occupancy, Progress, Waiting
from playground.serving import imports
from playground.serving.handle import NOBODY, AxisHandle, EngineHandle
from playground.serving.hosting import ServerSettings
from playground.serving.queue import Client, Queue, client_of
from playground.settings import Request, check_letters, conversation

if TYPE_CHECKING:
    from playground.measure.plan import SweepPlan
    from playground.measure.sweep import Batch, BatchRequest, Identity, Measurer, PointMeasured
    from playground.player import Player

PLACES = 16
"""Requests of a page that are answered at once, taking turns."""


class InUse(NamedTuple):
    """How much is in use: requests that hold a place or wait for one, and the engine: running rows, their memory."""

    requests_answering: int
    requests_waiting: int
    rows_running: float
    kv_bytes: float
    kv_budget_bytes: float


class Measuring(Protocol):
    """An engine elsewhere, as those need it who measure there."""

    def measurer(self, coherence: bool, client: Client) -> "Measurer":
        """What measures plans there."""
        ...


class LimitedPlayer:
    """The one door to a player: every request of a page or an endpoint passes here, within the limits and in line."""

    def __init__(self, player: EngineHandle, hosting: ServerSettings) -> None:
        self.hosting = hosting
        self._player = player
        self._replies = Queue(PLACES * max(1, hosting.replicas, hosting.most_replicas), hosting.queue)
        self._measurings = Queue(1, hosting.queue)
        self._calibrations = Queue(1, hosting.queue)
        self._run: Callable[[Request, Client], Generator[Event, None, None]] = player.run
        if hosting.zero_gpu:
            from playground.serving import zero_gpu

            borrowed = zero_gpu.borrowing(self._here(), hosting.public)
            self._run = lambda request, client: borrowed(request)

    @property
    def name(self) -> str:
        """The base model's display name."""
        return self._player.name

    @property
    def base(self) -> Base:
        """What the base model is, to the last weight."""
        return self._player.base

    @property
    def axes(self) -> Mapping[str, AxisHandle]:
        """The axes loaded so far, by name."""
        return self._player.axes

    def known(self, name: str) -> AxisHandle | None:
        """The axis of this name if it steers at once; None for one that is to be calibrated first, or that is none."""
        return self._player.known(name)

    def axis(self, name_or_folder: str) -> AxisHandle:
        """The axis of this name, or in this folder where that is allowed. Raises InvalidInput or AxisMismatch."""
        self.check_axis(name_or_folder)
        return self._player.axis(name_or_folder)

    @property
    def damaged(self) -> Mapping[Path, AxisMismatch]:
        """The shipped axes that cannot be loaded, and why; nothing of those elsewhere."""
        return {} if self.hosting.elsewhere else self._here().damaged

    @property
    def dtype(self) -> str:
        """What the base model's weights are stored in."""
        return self._player.dtype

    @property
    def context_length(self) -> int:
        """The longest prompt and reply together, in tokens."""
        return self._player.context_length

    @property
    def occupancy(self) -> Occupancy:
        """How much of the engine is in use now."""
        return self._player.occupancy

    def in_use(self) -> InUse:
        """How much is in use now."""
        return InUse(self._replies.taken, self._replies.waiting, *self.occupancy)

    def piece(self, token: int) -> str:
        """A token by itself as text; nothing for one that ends a turn."""
        return self._player.piece(token)

    def client(self, request: Any) -> Client:
        """Who sent a page's request (a gr.Request)."""
        return client_of(request, self.hosting.proxies)

    def caller(self, http: Any) -> Client:
        """Who sent a program's request: a machine's connections are its sessions, among which places are shared."""
        return self.client(http)._replace(session=str(http.client.port if http.client else ""))

    def run(self, request: Request, client: Client = NOBODY) -> Generator[Event, None, None]:
        """Answer a request that keeps to the limits; on a public page its axes go by name, never by folder.

        Whoever must wait for a place is told where they stand by Waiting events, and for an axis that is calibrated by
        Progress. Close the generator to leave.
        """
        self.hosting.check(request)
        for name in request.axes:
            self.check_axis(name)
        for messages in {row.messages for row in request.rows}:
            check_letters(messages, self._player.context_length)
        with closing(self.prepare(request.axes, client)) as steps:
            yield from steps
        with self._replies.join(client) as waiting:
            yield from map(Waiting, waiting)
            with closing(self._run(request, client)) as events:
                yield from events

    def prepare(self, names: Iterable[str], client: Client = NOBODY) -> "Generator[Waiting | Progress, None, None]":
        """Calibrate those of some axes that are instant ones and not ready; requests may name them at once then.

        One is calibrated at a time.
        """
        names = [name for name in names if name not in self.axes]
        for name in names:
            self.check_axis(name)
        # A lent GPU calibrates on its own time, and so does an engine elsewhere.
        if self.hosting.zero_gpu or self.hosting.elsewhere or all(self._here().ready(name) for name in names):
            return
        with self._calibrations.join(client) as waiting:
            yield from map(Waiting, waiting)
            yield from self._here().prepare(names)

    def sweep(
        self,
        plan: "SweepPlan",
        client: Client = NOBODY,
        out: Path | None = None,
        coherence: bool = False,
        stops: Callable[[], bool] = lambda: False,
    ) -> Generator["Waiting | Progress | PointMeasured", None, None]:
        """Measure a plan that keeps to the limits, in requests that do; one is measured at a time.

        In `coherence` too, where the encoder for that is there.
        """
        from playground.measure.sweep import sweep

        for step in self._prepare_plan(plan, client):
            if stops():
                return
            yield step
        with self._measurings.join(client) as waiting:
            yield from map(Waiting, waiting)
            with closing(sweep(self._measurer(coherence, client), self._within(plan), out, stops)) as steps:
                yield from steps

    def identity(
        self, plan: "SweepPlan", client: Client = NOBODY, coherence: bool = False
    ) -> Generator["Waiting | Progress | Identity", None, None]:
        """All that the numbers of a sweep here depend on; before it how far the axis is, if it must be calibrated."""
        from playground.measure.sweep import Identity

        yield from self._prepare_plan(plan, client)
        yield Identity((yield from self._measurer(coherence, client).identity(self._within(plan))))

    def batches(
        self, asked: "BatchRequest", client: Client = NOBODY, stops: Callable[[], bool] = lambda: False
    ) -> Generator["Identity | Waiting | Progress | Batch", None, None]:
        """What a page elsewhere asks for in the course of a sweep, within the limits and in line."""
        yield from self.identity(asked.plan, client, asked.coherence)
        if asked.numbers:
            measurer = self._measurer(asked.coherence, client)
            with self._measurings.join(client) as waiting:
                yield from map(Waiting, waiting)
                with closing(measurer.batches(self._within(asked.plan), asked.numbers, stops)) as found:
                    yield from found

    def _prepare_plan(self, plan: "SweepPlan", client: Client) -> "Generator[Waiting | Progress, None, None]":
        """Refuse a plan beyond the limits, and calibrate its axis if that is an instant one and not ready."""
        self.check_axis(plan.axis)
        self.hosting.check_plan(plan)
        for prompt in plan.prompts:
            check_letters(conversation(prompt), self._player.context_length)
        yield from self.prepare([plan.axis], client)

    def _measurer(self, coherence: bool, client: Client) -> "Measurer":
        if self.hosting.elsewhere:
            return cast("Measuring", self._player).measurer(coherence, client)
        from playground.measure.local import LocalMeasurer  # loads torch

        has_encoder = coherence and sources.is_here(sources.ENCODER)
        return LocalMeasurer(self._here(), sources.resolve_encoder(sources.ENCODER) if has_encoder else None, client)

    def _within(self, plan: "SweepPlan") -> "SweepPlan":
        return plan.model_copy(update={"batch": min(plan.batch, self.hosting.max_rows)})

    def load(self, folder: str) -> str:
        """Load the axis that lies in a folder of this machine; its name. Raises InvalidInput or AxisMismatch."""
        self.hosting.check_own("Loading axes")
        return imports.from_folder(self._here(), folder)

    def take_in(self, files: Sequence[str], keep: Path) -> str:
        """Load an axis from uploaded files, which are kept in a folder under `keep`; its name. Raises as `load`."""
        self.hosting.check_own("Loading axes")
        return imports.from_files(self._here(), files, keep)

    def _here(self) -> "Player":
        """The player in this process, where `hosting` says that there is one."""
        return cast("Player", self._player)

    def check_axis(self, name: str) -> None:
        """Refuse on a public page an axis that is named by its folder."""
        if self.hosting.public:
            self.check_named(name)

    def check_named(self, name: str) -> None:
        """Refuse an axis that is named by its folder or file; two descriptions are a name, too."""
        if name not in self.axes and descriptions.named(name) is None:
            raise AxisMismatch(
                f"There is no axis named {shown(name)} here.",
                f"Choose one of: {', '.join(self.axes) or 'none for this model'}.",
            )
