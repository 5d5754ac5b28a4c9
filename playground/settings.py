"""Typed requests: what a person may ask of the engine, with its bounds and the sentence that explains it.

Frozen values without tensors. Sliders, command-line help and documentation read the same fields.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from playground.errors import InvalidInput, invalid_input
from playground.texts import is_blank, is_text

SLIDER_RANGE = (-1.0, 3.0)
"""What the sliders span; a number box beside them takes numbers far beyond."""

FURTHEST = 10_000.0
"""The largest strength: far past any sense, and short of where float32 runs over."""

LEAST_TEMPERATURE = 0.001
"""Below it sampling is greedy in all but rounding; 0 is greedy exactly."""


LONGEST_NAME = 4096
"""Letters of an axis's name, which may be the path of its folder."""

MOST_AXES = 32
"""Axes that one row may mix."""

MOST_NAMED = 64
"""Axes that the rows of one request may name; a player holds as many instant ones ready."""

LONGEST_STOP = 200
"""Letters of a text that ends a reply."""

LETTERS_PER_TOKEN = 8
"""The most letters that a prompt may have for each token of the context; texts come to 2 to 6."""


class Settings(BaseModel):
    """A frozen value that refuses unknown keys, nan, infinity and what is no text, and complains in plain words."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:  # a key named self is a key like any other
        for name, value in values.items():
            if not _holds_text(value):
                raise InvalidInput(f"{name} holds bytes that are no text.", "Give it as UTF-8.")
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise invalid_input(error) from None


def _holds_text(value: object) -> bool:
    """Whether all strings in plain lists and tables are text; other settings in them were asked before."""
    found = [value]
    for one in found:  # which grows meanwhile
        if isinstance(one, str) and not is_text(one):
            return False
        if isinstance(one, dict):
            table = cast(dict[object, object], one)
            found += [*table, *table.values()]
        elif isinstance(one, list | tuple):
            found += cast(list[object], one)
    return True


def _seen(text: str) -> str:
    if is_blank(text):
        raise ValueError("There is nothing to read in it")
    return text


Seen = Annotated[str, Field(min_length=1), AfterValidator(_seen)]
"""A text with at least one letter, digit or sign that can be seen."""


Level = Annotated[float, Field(ge=-FURTHEST, le=FURTHEST)]
"""A strength along an axis, by either method."""

Updates = Annotated[int, Field(ge=0, le=1000)]
"""Gradient steps per token."""

StepSize = Annotated[float, Field(ge=0, le=FURTHEST)]
"""Length of a gradient step at control 1."""


def _is_0_or_not_tiny(temperature: float) -> float:
    if 0 < temperature < LEAST_TEMPERATURE:
        raise ValueError(f"It should be 0 for greedy replies, or at least {LEAST_TEMPERATURE:g} to be computed with")
    return temperature


Temperature = Annotated[float, Field(ge=0, le=10), AfterValidator(_is_0_or_not_tiny)]
"""How freely tokens are chosen."""

TopK = Annotated[int, Field(ge=0, lt=2**31)]
"""How many of the likeliest tokens are kept; 0 keeps all."""


class Message(Settings):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sliders(Settings):
    """How far along each slider. A slider of another method is one more field here: what asks for strengths, measures
    them or shows them goes through `SLIDERS`."""

    alpha: Level = Field(
        default=0.0,
        description="0 is the base model, 1 as trained; beyond 1 is more than trained, below 0 the other way.",
    )
    control: Level = Field(
        default=0.0,
        description="0 is off, 1 the calibrated step size at the calibrated number of updates; negative goes down.",
    )

    @property
    def amounts(self) -> dict[str, Any]:
        """How far along each slider, by its name: the keywords of whatever has sliders."""
        return {name: getattr(self, name) for name in SLIDERS}

    @property
    def at(self) -> "Sliders":
        """The amounts alone: equal, and a key for the same, wherever they are."""
        return Sliders.model_construct(**self.amounts)  # which were checked

    @property
    def steers(self) -> bool:
        """Whether any slider is not at 0."""
        return any(self.amounts.values())

    @property
    def leading(self) -> float:
        """The amount that tells the direction: of the first slider that is not at 0."""
        return next((amount for amount in self.order[::-1] if amount), 0.0)

    @property
    def order(self) -> tuple[float, ...]:
        """What points are sorted by: the first slider counts last, so that lines along it stay together."""
        return tuple(reversed(self.amounts.values()))

    def to(self, slider: str, amount: float) -> "Sliders":
        """The amounts with this slider somewhere else, which is checked where it is used."""
        moved: dict[str, Any] = {**self.amounts, slider: amount}
        return Sliders.model_construct(**moved)

    def without(self, slider: str) -> "Sliders":
        """The amounts with this slider at 0: the same for all points of a line along it."""
        return self.to(slider, 0.0)

    def __hash__(self) -> int:
        return hash(self.order)

    def in_words(self, names: Iterable[str] | None = None) -> str:
        """Name and amount of each slider, or of those named."""
        return ", ".join(f"{name} {getattr(self, name):g}" for name in (SLIDERS if names is None else names))


SLIDERS = tuple(Sliders.model_fields)
"""The names of the sliders."""


def _slider(name: str) -> str:
    if name not in SLIDERS:
        raise ValueError(f"There is no slider {name!r}, but {' and '.join(SLIDERS)}")
    return name


SliderName = Annotated[str, AfterValidator(_slider)]
"""One of them."""

UNSTEERED = Sliders()
"""Every slider at 0: the base model."""

MAIN = SLIDERS[0]
"""The slider that comes first: a reply's interval, a spectrum, a strip of replies and the first dial are along it."""


class Options(Settings):
    """How a method acts, beside how far."""

    updates: Updates | None = Field(
        default=None, description="Gradient steps per token; the axis's calibrated number unless given."
    )
    step_size: StepSize | None = Field(
        default=None, description="Length of a step at control 1; the axis's calibrated step size unless given."
    )
    method: Annotated[str, Field(min_length=1, max_length=60)] | None = Field(
        default=None,
        description="Which method a slider moves, of those that the axis has for it; the first unless given.",
    )
    target: Level | None = Field(
        default=None,
        description="RE-Control climbs or descends to this value, in standard deviations of the base's replies; "
        "control says how fast.",
    )


class OfAxis(Settings):
    """Something of an axis."""

    axis: Seen = Field(max_length=LONGEST_NAME, description="Name of the axis.")


class Strength(Options, Sliders, OfAxis):
    """How far one row goes along one axis, and how."""

    merge: Literal["logits", "embeddings"] = Field(
        default="logits",
        description="Where alpha acts: between the logits of two streams, or before the decoder, on what one reads.",
    )


class Noise(Settings):
    """Which noise is drawn where the temperature is above 0."""

    seed: int = Field(default=0, ge=0, lt=2**63, description="Replies with the same seed share the same noise.")


class Length(Settings):
    """How long a reply may be."""

    max_new_tokens: int = Field(default=128, ge=1, description="Longest reply, in tokens.")


LENGTH: int = Length.model_fields["max_new_tokens"].default
"""How long a reply may be unless somebody says otherwise."""


class Stopping(Settings):
    """Which texts end a reply before its turn is over."""

    stop: tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_STOP)], ...] = Field(
        default=(), max_length=4, description="A reply ends before any of these texts, of which there may be four."
    )

    @field_validator("stop", mode="before")
    @classmethod
    def _takes_one(cls, stop: Any) -> Any:
        return (stop,) if isinstance(stop, str) else stop


class Row(Noise):
    """One strength of one prompt: a conversation, how to steer its reply, and the seed of its noise."""

    messages: tuple[Message, ...] = Field(min_length=1)
    strengths: tuple[Strength, ...] = Field(
        default=(), max_length=MOST_AXES, description="At most one per axis; none is the base model alone."
    )
    alternatives: int = Field(
        default=0, ge=0, le=20, description="How many of the likeliest tokens to tell with each, steered and base."
    )

    @field_validator("messages")
    @classmethod
    def _ends_with_the_user(cls, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        if messages[-1].role != "user":
            raise InvalidInput(
                "The conversation must end with the user's turn.", "Add a user message to reply to at its end."
            )
        if is_blank(messages[-1].content):
            raise InvalidInput("The prompt is empty.", "Type what the model should reply to.")
        if any(one.role == "system" and one.content and is_blank(one.content) for one in messages):
            raise InvalidInput("There is nothing to read in the system text.", "Write it, or leave it out.")
        return messages

    @field_validator("strengths")
    @classmethod
    def _names_an_axis_once(cls, strengths: tuple[Strength, ...]) -> tuple[Strength, ...]:
        names = [strength.axis for strength in strengths]
        if len(set(names)) < len(names):
            raise InvalidInput(
                f"An axis is named twice in one row: {', '.join(names)}.", "Give each axis once.", "strengths"
            )
        if len(names) > 1 and any(strength.merge == "embeddings" for strength in strengths):
            raise InvalidInput(
                f"Axes cannot be mixed at the embeddings: {', '.join(names)}.",
                "Name one axis, or merge at the logits.",
                "strengths",
            )
        return strengths


class Placement(Settings):
    """Where a base model is held, and in which numbers."""

    dtype: str = Field(
        default="auto",
        description="auto (the fast one of float32 and bfloat16), either, float16, int8, or int4 (CUDA).",
        json_schema_extra={"metavar": "TYPE"},
    )
    device: str = Field(
        default="auto",
        description="auto (a GPU if there is one), cpu, cuda, cuda:N, mps, or split (over all GPUs).",
        json_schema_extra={"metavar": "DEVICE"},
    )


class Sampling(Settings):
    """How tokens are chosen from the logits."""

    temperature: Temperature = Field(default=0.0, description="0 is greedy; above, noise shared by all strengths.")
    top_k: TopK = Field(default=0, description="Keep the k likeliest tokens; 0 keeps all.")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Keep the likeliest tokens that hold this much probability."
    )
    repetition_penalty: float = Field(
        default=1.0, gt=0, le=10, description="Above 1 makes seen tokens less likely; 1 is off."
    )


class Request(Stopping, Length):
    """Rows to be decoded together, as one batch."""

    rows: tuple[Row, ...] = Field(min_length=1)
    sampling: Sampling = Sampling()

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that its rows name, each once, in their order."""
        return tuple(dict.fromkeys(strength.axis for row in self.rows for strength in row.strengths))

    @model_validator(mode="after")
    def _names_no_more_axes_than_are_held(self) -> "Request":
        if len(self.axes) > MOST_NAMED:
            raise InvalidInput(
                f"The rows name {len(self.axes)} axes, more than the {MOST_NAMED} that one request may name.",
                "Ask for them in several requests.",
                "strengths",
            )
        return self


def changed(settings: Settings, names: Iterable[str]) -> list[str]:
    """Those of the settings named that are not at their defaults."""
    fields = type(settings).model_fields
    return [name for name in names if getattr(settings, name) != fields[name].default]


def check_letters(messages: Sequence[Message], context_length: int) -> None:
    """Refuse a conversation that no context of so many tokens can hold, before it is made tokens of."""
    letters = sum(len(message.content) for message in messages)
    most = LETTERS_PER_TOKEN * context_length
    if letters > most:
        raise InvalidInput(
            f"The conversation has {letters} letters, more than the {most} for a context of {context_length} tokens.",
            "Shorten it.",
        )


def as_system(description: str) -> str:
    """The system text that lets a model reply as whom a description describes, who is named or told in a clause."""
    return f"You are {description.strip().rstrip('.')}."


def described(messages: Sequence[Message], description: str, where: Literal["system", "user"]) -> tuple[Message, ...]:
    """The conversation with a description of who replies: after its system text, or before its first user turn."""
    told = as_system(description)
    if where == "user":
        first = next(place for place, message in enumerate(messages) if message.role == "user")
        turn = Message(role="user", content=f"{told}\n\n{messages[first].content}")
        return (*messages[:first], turn, *messages[first + 1 :])
    system = messages[0].content if messages[0].role == "system" else ""
    rest = messages[1:] if messages[0].role == "system" else messages
    return (Message(role="system", content=f"{system}\n\n{told}" if system else told), *rest)


def conversation(prompt: str, system: str | None = None, history: tuple[Message, ...] = ()) -> tuple[Message, ...]:
    """The messages that ask `prompt` after `history`, under `system` text if any is given."""
    opening = () if system is None else (Message(role="system", content=system),)
    return (*opening, *history, Message(role="user", content=prompt))
