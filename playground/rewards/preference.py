"""A Bradley-Terry head on the frozen base model's features: the reward that preference pairs define."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from playground.engine.forced import reply_features
from playground.engine.language_model import LanguageModel
from playground.files import in_one_piece
from playground.settings import Message

FILE_NAME = "reward.safetensors"


def feature_layers(model: LanguageModel) -> list[int]:
    """A third, two thirds and all of the way up the decoder."""
    depth = model.decoder.config.num_hidden_layers
    return sorted({max(1, round(depth / 3)), max(1, round(2 * depth / 3)), depth})


def text_features(model: LanguageModel, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
    """Conversations and replies -> what the head reads of them [B, F]."""
    prompt_ids = [model.prompt_ids(prompt) for prompt in prompts]
    # An empty reply still ends its turn, which gives the head something to read.
    reply_ids = [model.reply_ids(reply, ends=False) or model.reply_ids(reply) for reply in replies]
    return reply_features(model, prompt_ids, reply_ids, feature_layers(model))


class PreferenceReward:
    """A linear head [F] on standardised features; one unit is a standard deviation of the base model's own replies."""

    def __init__(self, model: LanguageModel, state: dict[str, Tensor]) -> None:
        self.model = model
        self.state = {name: tensor.float() for name, tensor in state.items()}

    def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
        """Conversations and replies -> rewards [B]."""
        return self.score(text_features(self.model, prompts, replies))

    def score(self, features: Tensor) -> Tensor:
        """Features [B, F] -> rewards [B]."""
        raw = (features - self.state["mean"]) / self.state["scale"] @ self.state["weight"]
        return (raw - self.state["zero"]) / self.state["unit"]

    def in_units_of(self, features: Tensor) -> "PreferenceReward":
        """The same reward with mean 0 and standard deviation 1 over these features [B, F]."""
        rewards = self.score(features)
        zero = self.state["zero"] + rewards.mean() * self.state["unit"]
        unit = self.state["unit"] * rewards.std().clamp(min=1e-6)
        return PreferenceReward(self.model, {**self.state, "zero": zero, "unit": unit})

    def save(self, folder: Path) -> None:
        """Write the head as safetensors."""
        with in_one_piece(folder / FILE_NAME) as scratch:
            save_file({name: tensor.contiguous() for name, tensor in self.state.items()}, scratch)


def fit(chosen: Tensor, rejected: Tensor, ridge: float) -> dict[str, Tensor]:
    """Fit a head by Bradley-Terry: maximise log sigmoid(w (f_chosen - f_rejected)) - ridge / 2 |w|^2.

    chosen, rejected: features [N, F]. Deterministic (L-BFGS on a convex loss).
    """
    both = torch.cat([chosen, rejected])
    mean, scale = both.mean(0), both.std(0).clamp(min=1e-4)
    difference = ((chosen - rejected) / scale).double()
    weight = torch.zeros(chosen.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=200, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -torch.nn.functional.logsigmoid(difference @ weight).mean() + ridge / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return {
        "weight": weight.detach().float(),
        "mean": mean,
        "scale": scale,
        "zero": torch.tensor(0.0),
        "unit": torch.tensor(1.0),
    }
