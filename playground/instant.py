"""Instant axes: two descriptions become an axis that is ready to steer, calibrated now or found where it was kept."""

import hashlib
import json
import shlex
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import playground
from playground import axes, calibration, cards, metrics
from playground.axes import Axis
from playground.calibration import Calibrated
from playground.cards import Calibration, Card
from playground.descriptions import Described
from playground.engine.language_model import LanguageModel
from playground.engine.methods import SteeringVector
from playground.engine.scheduler import Scheduler
from playground.errors import AxisDamaged
from playground.events import Progress
from playground.files import digest, trouble
from playground.settings import MAIN

MOST_PERPLEXITY, LEAST_DIVERSITY = 1.5, 0.9
"""Where the tested range ends, over the base's own, as for trained axes."""

VERSION = 1
"""Of how they are calibrated: what was calibrated otherwise is not taken up again."""

_COMMAND = ("playground", "axis", "instant")


def folder_of(cache: Path, described: Described, model: LanguageModel) -> Path:
    """Where a calibration is kept: by all that it depends on."""
    base = model.identity()
    depends = [described.positive, described.negative, base.weights, base.tokenizer, str(model.dtype), VERSION]
    depends += [calibration.cost(slider) for slider in calibration.AT]
    return cache / hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:32]


def make(scheduler: Scheduler, described: Described, keep: Path | None) -> Generator[Progress, None, Axis]:
    """Calibrate an axis, or take up what was kept in a folder `keep`, and return it ready to steer.

    Its rows run among those of others. Raises InvalidInput where the descriptions make no difference to the model.
    """
    model = scheduler.model
    if keep is not None and (keep / cards.FILE_NAME).is_file():
        with suppress(AxisDamaged):  # which is made anew
            return _renamed(axes.load(keep, model), described)
    found = yield from calibration.calibrate(scheduler, described)
    vector, card = SteeringVector(found.vector), _card(model, described, found)
    if keep is not None:
        try:
            card = _kept(card, vector, keep)
        except Exception as error:
            if trouble(error) is None:  # it steers as well where nothing can be written
                raise
    return axes.instant(card, model, vector)


def _kept(card: Card, vector: SteeringVector, folder: Path) -> Card:
    """Write an axis into a folder; its card as it stands there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / cards.FILE_NAME).unlink(missing_ok=True)
    vector.save(folder)
    whole = card.model_copy(update={"files": {vector.file: digest(folder / vector.file)}})
    whole.save(folder)  # last: a folder with a card is whole
    return whole


def _card(model: LanguageModel, described: Described, found: Calibrated) -> Card:
    line = [point for point in found.curve if not point.without(MAIN).steers]
    return Card(
        name=described.name,
        description=described.notes or f"As {described.positive} against {described.negative}.",
        poles=described.poles,
        base=model.identity(),
        data=(),
        licence=described.licence,
        command=shlex.join([*_COMMAND, "--positive", described.positive, "--negative", described.negative]),
        recipe={},
        seed=0,
        contrast=found.contrast,
        checks={},
        calibration=Calibration(step_size=float(found.vector.norm()), updates=1),
        curve=found.curve,
        rises_until=max((point.metrics["reward"].mean, point.amounts[MAIN]) for point in line)[1],
        safe_range=metrics.safe_range(found.curve, MOST_PERPLEXITY, LEAST_DIVERSITY),
        files={},
        version=playground.__version__,
    )


def _renamed(axis: Axis, described: Described) -> Axis:
    """An axis that somebody else may have called otherwise."""
    told = described.notes or f"As {described.positive} against {described.negative}."
    named = {"name": described.name, "poles": described.poles, "licence": described.licence, "description": told}
    return Axis(axis.card.model_copy(update=named), axis.steering, axis.reward, axis.note)
