"""What else tells which reply is preferred: reward, KL, perplexity, length; alone, and beside the strength. Pure."""

import math
from dataclasses import dataclass, replace

import numpy as np

from playground.study.model import inference, multilevel, pairs, utility
from playground.study.model.design import Shape
from playground.study.model.multilevel import Fit
from playground.study.model.pairs import Pairs, Scale, TooLittleError


@dataclass(frozen=True)
class CovariateFit:
    """Log-odds for each unit of a covariate, with a 95 % interval, and the share of the log-likelihood it explains.

    `explained` is McFadden's: 1 less the log-likelihood over that of a model of sides and ties alone. `top` is the
    scaled top at equal values, None where nothing stands beside the covariates.
    """

    names: tuple[str, ...]
    effects: tuple[tuple[float, float, float], ...]
    chances: tuple[float, ...]
    explained: float
    top: tuple[float, float, float] | None


def alone(data: Pairs, scale: Scale, names: tuple[str, ...]) -> CovariateFit:
    """The covariates without the strengths; people's sharpness varies. Raises TooLittleError."""
    units = _units(data, names)
    values = np.column_stack([data.covariates[name] / units[name] for name in names])
    fitted = multilevel.fit(pairs.design(data, scale, values), Shape(slope=False))
    return _added(fitted, fitted.layout.inner.start, units, _nothing(data, scale), None)


def beside(data: Pairs, scale: Scale, shape: Shape, names: tuple[str, ...]) -> CovariateFit:
    """The covariates beside a parabola of the strengths. Raises TooLittleError."""
    units = _units(data, names)
    scaled = replace(data, covariates={name: data.covariates[name] / units[name] for name in names})
    found = utility.parabola(scaled, scale, shape, names)
    top = (found.top, *found.interval) if found.interval and found.has_top else None
    return _added(found.fit, 1, units, _nothing(data, scale), top)


def explained(data: Pairs, scale: Scale, fit: Fit) -> float:
    """McFadden's share of a fit."""
    return 1 - fit.log_likelihood / _nothing(data, scale)


def _nothing(data: Pairs, scale: Scale) -> float:
    """The log-likelihood of sides and ties alone."""
    empty = pairs.design(data, scale, np.empty((len(data.answer), 0)))
    return multilevel.fit(empty, Shape(slope=False, sharpness=False)).log_likelihood


def _added(
    fitted: Fit, first: int, units: dict[str, float], nothing: float, top: tuple[float, float, float] | None
) -> CovariateFit:
    from scipy.stats import t

    people = inference.over_people(fitted)
    effects, chances = [], []
    for place, unit in enumerate(units.values(), start=first):
        error = math.sqrt(max(people.covariance[place, place], 0)) / unit
        value = float(fitted.at[place]) / unit
        effects.append((value, value - people.quantile * error, value + people.quantile * error))
        chances.append(float(2 * t.sf(abs(value) / error, people.freedom)) if error else math.nan)
    return CovariateFit(tuple(units), tuple(effects), tuple(chances), 1 - fitted.log_likelihood / nothing, top)


def _units(data: Pairs, names: tuple[str, ...]) -> dict[str, float]:
    """The deviation of each covariate, by which it is scaled. Raises TooLittleError."""
    for name in names:
        values = data.covariates.get(name)
        if values is None or not np.isfinite(values).all():
            raise TooLittleError(f"Not every reply has a {name}.")
        if np.ptp(values) == 0:
            raise TooLittleError(f"All replies are alike in {name}.")
    if np.linalg.matrix_rank(np.column_stack([data.covariates[name] for name in names])) < len(names):
        raise TooLittleError(f"{' and '.join(names)} tell the same.")
    return {name: float(np.sqrt(np.mean(data.covariates[name] ** 2))) for name in names}
