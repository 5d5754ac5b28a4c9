"""What every stage of a training is handed: for which model, by which recipe, where its work is kept, until when."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from playground.engine.language_model import LanguageModel
from playground.measure.gather import Gathering
from playground.training.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """A training under way. Past `deadline` (time.monotonic seconds) a stage begins no new work."""

    model: LanguageModel
    recipe: Recipe
    work: Path
    deadline: float = math.inf

    def until(self, deadline: float) -> "Run":
        """The same with another deadline."""
        return replace(self, deadline=deadline)

    def gathering(self, file: str, stage: str) -> Gathering:
        """How replies are gathered into a file of the work folder."""
        return Gathering(self.work / file, stage, self.deadline)
