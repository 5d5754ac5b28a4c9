"""Fit the identity layer by DPO against the stream at alpha 0, and stop while the model stays fluent.

The reference is the frozen base itself, so its hidden states are computed once. The same reading of a pair trains both
ends of the slider: at alpha 1 the chosen reply is to be preferred, at alpha -1 the rejected one.
"""

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.forced import Predictions, batches, predict, reply_states
from playground.engine.language_model import LanguageModel
from playground.engine.methods.clm import merge
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Progress
from playground.files import read_record, write_json
from playground.measure.gather import ProgressMeter, load_tensors, save_in_one_piece
from playground.training import guards
from playground.training.guards import Guard
from playground.training.pairs import Pair, Split
from playground.training.recipe import Recipe, schedule
from playground.training.run import Run

CHECK_PAIRS = 24
"""Most development pairs behind each check."""
ANCHOR_STRIDE = 3


class Encoded(NamedTuple):
    """Pairs as token ids with how the frozen base read both replies.

    `states` holds the final hidden states [T, D] that predict the tokens of each chosen, then of each rejected reply.
    """

    prompts: list[list[int]]
    chosen: list[list[int]]
    rejected: list[list[int]]
    states: list[Tensor]


class Margins(NamedTuple):
    """At one alpha: DPO's margins [n] in nats; in nats per token what the chosen and the rejected replies gained in
    likelihood over the base [2], and the mean KL(steered || base), a scalar."""

    margins: Tensor
    gains: Tensor
    kl: Tensor


class Fitted(NamedTuple):
    """The layer that was kept, and what was measured of it."""

    layer: IdentityLayer
    checks: dict[str, float]


def encode(model: LanguageModel, pairs: Sequence[Pair], longest: int) -> Encoded:
    """Tokenise pairs, each reply up to `longest` tokens, and read them once with the frozen base."""
    prompts = [model.prompt_ids(pair.prompt) for pair in pairs]

    chosen = [model.reply_ids(pair.chosen, pair.chosen_ends)[:longest] for pair in pairs]
    rejected = [model.reply_ids(pair.rejected, pair.rejected_ends)[:longest] for pair in pairs]
    states = reply_states(model, prompts * 2, chosen + rejected)
    return Encoded(prompts, chosen, rejected, [state.to(model.dtype) for state in states])


def read(
    model: LanguageModel, data: Encoded, which: Sequence[int], layer: IdentityLayer, alphas: Sequence[float] = (1.0,)
) -> list[Margins]:
    """Read some pairs through the layer, once for all alphas.

    A margin is the log-ratio of steered to base for the chosen reply minus that for the rejected one.
    """
    count = len(data.prompts)
    texts = [*which, *(count + index for index in which)]
    replies = data.chosen + data.rejected
    prompts = [data.prompts[text % count] for text in texts]
    ratios: list[dict[int, Tensor]] = [{} for _ in alphas]
    divergences: list[list[Tensor]] = [[] for _ in alphas]
    for batch in batches(prompts, [replies[text] for text in texts], model.device):
        found = predict(model, batch, layer)
        with torch.no_grad():
            base = model.head(torch.cat([data.states[texts[index]] for index in batch.indices]))
            base_log = base.log_softmax(-1)
        for at, alpha in enumerate(alphas):
            steered = found.logits if alpha == 1.0 else merge(base, [(alpha, found.logits - base)])
            steered_log = steered.log_softmax(-1)
            gained = _of_tokens(steered_log, found) - _of_tokens(base_log, found)
            summed = gained.new_zeros(len(batch.indices)).index_add(0, found.rows, gained)
            ratios[at] |= {index: summed[row] for row, index in enumerate(batch.indices)}
            # Every few predictions are enough to anchor, at a fraction of the memory.
            few, few_base = steered_log[::ANCHOR_STRIDE], base_log[::ANCHOR_STRIDE]
            divergences[at].append((few.exp() * (few - few_base)).sum(-1))
    lengths = torch.tensor([float(len(replies[text])) for text in texts])
    return [_reading(found, lengths, diverged) for found, diverged in zip(ratios, divergences, strict=True)]


def _of_tokens(log: Tensor, found: Predictions) -> Tensor:
    """The log-probabilities [N] of the tokens that were written, from those of all [N, V]."""
    return log.gather(1, found.tokens.unsqueeze(1)).squeeze(1)


def _reading(ratios: dict[int, Tensor], lengths: Tensor, divergences: list[Tensor]) -> Margins:
    chosen, rejected = torch.stack([ratios[index] for index in range(len(ratios))]).cpu().chunk(2)
    gains = torch.stack([chosen.sum(), rejected.sum()]) / lengths.unflatten(0, (2, -1)).sum(1)
    return Margins(chosen - rejected, gains, torch.cat(divergences).mean().cpu())


def loss(readings: Sequence[Margins], recipe: Recipe) -> Tensor:
    """DPO with two anchors, at alpha 1 and, weighted by `recipe.opposite`, at alpha -1 with the preference reversed.

    -log sigmoid(beta * margin) - likelihood * gain of the preferred replies + anchor * KL, at each end. The second term
    (as in RPO, arXiv 2404.19733) keeps DPO from widening the margin by unlearning the other replies alone.
    """
    parts = [
        weight
        * (
            -torch.nn.functional.logsigmoid(sign * recipe.beta * at.margins).mean()
            - recipe.likelihood * at.gains[preferred]
            + recipe.anchor * at.kl
        )
        for at, (sign, preferred, weight) in zip(readings, ((1.0, 0, 1.0), (-1.0, 1, recipe.opposite)), strict=False)
    ]
    return torch.stack(parts).sum()


def fit(
    run: Run, data: Split, guard: Guard, folder: Path, start: IdentityLayer | None = None
) -> Generator[Progress, None, Fitted]:
    """Minimise `loss` over the layer's weights, from an untrained layer or from `start`; the rest stays frozen.

    The anchor keeps the layer from spending KL on what does not tell the replies apart.

    At each check the layer is a candidate if its replies pass the guard; the one with the highest reward is kept.
    Stops after two failed checks in a row, at the last step, or past the deadline. State is kept in `folder`, so that a
    killed run goes on from its last check.
    """
    model, recipe = run.model, run.recipe
    layer = IdentityLayer(model).float()
    if start is not None:
        layer.layer.load_state_dict(start.layer.state_dict())
    optimizer = torch.optim.Adam(layer.layer.parameters(), lr=recipe.learning_rate)
    state = _State(folder, layer, optimizer)
    if state.ended:
        return Fitted(state.kept(), state.checks)
    yield Progress("reading pairs", 0, 1)
    train = encode(model, data.train, recipe.pair_tokens)
    unseen = encode(model, data.development[:CHECK_PAIRS], recipe.pair_tokens)
    pace = ProgressMeter("identity layer" if start is None else "refining the layer", recipe.steps, "steps")
    yield pace(state.step, state.note)
    while state.step < recipe.steps and state.failed < 2 and time.monotonic() < run.deadline:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * schedule(state.step, recipe.steps)
        which = _draw(state.step, len(data.train), recipe)
        cost = loss(read(model, train, which, layer, (1.0, -1.0) if recipe.opposite else (1.0,)), recipe)
        optimizer.zero_grad()
        with model.products():
            cost.backward()
        torch.nn.utils.clip_grad_norm_(layer.layer.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        if state.step % recipe.check_every == 0 or state.step == recipe.steps:
            state.check(_check(model, unseen, layer, guard), recipe)
        yield pace(state.step, state.note)
    if not state.checks:  # past the deadline before the first check
        state.check(_check(model, unseen, layer, guard), recipe)
    return Fitted(state.kept(), state.checks)


def strengthen(
    run: Run, fitted: Fitted, guard: Guard, record: Path, stage: str = "layer's scale"
) -> Generator[Progress, None, Fitted]:
    """Scale what the layer adds, so that alpha 1 is as strong as the guard allows whatever the training brought.

    How far a layer moves the replies depends on data, steps and anchors; a unit of alpha should not. From 1 on, scales
    are tried upwards as long as the guard is passed, or downwards until it is. The best in the sense of `fit` is
    applied, in place; what was found is kept in the file `record`.
    """
    recipe = run.recipe
    if not record.exists():
        weights = {name: tensor.clone() for name, tensor in fitted.layer.layer.state_dict().items()}

        def tried(factor: float) -> dict[str, float]:
            fitted.layer.scale(factor)
            found = {**fitted.checks, **guards.named(guard(fitted.layer)), "scale": factor}
            fitted.layer.layer.load_state_dict(weights)
            return {**found, "guard_passed": float(guards.is_fluent(found, recipe))}

        pace = ProgressMeter(stage, len(recipe.scales) + 1, "scales")
        yield pace(0)
        first = best = tried(1.0)
        upwards = bool(first["guard_passed"])
        on_the_way = [factor for factor in recipe.scales if factor != 1 and (factor > 1) == upwards]
        pace.total = len(on_the_way) + 1
        yield pace(1, f"x1: {guards.told(first)}")
        for done, factor in enumerate(sorted(on_the_way, reverse=not upwards), start=2):
            if time.monotonic() > run.deadline:
                break
            found = tried(factor)
            if guards.is_better(found, best):
                best = found
            yield pace(done, f"x{factor:g}: {guards.told(found)}")
            if found["guard_passed"] != first["guard_passed"]:
                break
        write_json(record, best)
    checks = read_record(record, lambda kept: {str(name): float(value) for name, value in kept.items()})
    fitted.layer.scale(checks["scale"])
    return Fitted(fitted.layer, checks)


_KEPT = ("step", "failed", "ended", "checks", "note")


class _State:
    """Where the training stands, mirrored in a folder at every check."""

    def __init__(self, folder: Path, layer: IdentityLayer, optimizer: torch.optim.Adam) -> None:
        self.folder, self.layer, self.optimizer = folder, layer, optimizer
        self.step, self.failed, self.ended, self.note = 0, 0, False, ""
        self.checks: dict[str, float] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state.json").exists():
            self._resume()

    def check(self, found: dict[str, float], recipe: Recipe) -> None:
        """Keep the layer if it is fluent and the best so far; remember where the training stands."""
        found = {**found, "guard_passed": float(guards.is_fluent(found, recipe)), "steps": float(self.step)}
        self.failed = 0 if found["guard_passed"] else self.failed + 1
        if not self.checks or guards.is_better(found, self.checks):
            self.checks = found
            save_in_one_piece(self._weights(), self.folder / "kept.safetensors")
        self.note = f"accuracy {found['pair_accuracy']:.2f}, {guards.told(found)}"
        moments = {
            f"{index}.{name}": value
            for index, entry in self.optimizer.state_dict()["state"].items()
            for name, value in entry.items()
        }
        save_in_one_piece({**self._weights(), **moments}, self.folder / f"step-{self.step}.safetensors")
        self._record()
        for old in self.folder.glob("step-*.safetensors"):
            if old.stem != f"step-{self.step}":
                old.unlink()

    def kept(self) -> IdentityLayer:
        """The layer with the weights of the best check; nothing is trained in this folder from now on."""
        self.ended = True
        self._record()
        self.layer.layer.load_state_dict(load_tensors(self.folder / "kept.safetensors"))
        return self.layer.requires_grad_(False)

    def _record(self) -> None:
        write_json(self.folder / "state.json", {name: vars(self)[name] for name in _KEPT})

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().contiguous() for name, tensor in self.layer.layer.state_dict().items()}

    def _resume(self) -> None:
        vars(self).update(read_record(self.folder / "state.json", lambda kept: {name: kept[name] for name in _KEPT}))
        tensors = load_tensors(self.folder / f"step-{self.step}.safetensors")
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
def _check(model: LanguageModel, unseen: Encoded, layer: IdentityLayer, guard: Guard) -> dict[str, float]:
    margin = read(model, unseen, range(len(unseen.prompts)), layer)[0].margins
    health = guard(layer)
    return {
        "pair_accuracy": float((margin > 0).float().mean()),
        "pair_margin": float(margin.mean()),
        **guards.named(health),
    }


def _draw(step: int, size: int, recipe: Recipe) -> list[int]:
    """The pairs of a step: epochs in random order, the same for a seed wherever the run was resumed."""
    picks: list[int] = []
    for position in range(step * recipe.batch, (step + 1) * recipe.batch):
        epoch, place = divmod(position, size)
        order = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        picks.append(int(torch.randperm(size, generator=order)[place]))
    return picks
