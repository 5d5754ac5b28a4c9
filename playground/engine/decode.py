"""Rows in, a generator of events out, for whoever has the model to themselves; closing the generator is Stop."""

from collections.abc import Generator, Mapping

from playground.engine.language_model import LanguageModel
from playground.engine.live_request import Step
from playground.engine.methods import Steering
from playground.engine.prefix_tree import PrefixTree
from playground.engine.scheduler import Scheduler
from playground.events import Finished, Started, Token, Waiting
from playground.settings import Request


def decode(
    model: LanguageModel, axes: Mapping[str, Steering], request: Request, tree: PrefixTree | None = None
) -> Generator[Waiting | Started | Token | Finished, None, None]:
    """The events of `steps`, one by one."""
    for step in steps(model, axes, request, tree):
        yield from step


def steps(
    model: LanguageModel, axes: Mapping[str, Steering], request: Request, tree: PrefixTree | None = None
) -> Generator[Step, None, None]:
    """Decode all rows of a request; see Scheduler.run."""
    return Scheduler(model).run(axes, request, tree)
