"""One base model with its axes: runs a request and scores the finished replies.

It holds weights and nothing of who asks: strengths come with each request, so people cannot steer each other.
"""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import torch

from playground import axes, cards, sources
from playground.axes import Axis
from playground.engine.decode import decode
from playground.engine.language_model import LanguageModel
from playground.errors import AxisMismatch
from playground.events import Event, Finished, Progress
from playground.settings import Request, Row
from playground.sources.quiet import no_bars


class Player:
    """Runs requests on a loaded base model. `axes` maps names to the axes loaded so far."""

    def __init__(self, model: LanguageModel, known: dict[str, Axis] | None = None) -> None:
        self.model = model
        self.axes: dict[str, Axis] = dict(known or {})

    @classmethod
    def open(
        cls, model: str = sources.DEFAULT, dtype: str = "auto", report: Callable[[Progress], None] | None = None
    ) -> "Player":
        """Load base weights by name, folder or Hub id, with the shipped axes that fit them.

        Raises ModelUnavailable or InvalidInput when the weights cannot be had.
        """
        language_model = open_model(model, dtype, report)
        return cls(language_model, dict(axes.shipped_for(language_model)))

    @property
    def name(self) -> str:
        """The base model's display name."""
        return self.model.name

    @property
    def context_length(self) -> int:
        """The longest prompt and reply together, in tokens."""
        return self.model.context_length

    def axis(self, name_or_folder: str) -> Axis:
        """The axis of this name, or the one in this folder, which is loaded and known by its name from then on."""
        if name_or_folder in self.axes:
            return self.axes[name_or_folder]
        folder = Path(name_or_folder)
        if folder.is_dir():
            axis = axes.load(folder, self.model)
            self.axes[axis.card.name] = axis
            return axis
        for shipped, card in cards.shipped().items():
            if card.name == name_or_folder:
                return axes.load(shipped, self.model)  # it does not fit: let the check say why
        raise AxisMismatch(
            f"There is no axis named {name_or_folder!r}.",
            f"Choose one of: {', '.join(self.axes) or 'none for this model'}; or give the folder of an axis.",
        )

    def run(self, request: Request) -> Generator[Event, None, None]:
        """Decode a request's rows as one batch; Finished events carry the reward of the row's first axis.

        Close the generator to stop. Raises InvalidInput or AxisMismatch before the first event.
        """
        for row in request.rows:
            for strength in row.strengths:
                self.axis(strength.axis)
        steering = {name: axis.steering for name, axis in self.axes.items()}
        events = decode(self.model, steering, request)
        try:
            for event in events:
                yield self._scored(event, request.rows[event.row]) if isinstance(event, Finished) else event
        finally:
            events.close()

    def _scored(self, event: Finished, row: Row) -> Finished:
        if not row.strengths:
            return event
        reward = self.axes[row.strengths[0].axis].reward
        return replace(event, reward=float(reward([row.messages], [event.text])[0]))


def open_model(name: str, dtype: str = "auto", report: Callable[[Progress], None] | None = None) -> LanguageModel:
    """Base weights by name, folder or Hub id, on the GPU if there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = sources.resolve(name, report or (lambda progress: None))
    with no_bars():
        return LanguageModel.load(folder, sources.pick_dtype(dtype, device), device, sources.display_name(name))
