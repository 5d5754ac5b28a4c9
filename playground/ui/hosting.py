"""How a page is hosted: which model, for whom, within which limits. Read once from the environment; no gradio."""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationInfo, field_validator

from playground.errors import InvalidInput
from playground.events import Event
from playground.settings import Request, Settings
from playground.ui.origins import Access, frame_ancestors

if TYPE_CHECKING:
    from playground.player import Player
    from playground.sweep import Plan

PREFIX = "PLAYGROUND_"

PUBLIC = {"max_new_tokens": 256, "max_rows": 16, "max_replies": 400, "queue": 32}
"""Limits of a public page unless it sets its own."""


class Hosting(Settings):
    """One page's settings; each is also an environment variable, such as PLAYGROUNDPUBLIC=1."""

    model: str = Field(default="smollm2", min_length=1, description="smollm2, tiny, a folder, or a Hub id.")
    dtype: str = Field(default="auto", description="auto, float32, bfloat16, float16 or int8.")
    public: bool = Field(default=False, description="For strangers: limits, no training, no upload, no paths.")
    max_new_tokens: int = Field(default=2048, ge=1, description="Longest reply anybody may ask for, in tokens.")
    max_rows: int = Field(default=64, ge=8, description="Replies written at once in one request.")
    max_replies: int = Field(default=20_000, ge=1, description="Replies in one measuring on the Curves page.")
    queue: int = Field(default=64, ge=1, description="Requests that may wait before newcomers are asked to come back.")
    mcp: bool = Field(default=False, description="Offer the API's endpoints as MCP tools; needs the extra mcp.")
    zero_gpu: bool = Field(default=False, description="The GPU is lent call by call (set by a ZeroGPU Space).")
    hosts: str = Field(
        default="auto",
        description="Names the page answers to besides this machine's own; auto is any where it is open.",
    )
    frames: str = Field(
        default="self", description="Sites that may show the page in a frame besides itself; none, or * for all."
    )

    @classmethod
    def read(cls, environment: Mapping[str, str], **given: Any) -> "Hosting":
        """The settings of an environment; `given` ones that are not None go before it. A Space is public unless told.

        Raises InvalidInput for a value that cannot be and for a PLAYGROUND_ name that means nothing.
        """
        told = {
            name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)
        }
        unknown = sorted(set(told) - set(cls.model_fields))
        if unknown:
            known = ", ".join(PREFIX + name.upper() for name in cls.model_fields)
            raise InvalidInput(f"{PREFIX}{unknown[0].upper()} is no setting.", f"These are: {known}.")
        on_space: dict[str, Any] = {"public": "SPACE_ID" in environment, "zero_gpu": "SPACES_ZERO_GPU" in environment}
        on_space |= {"frames": "https://huggingface.co"} if on_space["public"] else {}
        values = {**on_space, **told, **{name: value for name, value in given.items() if value is not None}}
        return cls(**{**(PUBLIC if cls(**values).public else {}), **values})

    @field_validator("hosts", "frames")
    @classmethod
    def _names_hosts(cls, text: str, told: ValidationInfo) -> str:
        Access.of("127.0.0.1", text) if told.field_name == "hosts" else frame_ancestors(text)
        return text

    def access(self, host: str) -> Access:
        """Who may talk to a page of these settings that listens on `host`."""
        return Access.of(host, self.hosts, frame_ancestors(self.frames))

    def check(self, request: Request) -> None:
        """Refuse a request beyond the limits."""
        if request.max_new_tokens > self.max_new_tokens:
            raise InvalidInput(
                f"max_new_tokens: this page writes at most {self.max_new_tokens} tokens a reply "
                f"(got {request.max_new_tokens}).",
                "Ask for fewer, or run the playground on a machine of your own.",
            )
        if len(request.rows) > self.max_rows:
            raise InvalidInput(
                f"{len(request.rows)} replies at once are more than the {self.max_rows} this page writes.",
                "Ask for fewer strengths at once.",
            )

    def check_plan(self, plan: "Plan") -> None:
        """Refuse a measuring beyond the limits."""
        if self.zero_gpu:
            raise InvalidInput(
                "This page borrows its GPU for single replies; it cannot measure.",
                "Measure on a machine of your own: copy the command below.",
            )
        replies = len(plan.strengths()) * len(plan.prompts) * plan.seeds
        if replies > self.max_replies:
            raise InvalidInput(
                f"{replies} replies are more than the {self.max_replies} this page measures at once.",
                "Take fewer prompts, strengths or seeds.",
            )
        if plan.max_new_tokens > self.max_new_tokens:
            raise InvalidInput(
                f"This page writes at most {self.max_new_tokens} tokens a reply (got {plan.max_new_tokens}).",
                "Ask for fewer.",
            )

    def check_own(self, what: str) -> None:
        """Refuse on a public page what belongs on a person's own machine."""
        if self.public:
            raise InvalidInput(
                f"{what} is switched off on this public page.", "Run the playground on a machine of your own."
            )


class Hosted:
    """A player within limits: every request, of whichever page or endpoint, passes here."""

    def __init__(self, player: "Player", hosting: Hosting) -> None:
        self.player, self.hosting = player, hosting
        self._run = player.run
        if hosting.zero_gpu:
            from playground.ui import zero_gpu

            self._run = zero_gpu.borrowing(player)

    @property
    def name(self) -> str:
        """The base model's display name."""
        return self.player.name

    @property
    def axes(self) -> Mapping[str, Any]:
        """The axes loaded so far, by name."""
        return self.player.axes

    def run(self, request: Request) -> Generator[Event, None, None]:
        """Answer a request that keeps to the limits; on a public page its axes go by name, never by folder."""
        self.hosting.check(request)
        for strength in (strength for row in request.rows for strength in row.strengths):
            self.check_axis(strength.axis)
        yield from self._run(request)

    def check_axis(self, name: str) -> None:
        """Refuse on a public page an axis that is named by its folder."""
        if self.hosting.public and name not in self.axes:
            raise InvalidInput(
                f"There is no axis named {name!r} here.",
                f"Choose one of: {', '.join(self.axes) or 'none for this model'}.",
            )
