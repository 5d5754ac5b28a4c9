"""Minimise a cost over the identity layer's weights, resumable, and keep the best layer whose replies stay fluent."""

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Progress
from playground.files import read_record, write_json
from playground.measure.gather import load_tensors, save_in_one_piece
from playground.measure.progress import ProgressMeter
from playground.training import guards
from playground.training.guards import Guard
from playground.training.recipe import Recipe, schedule
from playground.training.run import Run


class Fitted(NamedTuple):
    """The layer that was kept, and what was measured of it."""

    layer: IdentityLayer
    checks: dict[str, float]


class Attempt(NamedTuple):
    """One fit: what progress calls it, the folder that keeps its state, and the layer that it starts from, if any."""

    stage: str
    folder: Path
    start: IdentityLayer | None = None


SAVE_EVERY_S = 60.0
"""A training that is killed has lost no more than that."""

Cost = Callable[[IdentityLayer, int], Tensor]
"""What a layer costs on the batch of a step, a scalar that gradients flow from."""


def minimise(
    run: Run, cost: Cost, check: Callable[[IdentityLayer], dict[str, float]], attempt: Attempt
) -> Generator[Progress, None, Fitted]:
    """Minimise a cost over the layer's weights, from an untrained layer or the attempt's start; the rest is frozen.

    At each check, which tells the guard's means among others, the layer is a candidate if its replies pass the guard;
    the one with the highest reward is kept. Stops after two failed checks in a row, at the last step, or past the
    deadline. State is kept in the attempt's folder at each check and every minute, and a killed run goes on from there.
    """
    recipe, layer = run.recipe, IdentityLayer(run.model).float()
    if attempt.start is not None:
        layer.layer.load_state_dict(attempt.start.layer.state_dict())
    optimizer = torch.optim.Adam(layer.layer.parameters(), lr=recipe.learning_rate)
    state = _State(attempt.folder, layer, optimizer)
    if state.ended:
        return Fitted(state.kept(), state.checks)
    pace = ProgressMeter(attempt.stage, recipe.steps, "steps")
    yield pace(state.step, state.note)
    while state.step < recipe.steps and state.failed < 2 and time.monotonic() < run.deadline:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * schedule(state.step, recipe.steps)
        price = cost(layer, state.step)
        optimizer.zero_grad()
        with run.model.products():
            price.backward()
        torch.nn.utils.clip_grad_norm_(layer.layer.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        if state.step % recipe.check_every == 0 or state.step == recipe.steps:
            state.check(check(layer), recipe)
        elif time.monotonic() - state.saved >= SAVE_EVERY_S:
            state.save()
        yield pace(state.step, state.note)
    if not state.checks:  # past the deadline before the first check
        state.check(check(layer), recipe)
    return Fitted(state.kept(), state.checks)


def draw(step: int, size: int, recipe: Recipe) -> list[int]:
    """Which of `size` examples a step takes: epochs in random order, the same wherever the run was resumed."""
    picks: list[int] = []
    for position in range(step * recipe.batch, (step + 1) * recipe.batch):
        epoch, place = divmod(position, size)
        order = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        picks.append(int(torch.randperm(size, generator=order)[place]))
    return picks


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
    """Where the training stands, mirrored in a folder whenever it is saved."""

    def __init__(self, folder: Path, layer: IdentityLayer, optimizer: torch.optim.Adam) -> None:
        self.folder, self.layer, self.optimizer = folder, layer, optimizer
        self.step, self.failed, self.ended, self.note = 0, 0, False, ""
        self.saved = time.monotonic()
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
        self.note = guards.told(found)
        self.save()

    def save(self) -> None:
        """Remember where the training stands."""
        self.saved = time.monotonic()
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
