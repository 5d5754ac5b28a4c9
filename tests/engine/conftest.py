"""Tiny random models of every family with a random axis each, in float32; built in milliseconds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from playground.engine.decode import decode
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods import CLM, REControl, Steering, by_layer
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.methods.value_function import ValueFunction
from playground.engine.prefix_tree import PrefixTree
from playground.events import Event, Finished, Token
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.sources import build_tiny

NEW_TOKENS = 16
CORE = ("llama", "qwen2", "qwen3", "mistral", "gpt_neox", "gemma3_text")
"""Families that differ in what the engine does with them; test_families goes through the others."""


@dataclass
class Lab:
    """A tiny model, an untrained and a random axis of it, and short ways to run it."""

    model: LanguageModel
    axes: dict[str, Steering]

    def events(
        self,
        *rows: Row,
        how: Sampling | None = None,
        new_tokens: int = NEW_TOKENS,
        tree: PrefixTree | None = None,
        by: Callable[..., Iterable[Event]] = decode,
    ) -> list:
        request = Request(rows=rows, sampling=how or Sampling(), max_new_tokens=new_tokens)
        return list(by(self.model, self.axes, request, *([] if tree is None else [tree])))

    def run(self, *rows: Row, **asked: Any) -> list[Finished]:
        ends = [event for event in self.events(*rows, **asked) if isinstance(event, Finished)]
        return sorted(ends, key=lambda end: end.row)

    def tokens(self, *rows: Row, **asked: Any) -> list[Token]:
        return [event for event in self.events(*rows, **asked) if isinstance(event, Token)]


def row(prompt: str = "How was it?", *strengths: Strength, seed: int = 0, system: str | None = None) -> Row:
    return Row(messages=conversation(prompt, system), strengths=strengths, seed=seed)


def at(alpha: float = 0.0, control: float = 0.0, axis: str = "random", **more: Any) -> Strength:
    return Strength(axis=axis, alpha=alpha, control=control, **more)


def make_lab(folder: Path, architecture: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Lab:
    """The same weights on every device."""
    model = load_model(build_tiny(folder, architecture), dtype, device)
    model.stop_ids = frozenset()  # random models end their turns at random; tests that need it set their own
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        axes = {}
        for name in ("random", "second"):
            layer = IdentityLayer(model)
            for parameter in layer.layer.parameters():
                parameter.add_((torch.randn(parameter.shape) * 0.1).to(parameter))
            function = ValueFunction(model.width, 16).requires_grad_(False).to(device)
            own = CLM(layer.requires_grad_(False).to(model.dtype)), REControl(function, step_size=0.3, updates=4)
            axes[name] = Steering(own)
    axes["untrained"] = by_layer(IdentityLayer(model))
    return Lab(model, axes)


@pytest.fixture(scope="session")
def device() -> str:
    """Where the models live. tests/gpu runs the same tests with another answer."""
    return "cpu"


class Labs(dict[str, Lab]):
    """A lab of each family, made when it is first asked for."""

    def __init__(self, folder: Path, device: str) -> None:
        super().__init__()
        self.folder, self.device = folder, device

    def __missing__(self, architecture: str) -> Lab:
        self[architecture] = make_lab(self.folder / architecture, architecture, device=self.device)
        return self[architecture]


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory, device: str) -> Labs:
    return Labs(tmp_path_factory.mktemp("tiny"), device)


@pytest.fixture(params=CORE)
def any_lab(request: pytest.FixtureRequest, labs: Labs) -> Lab:
    """Once for each of CORE."""
    return labs[request.param]


@pytest.fixture(params=("llama", "qwen2"))
def lab(request: pytest.FixtureRequest, labs: Labs) -> Lab:
    """Once for each of two families."""
    return labs[request.param]
