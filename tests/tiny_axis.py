"""A small axis of random weights for a tiny model."""

from pathlib import Path

from playground.engine.loading import load_model
from playground.training import untrained


def make_tiny_axis(folder: Path, model_folder: Path, name: str = "cheer", seed: int = 0, noise: float = 0.1) -> Path:
    """Write an axis called `name` for the model in `model_folder`; the layer is the identity plus noise."""
    return untrained.write(folder, load_model(model_folder), name, seed, noise)
