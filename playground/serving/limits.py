"""How a page is hosted: which model, for whom, within which limits; and the door to the player that keeps them.

The settings are read once from the environment. No gradio.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from playground import descriptions
from playground.cards import Base
from playground.errors import AxisMismatch, InvalidInput, shown
from playground.events import Event, Progress, Waiting
from playground.serving import imports
from playground.serving.handle import NOBODY
from playground.serving.origins import AllowedOrigins, callers, frame_ancestors
from playground.serving.queue import Client, Queue, client_of
from playground.settings import LENGTH, Placement, Request, check_letters, conversation

if TYPE_CHECKING:
    from playground.axes import Axis
    from playground.measure.plan import SweepPlan
    from playground.measure.sweep import PointMeasured
    from playground.player import Player

PREFIX = "PLAYGROUND_"

PUBLIC = {"max_new_tokens": 256, "max_rows": 16, "max_replies": 400, "queue": 32}
"""Limits of a public page unless it sets its own."""

PLACES = 16
"""Requests of a page that are answered at once, taking turns."""


class ServerSettings(Placement):
    """One page's settings; each is also an environment variable, such as PLAYGROUND_PUBLIC=1."""

    model: str = Field(default="smollm2", min_length=1, description="smollm2, tiny, a folder, or a Hub id.")
    public: bool = Field(default=False, description="For strangers: limits, no training, no upload, no paths.")
    max_new_tokens: int = Field(default=2048, ge=1, description="Longest reply anybody may ask for, in tokens.")
    max_rows: int = Field(default=64, ge=8, description="Replies written at once in one request.")
    max_replies: int = Field(default=20_000, ge=1, description="Replies in one measuring on the Curves page.")
    queue: int = Field(
        default=64,
        ge=1,
        description="Requests that may wait for a place; when more do, the last in line is asked to come back.",
    )
    mcp: bool = Field(default=False, description="Offer the API's endpoints as MCP tools; needs the extra mcp.")
    proxies: int = Field(
        default=0, ge=0, le=9, description="Proxies before the page, whose X-Forwarded-For is believed."
    )
    zero_gpu: bool = Field(default=False, description="The GPU is lent call by call (set by a ZeroGPU Space).")
    hosts: str = Field(
        default="auto",
        description="Names the page answers to besides this machine's own; auto is any where it is open.",
    )
    frames: str = Field(
        default="self", description="Sites that may show the page in a frame besides itself; none, or * for all."
    )
    origins: str = Field(default="none", description="Sites whose pages may call /v1, or * for all.")
    api_key_env: str = Field(
        default="none", min_length=1, description="The variable that holds the API keys of /v1, with commas between."
    )
    steering: str = Field(
        default="none",
        min_length=1,
        description="How /v1 steers whoever does not say, such as extraversion=1,extraversion.control=0.5.",
    )
    reply_tokens: int = Field(
        default=LENGTH, ge=1, description="Longest reply of /v1 for whoever does not say, in tokens."
    )

    @classmethod
    def read(cls, environment: Mapping[str, str], **given: Any) -> "ServerSettings":
        """The settings of an environment; `given` ones that are not None go before it. A Space is public unless told.

        Not by pydantic-settings, which reads the environment for every value that is made, and passes over a name that
        means nothing even where extra ones are forbidden (2.16), so that a misspelt limit would go unnoticed.

        Raises InvalidInput for a value that cannot be and for a PLAYGROUND_ name that means nothing.
        """
        told = {
            name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)
        }
        unknown = sorted(set(told) - set(cls.model_fields))
        if unknown:
            known = ", ".join(PREFIX + name.upper() for name in cls.model_fields)
            raise InvalidInput(f"{PREFIX}{unknown[0].upper()} is no setting.", f"These are: {known}.")
        space = "SPACE_ID" in environment
        on_space: dict[str, Any] = {
            "public": space,
            "proxies": int(space),
            "zero_gpu": "SPACES_ZERO_GPU" in environment,
        }
        on_space |= {"frames": "https://huggingface.co"} if space else {}
        values = {**on_space, **told, **{name: value for name, value in given.items() if value is not None}}
        return cls(**{**(PUBLIC if cls(**values).public else {}), **values})

    @field_validator("hosts", "frames", "origins")
    @classmethod
    def _names_sites(cls, text: str, told: ValidationInfo) -> str:
        read = {"hosts": partial(AllowedOrigins.of, "127.0.0.1"), "frames": frame_ancestors, "origins": callers}
        read[str(told.field_name)](text)
        return text

    def access(self, host: str) -> AllowedOrigins:
        """Who may talk to a page of these settings that listens on `host`."""
        return AllowedOrigins.of(host, self.hosts, frame_ancestors(self.frames))

    def check(self, request: Request) -> None:
        """Refuse a request beyond the limits."""
        if request.max_new_tokens > self.max_new_tokens:
            raise InvalidInput(
                f"max_new_tokens: this page writes at most {self.max_new_tokens} tokens a reply "
                f"(got {shown(request.max_new_tokens)}).",
                "Ask for fewer, or run the playground on a machine of your own.",
                "max_new_tokens",
            )
        self.check_rows(len(request.rows))

    def check_rows(self, rows: int) -> None:
        """Refuse more replies at once than this page writes, before any is built."""
        if rows > self.max_rows:
            raise InvalidInput(
                f"{rows} replies at once are more than the {self.max_rows} this page writes.",
                "Ask for fewer at once.",
                "rows",
            )

    def check_plan(self, plan: "SweepPlan") -> None:
        """Refuse a measuring beyond the limits."""
        if self.zero_gpu:
            raise InvalidInput(
                "This page borrows its GPU for single replies; it cannot measure.",
                "Measure on a machine of your own: copy the command below.",
            )
        self.check_size(plan.grids, plan.prompts, plan.seeds)
        if plan.max_new_tokens > self.max_new_tokens:
            raise InvalidInput(
                f"This page writes at most {self.max_new_tokens} tokens a reply (got {shown(plan.max_new_tokens)}).",
                "Ask for fewer.",
            )

    def check_size(self, grids: Mapping[str, Sequence[float]], prompts: Sequence[str], seeds: int) -> None:
        """Refuse more replies than this page measures, before anything is built from these."""
        from playground.measure.plan import check_size

        check_size(grids, prompts, seeds, self.max_replies, "this page")

    def check_own(self, what: str) -> None:
        """Refuse on a public page what belongs on a person's own machine."""
        if self.public:
            raise InvalidInput(
                f"{what} is switched off on this public page.", "Run the playground on a machine of your own."
            )


class InUse(NamedTuple):
    """How much of a player is in use: requests that hold a place or wait for one, running rows, their memory."""

    requests_answering: int
    requests_waiting: int
    rows_running: int
    kv_bytes: int
    kv_budget_bytes: int


class LimitedPlayer:
    """The one door to a player: every request of a page or an endpoint passes here, within the limits and in line."""

    def __init__(self, player: "Player", hosting: ServerSettings) -> None:
        self.hosting = hosting
        self._player = player
        self._replies = Queue(PLACES, hosting.queue)
        self._measurings = Queue(1, hosting.queue)
        self._calibrations = Queue(1, hosting.queue)
        self._run: Callable[[Request, Client], Generator[Event, None, None]] = player.run
        if hosting.zero_gpu:
            from playground.serving import zero_gpu

            borrowed = zero_gpu.borrowing(player)
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
    def axes(self) -> Mapping[str, "Axis"]:
        """The axes loaded so far, by name."""
        return self._player.axes

    def known(self, name: str) -> "Axis | None":
        """The axis of this name if it steers at once; None for one that is to be calibrated first, or that is none."""
        return self._player.known(name)

    def axis(self, name_or_folder: str) -> "Axis":
        """The axis of this name, or in this folder where that is allowed. Raises InvalidInput or AxisMismatch."""
        self.check_axis(name_or_folder)
        return self._player.axis(name_or_folder)

    @property
    def damaged(self) -> Mapping[Path, AxisMismatch]:
        """The shipped axes that cannot be loaded, and why."""
        return self._player.damaged

    @property
    def dtype(self) -> str:
        """What the base model's weights are stored in."""
        return str(self._player.model.dtype).removeprefix("torch.")

    def in_use(self) -> InUse:
        """How much is in use now."""
        scheduler, line = self._player.scheduler, self._replies
        return InUse(line.taken, line.waiting, scheduler.running, scheduler.kv_bytes, scheduler.kv_budget)

    def piece(self, token: int) -> str:
        """A token by itself as text; nothing for one that ends a turn."""
        return self._player.model.text([token])

    def client(self, request: Any) -> Client:
        """Who sent a page's request (a gr.Request)."""
        return client_of(request, self.hosting.proxies)

    def run(self, request: Request, client: Client = NOBODY) -> Generator[Event, None, None]:
        """Answer a request that keeps to the limits; on a public page its axes go by name, never by folder.

        Whoever must wait for a place is told where they stand by Waiting events. Close the generator to leave.
        """
        self.hosting.check(request)
        for name in {strength.axis for row in request.rows for strength in row.strengths}:
            self.check_axis(name)
        for messages in {row.messages for row in request.rows}:
            check_letters(messages, self._player.context_length)
        named = [strength.axis for row in request.rows for strength in row.strengths]
        with closing(self.prepare(dict.fromkeys(named), client)) as steps:
            yield from (step for step in steps if isinstance(step, Waiting))
        with self._replies.join(client) as waiting:
            yield from map(Waiting, waiting)
            with closing(self._run(request, client)) as events:
                yield from events

    def prepare(self, names: Iterable[str], client: Client = NOBODY) -> "Generator[Waiting | Progress, None, None]":
        """Calibrate those of some axes that are instant ones and not ready; requests may name them at once then.

        One is calibrated at a time. On a public page nothing that people wrote is kept beyond this run.
        """
        names = [name for name in names if name not in self.axes]
        for name in names:
            self.check_axis(name)
        if self.hosting.zero_gpu or all(
            self._player.ready(name) for name in names
        ):  # a lent GPU calibrates on its own time
            return
        with self._calibrations.join(client) as waiting:
            yield from map(Waiting, waiting)
            yield from self._player.prepare(names, keep=not self.hosting.public)

    def sweep(
        self,
        plan: "SweepPlan",
        client: Client = NOBODY,
        out: Path | None = None,
        encoder: Path | None = None,
        stops: Callable[[], bool] = lambda: False,
    ) -> Generator["Waiting | Progress | PointMeasured", None, None]:
        """Measure a plan that keeps to the limits, in requests that do; one is measured at a time."""
        from playground.measure.sweep import sweep

        self.check_axis(plan.axis)
        self.hosting.check_plan(plan)
        for prompt in plan.prompts:
            check_letters(conversation(prompt), self._player.context_length)
        yield from self.prepare([plan.axis], client)
        with self._measurings.join(client) as waiting:
            yield from map(Waiting, waiting)
            with closing(sweep(self._player, self._within(plan), out, encoder, stops, client)) as steps:
                yield from steps

    def identity(self, plan: "SweepPlan", encoder: Path | None = None) -> dict[str, Any]:
        """All that the numbers of a sweep here depend on."""
        from playground.measure.sweep import identity

        self.check_axis(plan.axis)
        return identity(self._player, self._player.axis(plan.axis), self._within(plan), encoder)

    def _within(self, plan: "SweepPlan") -> "SweepPlan":
        return plan.model_copy(update={"batch": min(plan.batch, self.hosting.max_rows)})

    def load(self, folder: str) -> str:
        """Load the axis that lies in a folder of this machine; its name. Raises InvalidInput or AxisMismatch."""
        self.hosting.check_own("Loading axes")
        return imports.from_folder(self._player, folder)

    def take_in(self, files: Sequence[str], keep: Path) -> str:
        """Load an axis from uploaded files, which are kept in a folder under `keep`; its name. Raises as `load`."""
        self.hosting.check_own("Loading axes")
        return imports.from_files(self._player, files, keep)

    def check_axis(self, name: str) -> None:
        """Refuse on a public page an axis that is named by its folder; two descriptions are a name, too."""
        if self.hosting.public and name not in self.axes and descriptions.named(name) is None:
            raise InvalidInput(
                f"There is no axis named {shown(name)} here.",
                f"Choose one of: {', '.join(self.axes) or 'none for this model'}.",
            )
