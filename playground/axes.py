"""Axes on disk and in memory: load one, check it against the base model, list what ships."""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from playground import cards
from playground.cards import Base, Card
from playground.engine import identity_layer, value_function
from playground.engine.decode import Steering
from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.engine.value_function import ValueFunction
from playground.errors import AxisMismatch
from playground.rewards import Reward, judges, preference
from playground.rewards.preference import PreferenceReward

_RESTORE = "Restore the file or train the axis again."

WEIGHT_FILES = (identity_layer.FILE_NAME, value_function.FILE_NAME, preference.FILE_NAME)


@dataclass(frozen=True)
class Axis:
    """A trained direction, ready to steer one base model. `note` tells what a person should see about its fit."""

    card: Card
    steering: Steering
    reward: PreferenceReward
    note: str = ""
    judge: Reward | None = None


def load(folder: Path, model: LanguageModel) -> Axis:
    """Read an axis's folder for a base model. Raises AxisMismatch when it is damaged or made for another base."""
    card = Card.load(folder)
    note = check(card, model.identity())
    weights = {name: _read(folder, name, card.files) for name in WEIGHT_FILES}
    layer = IdentityLayer(model)
    try:
        layer.layer.load_state_dict(weights[identity_layer.FILE_NAME])
        function = ValueFunction.from_state(weights[value_function.FILE_NAME]).to(model.device)
        reward = PreferenceReward(model, weights[preference.FILE_NAME])
    except (RuntimeError, KeyError) as error:
        raise AxisMismatch(
            f"The weights of {card.name!r} do not have the shapes of {model.name}: {str(error).splitlines()[0]}",
            "Train the axis again on this base model.",
        ) from error
    layer = layer.to(model.device, model.dtype).requires_grad_(False)
    steering = Steering(layer, function, card.calibration.step_size, card.calibration.updates)
    return Axis(card, steering, reward, note, _judge(folder, card))


def check(card: Card, base: Base) -> str:
    """Whether an axis fits a base model: shape and tokenizer must agree, the weights may differ with a note."""
    for what in ("architecture", "hidden_size", "vocab_size", "tokenizer"):
        theirs, ours = getattr(card.base, what), getattr(base, what)
        if theirs != ours:
            shown = "" if what == "tokenizer" else f" ({theirs} against {ours})"
            raise AxisMismatch(
                f"The axis {card.name!r} was trained on {card.base.name}, and {base.name} has another "
                f"{what.replace('_', ' ')}{shown}.",
                f"Load {card.base.name}, or train an axis of {base.name} with `playground axis train`.",
            )
    if card.base.weights != base.weights:
        return f"Trained on {card.base.name}; these weights have the same shape but other values."
    return ""


def _judge(folder: Path, card: Card) -> Reward | None:
    """The axis's judge, if it has one."""
    if card.judge is None:
        return None
    file = folder / card.judge.file
    if card.judge.file:
        _check_file(file, card.files)
    try:
        return judges.judge_of(card.judge.kind, file)
    except (OSError, ValueError) as error:
        raise AxisMismatch(f"{file} is damaged: {error}.", _RESTORE) from None


def shipped_for(model: LanguageModel) -> Mapping[str, Axis]:
    """The axes that come with the software and fit this base model, by name."""
    fitting: dict[str, Axis] = {}
    for folder in cards.shipped_folders():
        # One that is damaged or made for another base must not keep the others from being used; doctor tells of it.
        with contextlib.suppress(AxisMismatch):
            axis = load(folder, model)
            fitting[axis.card.name] = axis
    return fitting


def digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path, name: str, digests: Mapping[str, str]) -> dict[str, Tensor]:
    """Read one weight file, which must be safetensors and the very file the card describes."""
    path = folder / name
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise AxisMismatch(f"{path} is missing.", _RESTORE) from None
    except (SafetensorError, OSError) as error:
        raise AxisMismatch(f"{path} is damaged or no safetensors file: {error}.", _RESTORE) from None
    _check_file(path, digests)
    return {key: tensor.to(torch.float32) for key, tensor in weights.items()}


def _check_file(path: Path, digests: Mapping[str, str]) -> None:
    """Refuse a file that is missing or not the one the card describes."""
    if not path.is_file():
        raise AxisMismatch(f"{path} is missing.", _RESTORE)
    if digests.get(path.name) != digest(path):
        raise AxisMismatch(
            f"{path} is not the file its card describes.", "Restore the axis's folder as it was trained."
        )
