"""The card of an axis: what it is, what it was trained on and how, and what was measured.

Frozen values without tensors, stored as `card.json` beside the weights.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from playground import places
from playground.errors import AxisMismatch, PlaygroundError
from playground.settings import Settings

FILE_NAME = "card.json"


class Poles(Settings):
    """What the two ends of the slider are called, in one or two words each."""

    negative: str
    positive: str


class Base(Settings):
    """The base model an axis was trained on, told by its shape and by digests of tokenizer and weights."""

    name: str
    architecture: str
    hidden_size: int
    vocab_size: int
    tokenizer: str = Field(description="sha256 of the token strings in order of their ids.")
    weights: str = Field(description="sha256 of a sample of the weights, the same in every dtype.")


class Data(Settings):
    """A file the axis was trained on."""

    name: str
    licence: str
    rows: int
    sha256: str
    attribution: str = ""


class Estimate(Settings):
    """A mean over prompts with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class Point(Settings):
    """What was measured at one strength: estimates by metric name (reward, kl, perplexity, diversity, length, ...)."""

    alpha: float
    control: float
    metrics: dict[str, Estimate]


class Calibration(Settings):
    """What control = 1 means: `updates` steps of `step_size` up the value function."""

    step_size: float
    updates: int


class SafeRange(Settings):
    """Between which strengths replies stayed fluent and varied when measured: (lowest, highest)."""

    alpha: tuple[float, float]
    control: tuple[float, float]


JudgeKind = Literal["words", "sentiment", "length"]


class Judge(Settings):
    """An independent score of an axis, which the steering never saw, and how well it agrees with labelled pairs."""

    kind: JudgeKind
    file: str = Field(
        default="", pattern=r"^[\w.-]*$", description="What was fitted, in the axis's folder; empty for a fixed rule."
    )
    data: tuple[Data, ...] = Field(default=(), description="What it was fitted on.")
    agreement: float = Field(description="Share of labelled pairs, new to the judge, whose chosen reply it prefers.")
    pairs: int = Field(description="How many pairs that is measured on.")


class Card(Settings):
    """Everything a person should know before dragging an axis's sliders."""

    name: str = Field(min_length=1)
    description: str
    poles: Poles
    base: Base
    data: tuple[Data, ...]
    licence: str = "Apache-2.0"
    command: str = Field(description="The command line that made this axis.")
    by_hand: str = Field(default="", description="What was done to the axis beside the command, if anything.")
    recipe: dict[str, Any] = Field(description="Settings of each stage of the training.")
    seed: int
    judge: Judge | None = Field(default=None, description="None on cards older than judges.")
    checks: dict[str, float] = Field(description="Held-out figures of each stage, such as accuracy on unseen pairs.")
    calibration: Calibration
    curve: tuple[Point, ...] = Field(description="Measured on development prompts, sorted by control, then alpha.")
    rises_until: float = Field(description="The alpha at which mean reward was highest among those measured.")
    safe_range: SafeRange
    files: dict[str, str] = Field(description="sha256 of each weight file.")
    version: str = Field(description="The version of this software that made the axis.")

    @property
    def preferred(self) -> dict[str, float]:
        """How often the judge prefers replies at alpha 1 and at control 1 to the base's, of what was measured."""
        return self._means("win_rate", {"alpha 1": (1.0, 0.0), "control 1": (0.0, 1.0)})

    @property
    def coherence(self) -> dict[str, float]:
        """How close in meaning replies are to their prompts, unsteered and at either 1, of what was measured."""
        return self._means("coherence", {"0": (0.0, 0.0), "alpha 1": (1.0, 0.0), "control 1": (0.0, 1.0)})

    def _means(self, metric: str, strengths: dict[str, tuple[float, float]]) -> dict[str, float]:
        """A metric's mean at each of some (alpha, control), by the names given to them."""
        found = {(point.alpha, point.control): point.metrics for point in self.curve}
        return {name: found[at][metric].mean for name, at in strengths.items() if metric in found.get(at, {})}

    def save(self, folder: Path) -> None:
        """Write the card into an axis's folder."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Card":
        """Read the card of an axis's folder. Raises AxisMismatch when it is missing or malformed."""
        path = folder / FILE_NAME
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise AxisMismatch(f"{folder} holds no {FILE_NAME}.", "Point to a folder made by axis train.") from None
        except (OSError, ValueError, TypeError) as error:
            raise AxisMismatch(
                f"{path} cannot be read: {error}.", "Restore the file or train the axis again."
            ) from None
        except PlaygroundError as error:
            raise AxisMismatch(f"{path} is not a valid card: {error.message}", "Train the axis again.") from None


def shipped_folders() -> list[Path]:
    """The folders of the axes that come with the software, in order of their names."""
    return [path.parent for path in sorted(places.AXES.glob(f"*/{FILE_NAME}"))]


def shipped() -> dict[Path, Card]:
    """The cards of the axes that come with the software, by folder. Raises AxisMismatch for a damaged one."""
    return {folder: Card.load(folder) for folder in shipped_folders()}
