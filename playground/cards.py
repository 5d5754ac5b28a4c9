"""The card of an axis: what it is, what it was trained on and how, and what was measured.

Frozen values without tensors, stored as `card.json` beside the weights.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, create_model, field_validator, model_validator

from playground import places
from playground.errors import AxisDamaged, InvalidInput, PlaygroundError
from playground.files import digest, read_json, write_text
from playground.settings import MAIN, SLIDERS, UNSTEERED, Level, Seen, Settings, Sliders, StepSize, Updates

FILE_NAME = "card.json"

LARGEST = 1e30
"""No measured number lies beyond it: its square can still be computed with."""

_FEW = 100

_PLAIN_NAME = r"[\w-][\w.-]*"

FileName = Annotated[str, Field(pattern=f"^{_PLAIN_NAME}$", max_length=_FEW)]
"""A plain name: no folder, nothing hidden."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A sha256 in hexadecimal digits."""

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
"""Something measured."""

Count = Annotated[int, Field(ge=0, lt=2**63)]


class Named(Settings):
    """What is called by a name that stands in lists and sentences."""

    name: Seen = Field(max_length=60)

    @field_validator("name")
    @classmethod
    def _is_one_line(cls, name: str) -> str:
        if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in name):
            raise ValueError("It holds a line end or another control character")
        return name


class Poles(Settings):
    """What the two ends of the slider are called, in one or two words each."""

    negative: str = Field(max_length=60)
    positive: str = Field(max_length=60)


def _one_description(text: str) -> str:
    told = " ".join(text.split())
    if "|" in told:
        raise ValueError("It holds a |, which stands between two descriptions")
    return told


Description = Annotated[Seen, Field(max_length=300), AfterValidator(_one_description)]
"""Whom the model replies as: what completes a sentence that begins with "You are"."""


class Descriptions(Settings):
    """Who replies at either end of an instant axis."""

    positive: Description = Field(description="Who replies at the positive end, as in: You are ...")
    negative: Description = Field(description="Who replies at the negative end, as in: You are ...")

    @model_validator(mode="after")
    def _differ(self) -> "Descriptions":
        if self.positive == self.negative:
            raise ValueError("both descriptions are the same")
        return self


class Contrast(Descriptions):
    """What an instant axis is beside its vector: its descriptions, and what calibration made of them."""

    scale: float = Field(gt=0, le=LARGEST, description="How much of half the contrast alpha 1 takes.")
    zero: Number = Field(description="The reward of the base model's own replies before it is standardised.")
    unit: float = Field(gt=0, le=LARGEST, description="And its spread.")


class Base(Settings):
    """The base model an axis was trained on, told by its shape and by digests of tokenizer and weights."""

    name: str
    architecture: str
    hidden_size: Count
    vocab_size: Count
    tokenizer: str = Field(description="sha256 of the token strings in order of their ids.")
    weights: str = Field(description="sha256 of a sample of the weights, the same in every dtype.")


class Data(Settings):
    """A file the axis was trained on."""

    name: str
    licence: str
    rows: Count
    sha256: str
    attribution: str = ""


class Estimate(Settings):
    """A mean over prompts with its 95 % bootstrap interval."""

    mean: Number
    low: Number
    high: Number

    @model_validator(mode="after")
    def _lies_within(self) -> "Estimate":
        if self.low > self.high:
            raise ValueError(f"the interval from {self.low:g} to {self.high:g} is reversed")
        return self


class Point(Sliders):
    """What was measured at one strength: estimates by metric name (reward, kl, perplexity, diversity, length, ...)."""

    metrics: dict[str, Estimate] = Field(max_length=_FEW)


class Calibration(Settings):
    """What control = 1 means: `updates` steps of `step_size` up the value function."""

    step_size: StepSize
    updates: Updates


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"It leads from {ends[0]:g} down to {ends[1]:g}")
    return ends


Span = Annotated[tuple[Level, Level], AfterValidator(_rising)]
"""(lowest, highest)."""

_spans: Any = dict.fromkeys(SLIDERS, (Span, (0.0, 0.0)))
_Ranges: type[Settings] = create_model("_Ranges", __base__=Settings, **_spans)


class SafeRange(_Ranges):
    """The tested range: between which strengths replies stayed fluent and varied when measured.

    (lowest, highest) by slider; of one that was not tried, 0 alone.
    """

    def of(self, slider: str) -> tuple[float, float]:
        """(lowest, highest) along a slider, the others at 0."""
        return getattr(self, slider)

    def holds(self, slider: str, amount: float) -> bool:
        """Whether an amount lies within."""
        low, high = self.of(slider)
        return low <= amount <= high


_ONES = {f"{name} 1": UNSTEERED.to(name, 1.0) for name in SLIDERS}

JudgeKind = Literal["words", "sentiment", "length"]


class Judge(Settings):
    """An independent score of an axis, which the steering never saw, and how well it agrees with labelled pairs."""

    kind: JudgeKind
    file: str = Field(
        default="",
        pattern=rf"^({_PLAIN_NAME})?$",
        max_length=_FEW,
        description="What was fitted, in the axis's folder; empty for a fixed rule.",
    )
    data: tuple[Data, ...] = Field(default=(), description="What it was fitted on.")
    agreement: float = Field(
        ge=0, le=1, description="Share of labelled pairs, new to the judge, whose chosen reply it prefers."
    )
    pairs: Count = Field(description="How many pairs that is measured on.")


class Card(Named):
    """Everything a person should know before dragging an axis's sliders."""

    description: str
    poles: Poles
    base: Base
    data: tuple[Data, ...] = Field(max_length=_FEW)
    licence: str = "Apache-2.0"
    command: str = Field(description="The command line that made this axis.")
    by_hand: str = Field(default="", description="What was done to the axis beside the command, if anything.")
    recipe: dict[str, Any] = Field(description="Settings of each stage of the training.")
    seed: Count
    judge: Judge | None = Field(default=None, description="None on cards older than judges.")
    contrast: Contrast | None = Field(default=None, description="What an instant axis has in place of training.")
    checks: dict[str, Number] = Field(
        max_length=_FEW, description="Held-out figures of each stage, such as accuracy on unseen pairs."
    )
    calibration: Calibration
    curve: tuple[Point, ...] = Field(
        max_length=1000, description="Measured on development prompts, sorted by the sliders, the last one first."
    )
    rises_until: Level = Field(description=f"The {MAIN} at which mean reward was highest among those measured.")
    safe_range: SafeRange
    files: dict[FileName, Digest] = Field(max_length=_FEW, description="sha256 of each weight file.")
    further: dict[FileName, Digest] = Field(
        default_factory=dict, max_length=_FEW, description="The same of methods added later, which change no other."
    )
    version: str = Field(description="The version of this software that made the axis.")

    @field_validator("recipe")
    @classmethod
    def _is_finite(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        if not all(abs(number) <= LARGEST for number in _numbers(recipe)):
            raise ValueError("A number in it is not finite")
        share = recipe.get("development_share", 0.5)
        if not isinstance(share, float) or not 0 < share < 1:
            raise ValueError(f"development_share is no share: {share!r}")
        return recipe

    @field_validator("curve")
    @classmethod
    def _is_in_order(cls, curve: tuple[Point, ...]) -> tuple[Point, ...]:
        where = [point.order for point in curve]
        if where != sorted(set(where)):
            raise ValueError("Its points are not in order, or one is there twice")
        return curve

    @property
    def weights(self) -> dict[str, str]:
        """sha256 of each weight file, those of methods added later too."""
        return {**self.files, **self.further}

    @property
    def parts(self) -> dict[str, str]:
        """sha256 of all that steers, by name: of each weight file, and of an instant axis's contrast."""
        if self.contrast is None:
            return self.files
        return {**self.files, "contrast": hashlib.sha256(self.contrast.model_dump_json().encode()).hexdigest()}

    @property
    def digest(self) -> str:
        """A short name of the axis's weights: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def development_share(self) -> float | None:
        """The share of prompts that were kept for checking, None where the card does not tell."""
        return self.recipe.get("development_share")

    @property
    def preferred(self) -> dict[str, float]:
        """How often the judge prefers replies with one slider at 1 to the base's, of what was measured."""
        return self._means("win_rate", _ONES)

    @property
    def coherence(self) -> dict[str, float]:
        """How close in meaning replies are to prompts, unsteered and with one slider at 1, of what was measured."""
        return self._means("coherence", {"0": UNSTEERED, **_ONES})

    def _means(self, metric: str, strengths: dict[str, Sliders]) -> dict[str, float]:
        """A metric's mean at each of some strengths, by the names given to them."""
        found = {point.at: point.metrics for point in self.curve}
        return {name: found[at][metric].mean for name, at in strengths.items() if metric in found.get(at, {})}

    def save(self, folder: Path) -> None:
        """Write the card into an axis's folder, in one piece."""
        write_text(folder / FILE_NAME, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Card":
        """Read the card of an axis's folder. Raises AxisDamaged when it is missing or malformed."""
        path = folder / FILE_NAME
        if not path.exists():
            raise AxisDamaged(f"{folder} holds no {FILE_NAME}.", "Point to a folder made by axis train.")
        try:
            values = read_json(path)
            if not isinstance(values, dict):
                raise InvalidInput("it is no JSON object.")
            return cls(**cast(dict[str, Any], values))
        except PlaygroundError as error:
            raise AxisDamaged(
                f"{path} is not a valid card: {error.message}", "Restore the file or train the axis again."
            ) from None


def _each(folders: Iterable[Path]) -> Iterator[tuple[Path, Card | AxisDamaged]]:
    for folder in folders:
        try:
            yield folder, Card.load(folder)
        except AxisDamaged as error:
            yield folder, error


def _numbers(value: object) -> Iterator[float]:
    """All numbers in a parsed JSON value."""
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict | list):
        inner = cast(dict[object, object], value).values() if isinstance(value, dict) else cast(list[object], value)
        for one in inner:
            yield from _numbers(one)


def shipped_folders() -> list[Path]:
    """The folders of the axes that come with the software, in order of their names."""
    return folders_in(places.AXES)


def folders_in(folder: Path) -> list[Path]:
    """The axes' folders in a folder, in order of their names."""
    return [path.parent for path in sorted(folder.glob(f"*/{FILE_NAME}"))]


def all_folders() -> list[Path]:
    """The folders of the axes that ship and of those that were made or loaded on the page."""
    return [*shipped_folders(), *folders_in(places.own_axes())]


def shipped() -> dict[Path, Card]:
    """The cards of the axes that come with the software, by folder; damaged ones are left out."""
    return {folder: one for folder, one in _each(shipped_folders()) if isinstance(one, Card)}


def known() -> dict[Path, Card]:
    """The cards of the axes that ship and of a person's own, by folder; damaged ones are left out."""
    return {folder: one for folder, one in _each(all_folders()) if isinstance(one, Card)}


def damaged(folders: Iterable[Path]) -> dict[Path, AxisDamaged]:
    """What is wrong with those of some axes' folders whose card cannot be used or whose files are not the card's."""
    found: dict[Path, AxisDamaged] = {}
    for folder, one in _each(folders):
        try:
            if isinstance(one, AxisDamaged):
                raise one
            check_files(folder, one)
        except AxisDamaged as error:
            found[folder] = error
    return found


def check_files(folder: Path, card: Card) -> None:
    """Raise AxisDamaged where a file that a card describes is missing or another one."""
    for name, made in card.weights.items():
        path = folder / name
        if not path.is_file():
            raise AxisDamaged(f"{path} is missing.", "Restore the file or train the axis again.")
        if digest(path) != made:
            raise AxisDamaged(
                f"{path} is not the file its card describes.", "Restore the axis's folder as it was trained."
            )
