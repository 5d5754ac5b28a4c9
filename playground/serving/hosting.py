"""How a page is hosted: which model, for whom, within which limits. Read once from the environment. No gradio."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationInfo, field_validator

from playground.errors import InvalidInput, shown
from playground.serving.origins import AllowedOrigins, callers, frame_ancestors
from playground.settings import LENGTH, Placement, Request

if TYPE_CHECKING:
    from playground.measure.plan import SweepPlan

PREFIX = "PLAYGROUND_"

NONE = "none"
"""What a setting says that names nothing."""

PUBLIC = {"max_new_tokens": 256, "max_rows": 16, "max_replies": 400, "queue": 32}
"""Limits of a public page unless it sets its own."""


class ServerSettings(Placement):
    """One page's settings; each is also an environment variable, such as PLAYGROUND_PUBLIC=1."""

    model: str = Field(
        default="smollm2", min_length=1, description="smollm2, tiny, a folder, a GGUF file, or a Hub id."
    )
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
    engine: str = Field(
        default=NONE,
        min_length=1,
        description="The address of an engine on another machine, which answers instead of a model here.",
    )
    engine_key_env: str = Field(
        default=NONE, min_length=1, description="The variable that holds the API key of that engine."
    )
    replicas: int = Field(
        default=0, ge=0, le=1000, description="Engines on a Ray cluster that answer instead of one here; needs ray."
    )
    most_replicas: int = Field(
        default=0, ge=0, le=1000, description="As many of them at most, where many requests wait; 0 is never more."
    )
    ray_address: str = Field(
        default=NONE, min_length=1, description="The cluster to join, such as auto; none starts one on this machine."
    )
    zero_gpu: bool = Field(default=False, description="The GPU is lent call by call (set by a ZeroGPU Space).")
    space: str = Field(
        default=NONE,
        pattern=r"^(none|[\w.-]+/[\w.-]+)$",
        description="The Space that this is, for a link to duplicate it (set by a Space).",
    )
    hosts: str = Field(
        default="auto",
        description="Names the page answers to besides this machine's own; auto is any where it is open.",
    )
    frames: str = Field(
        default="self", description="Sites that may show the page in a frame besides itself; none, or * for all."
    )
    origins: str = Field(default=NONE, description="Sites whose pages may call /v1, or * for all.")
    api_key_env: str = Field(
        default=NONE, min_length=1, description="The variable that holds the API keys of /v1, with commas between."
    )
    steering: str = Field(
        default=NONE,
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
            "space": environment.get("SPACE_ID", NONE),
        }
        on_space |= {"frames": "https://huggingface.co"} if space else {}
        values = on_space | told | {name: value for name, value in given.items() if value is not None}
        return cls(**dict[str, Any](PUBLIC if cls(**values).public else {}) | values)

    @field_validator("hosts", "frames", "origins")
    @classmethod
    def _names_sites(cls, text: str, told: ValidationInfo) -> str:
        read = {"hosts": partial(AllowedOrigins.of, "127.0.0.1"), "frames": frame_ancestors, "origins": callers}
        read[str(told.field_name)](text)
        return text

    @property
    def elsewhere(self) -> bool:
        """Whether the engine is not in this process, so that axes are neither added nor measured here."""
        return self.engine != NONE or self.replicas > 0

    @property
    def adds_axes(self) -> bool:
        """Whether a person may load and make axes here."""
        return not (self.public or self.elsewhere)

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
        """Refuse on a public page what belongs on a person's own machine, and what belongs on an engine's machine."""
        if self.elsewhere:
            raise InvalidInput(f"{what} is switched off here: the engine is elsewhere.", "Do it there.")
        self.check_private(what)

    def check_private(self, what: str) -> None:
        """Refuse on a public page what belongs on a person's own machine."""
        if self.public:
            raise InvalidInput(
                f"{what} is switched off on this public page.", "Run the playground on a machine of your own."
            )
