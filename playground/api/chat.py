"""What a client may ask of /v1/chat/completions: OpenAI's parameters, those that mean something here, and steering."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from playground.errors import InvalidInput, shown
from playground.settings import (
    MOST_AXES,
    Length,
    Message,
    Noise,
    Request,
    Row,
    Sampling,
    Settings,
    Stopping,
    Strength,
    Temperature,
)

_UNUSED = ("user", "metadata", "safety_identifier", "prompt_cache_key")
"""What names a request and changes no reply."""

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
}
"""Parameters of OpenAI's that there are not here, and the values by which they ask for nothing."""

_SEEDS: int = 2**63


class Given(Settings):
    """What came as JSON, where null is as good as nothing."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given  # which is refused by its kind
        return {name: value for name, value in given.items() if value is not None}


class TextPart(Given):
    """A piece of a message that comes in pieces."""

    type: Literal["text"]
    text: str


class ChatMessage(Given):
    """One turn of a conversation; `developer` is another name of `system`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] = ""

    def message(self) -> Message:
        """The turn as the engine reads it."""
        parts = [self.content] if isinstance(self.content, str) else [part.text for part in self.content]
        return Message(role="system" if self.role == "developer" else self.role, content="\n".join(parts))


class StreamOptions(Given):
    """What a stream tells besides the replies."""

    include_usage: StrictBool = Field(default=False, description="A last chunk with the tokens of prompt and replies.")
    include_obfuscation: Literal[False] = Field(default=False, description="Padding of chunks, which there is not.")


class ChatRequest(Given, Stopping, Sampling):
    """A request for chat completions. Parameters that are not named here are refused by name."""

    model: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="An id of /v1/models; behind an @ any steering, such as smollm2@extraversion=1."
    )
    messages: tuple[ChatMessage, ...] = Field(min_length=1, description="The conversation, the user's turn last.")
    steering: tuple[Strength, ...] | None = Field(
        default=None,
        max_length=MOST_AXES,
        description="How far along which axes; [] is the base model, and nothing is the server's default.",
    )
    stream: StrictBool = Field(default=False, description="Whether replies come as server-sent events.")
    stream_options: StreamOptions | None = None
    n: StrictInt = Field(default=1, ge=1, description="How many replies; those after the first have the next seeds.")
    seed: StrictInt | None = Field(
        default=None, ge=0, lt=_SEEDS, description=f"{Noise.model_fields['seed'].description} Any unless given."
    )
    max_tokens: StrictInt | None = Field(
        default=None, ge=1, description=Length.model_fields["max_new_tokens"].description
    )
    max_completion_tokens: StrictInt | None = Field(default=None, ge=1, description="The newer name of max_tokens.")
    temperature: Temperature = Field(default=1.0, description=Sampling.model_fields["temperature"].description)
    logprobs: StrictBool = Field(default=False, description="Whether to tell the log-probability of each token.")
    top_logprobs: StrictInt = Field(
        default=0, ge=0, le=20, description="How many of the likeliest tokens to tell with each."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_what_asks_for_nothing(cls, given: dict[str, Any]) -> dict[str, Any]:
        asked = {name: value for name, value in given.items() if name not in _UNUSED and value is not None}
        for name in [name for name in asked if name not in cls.model_fields]:
            neutral = _NEUTRAL.get(name)
            if neutral is None or asked.pop(name) not in neutral:
                raise InvalidInput(f"This server has no parameter {shown(name)}.", "Leave it out.", name[:80])
        return asked

    @field_validator("messages", "steering", "stream_options", mode="wrap")
    @classmethod
    def _told_by_its_own_name(cls, value: Any, read: ValidatorFunctionWrapHandler, of: ValidationInfo) -> Any:
        try:
            return read(value)
        except InvalidInput as error:
            raise InvalidInput(error.message, error.hint, str(of.field_name)) from None

    @model_validator(mode="after")
    def _fits_together(self) -> "ChatRequest":
        if self.stream_options is not None and not self.stream:
            raise InvalidInput("stream_options are for streams.", "Leave them out, or set stream.", "stream_options")
        if self.top_logprobs and not self.logprobs:
            raise InvalidInput("top_logprobs needs logprobs.", "Set logprobs to true as well.", "top_logprobs")
        if None not in (self.max_tokens, self.max_completion_tokens) and self.max_tokens != self.max_completion_tokens:
            raise InvalidInput(
                "max_tokens and max_completion_tokens differ.", "Give one of them.", "max_completion_tokens"
            )
        return self

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def request(self, strengths: tuple[Strength, ...], length: int) -> Request:
        """The rows that answer it, steered by `strengths`, of `length` tokens at most unless it says otherwise."""
        messages = tuple(message.message() for message in self.messages)
        seed = secrets.randbelow(2**31) if self.seed is None else self.seed
        rows = tuple(
            Row(messages=messages, strengths=strengths, seed=(seed + k) % _SEEDS, alternatives=self.top_logprobs)
            for k in range(self.n)
        )
        sampling = Sampling(**{name: getattr(self, name) for name in Sampling.model_fields})
        longest = self.max_completion_tokens or self.max_tokens or length
        return Request(rows=rows, sampling=sampling, max_new_tokens=longest, stop=self.stop)
