"""Fit the identity layer by DPO against the stream at alpha 0, and stop while the model stays fluent.

The reference is the frozen base itself, so its log-probabilities are computed once.
"""

import json
import math
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.engine.reading import batch_logprobs, batches, reply_logprobs
from playground.events import Progress
from playground.training.pairs import Pair
from playground.training.recipe import Recipe
from playground.training.replies import Pace, write_json

CHECK_PAIRS = 24
"""Most development pairs behind each check."""
WARM_UP = 10


class Health(NamedTuple):
    """How replies at alpha 1 compare with the base's own to the same prompts: means over the guard's prompts."""

    reward: float
    kl: float
    perplexity_ratio: float
    diversity_ratio: float


class Encoded(NamedTuple):
    """Pairs as token ids with the reference's log-probabilities [N] of both replies."""

    prompts: list[list[int]]
    chosen: list[list[int]]
    rejected: list[list[int]]
    chosen_reference: Tensor
    rejected_reference: Tensor


class Fitted(NamedTuple):
    """The layer that was kept, and what was measured of it."""

    layer: IdentityLayer
    checks: dict[str, float]


def encode(model: LanguageModel, pairs: Sequence[Pair]) -> Encoded:
    """Tokenise pairs and read them once with the frozen base."""
    prompts = [model.prompt_ids(pair.prompt) for pair in pairs]

    def replies(text: Callable[[Pair], str]) -> list[list[int]]:
        ids = [(pair, model.reply_ids(text(pair))) for pair in pairs]
        return [reply[:-1] if pair.cut else reply for pair, reply in ids]

    chosen, rejected = replies(lambda pair: pair.chosen), replies(lambda pair: pair.rejected)
    return Encoded(
        prompts, chosen, rejected, reply_logprobs(model, prompts, chosen), reply_logprobs(model, prompts, rejected)
    )


def margins(model: LanguageModel, data: Encoded, which: Sequence[int], layer: IdentityLayer) -> Tensor:
    """DPO's margin of some pairs [n]: the log-ratio of aligned to base for chosen minus that for rejected, in nats."""
    prompts = [data.prompts[index] for index in which] * 2
    replies = [data.chosen[index] for index in which] + [data.rejected[index] for index in which]
    reference = torch.cat([data.chosen_reference[list(which)], data.rejected_reference[list(which)]])
    parts = [
        (batch.indices, batch_logprobs(model, batch, layer).cpu()) for batch in batches(prompts, replies, model.device)
    ]
    order = torch.tensor([index for indices, _ in parts for index in indices])
    logprobs = torch.cat([logprob for _, logprob in parts])[order.argsort()]
    ratio = logprobs - reference
    return ratio[: len(which)] - ratio[len(which) :]


def fit(
    model: LanguageModel,
    train: Sequence[Pair],
    development: Sequence[Pair],
    guard: Callable[[IdentityLayer], Health],
    recipe: Recipe,
    folder: Path,
    deadline: float = math.inf,
) -> Generator[Progress, None, Fitted]:
    """Minimise -log sigmoid(beta * margin) over the layer's weights alone; the rest of the model stays frozen.

    At each check the layer is a candidate if replies at alpha 1 pass the guard; the candidate with the highest
    reward is kept. Stops after two failed checks in a row, at the last step, or past `deadline`. State is kept in
    `folder`, so that a killed run goes on from its last check.
    """
    yield Progress("reading pairs", 0, 1)
    data, unseen = encode(model, train), encode(model, development[:CHECK_PAIRS])
    layer = IdentityLayer(model).float()
    optimizer = torch.optim.Adam(layer.layer.parameters(), lr=recipe.learning_rate)
    state = _State(folder, layer, optimizer)
    pace = Pace("identity layer", recipe.steps, "steps")
    yield pace(state.step, state.note)
    while state.step < recipe.steps and state.failed < 2 and time.monotonic() < deadline:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(state.step, recipe.steps)
        which = _draw(state.step, len(train), recipe)
        loss = -torch.nn.functional.logsigmoid(recipe.beta * margins(model, data, which, layer)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layer.layer.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        if state.step % recipe.check_every == 0 or state.step == recipe.steps:
            state.check(_check(model, unseen, layer, guard), recipe)
        yield pace(state.step, state.note)
    if not state.checks:  # past the deadline before the first check
        state.check(_check(model, unseen, layer, guard), recipe)
    return Fitted(state.kept(), state.checks)


class _State:
    """Where the training stands, mirrored in a folder at every check."""

    def __init__(self, folder: Path, layer: IdentityLayer, optimizer: torch.optim.Adam) -> None:
        self.folder, self.layer, self.optimizer = folder, layer, optimizer
        self.step, self.failed, self.note = 0, 0, ""
        self.checks: dict[str, float] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state.json").exists():
            self._resume()

    def check(self, found: dict[str, float], recipe: Recipe) -> None:
        """Keep the layer if it is fluent and the best so far; remember where the training stands."""
        fluent = (
            found["guard_perplexity_ratio"] <= recipe.most_perplexity
            and found["guard_diversity_ratio"] >= recipe.least_diversity
        )
        self.failed = 0 if fluent else self.failed + 1
        better = fluent and found["guard_reward"] > self.checks.get("guard_reward", -math.inf)
        if better or not self.checks:  # the first is kept for want of another
            self.checks = {**found, "steps": float(self.step)}
            save_file(self._weights(), self.folder / "kept.safetensors")
        self.note = (
            f"accuracy {found['pair_accuracy']:.2f}, reward at alpha 1 {found['guard_reward']:+.2f}, "
            f"perplexity x{found['guard_perplexity_ratio']:.2f}, KL {found['guard_kl']:.2f}"
        )
        moments = {
            f"{index}.{name}": value
            for index, entry in self.optimizer.state_dict()["state"].items()
            for name, value in entry.items()
        }
        save_file({**self._weights(), **moments}, self.folder / f"step-{self.step}.safetensors")
        record = {"step": self.step, "failed": self.failed, "checks": self.checks, "note": self.note}
        write_json(self.folder / "state.json", record)
        for old in self.folder.glob("step-*.safetensors"):
            if old.stem != f"step-{self.step}":
                old.unlink()

    def kept(self) -> IdentityLayer:
        """The layer with the weights of the best check."""
        self.layer.layer.load_state_dict(load_file(self.folder / "kept.safetensors"))
        return self.layer.requires_grad_(False)

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().contiguous() for name, tensor in self.layer.layer.state_dict().items()}

    def _resume(self) -> None:
        record = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        self.step, self.failed = record["step"], record["failed"]
        self.checks, self.note = record["checks"], record["note"]
        tensors = load_file(self.folder / f"step-{self.step}.safetensors")
        names = list(self.layer.layer.state_dict())
        self.layer.layer.load_state_dict({name: tensors[name] for name in names})
        shape = self.optimizer.state_dict()
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name not in names:
                index, _, what = name.partition(".")
                moments.setdefault(int(index), {})[what] = tensor
        self.optimizer.load_state_dict({"state": moments, "param_groups": shape["param_groups"]})


@torch.no_grad()
def _check(
    model: LanguageModel, unseen: Encoded, layer: IdentityLayer, guard: Callable[[IdentityLayer], Health]
) -> dict[str, float]:
    margin = margins(model, unseen, range(len(unseen.prompts)), layer)
    health = guard(layer)
    return {
        "pair_accuracy": float((margin > 0).float().mean()),
        "pair_margin": float(margin.mean()),
        **{f"guard_{name}": value for name, value in health._asdict().items()},
    }


def _draw(step: int, size: int, recipe: Recipe) -> list[int]:
    """The pairs of a step: epochs in random order, the same for a seed wherever the run was resumed."""
    picks: list[int] = []
    for position in range(step * recipe.batch, (step + 1) * recipe.batch):
        epoch, place = divmod(position, size)
        order = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        picks.append(int(torch.randperm(size, generator=order)[place]))
    return picks


def _schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a short warm-up, then linear down to a tenth."""
    return min((step + 1) / WARM_UP, 1 - 0.9 * step / steps)
