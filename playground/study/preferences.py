"""What the model of people says of a study's pairs, in the study's own strengths. Pure functions of arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

from playground.cards import Estimate
from playground.study.fits import estimate
from playground.study.model import inference, ordinal, prompts, quadrature, spread, utility
from playground.study.model.design import Shape
from playground.study.model.multilevel import Fit
from playground.study.model.ordinal import Array
from playground.study.model.pairs import Pairs, Scale, TooLittleError, reference
from playground.study.model.utility import CurveChoice, Refusal, Utility

_POINTS = 41
_DRAWS = 400


@dataclass(frozen=True)
class Preference:
    """What people like best.

    `curve` is what leads: "parabola", "two-sided" (a parabola that falls otherwise below its top than above), or ""
    where neither fits or the place of the top is `refused` (see `CurveChoice`), and `preferred` is its top for the
    median person, None where no curve leads. `misfit` is the
    probability of the parabola's lack of fit, None with three strengths; `parabola` its own top. An interval is cut at
    the strengths shown; `beyond` tells at which ends ("low", "high"). `best` are the strengths that no other beats, and
    `utilities` the log-odds of each beside `reference`. `rising` holds (strength, chance to be preferred to
    `reference`) over all people. `sharpness` is the standard deviation of the logarithm of people's sharpness,
    `careless` the share of people whose answers do not depend on what they read.
    """

    curve: str
    preferred: Estimate | None
    parabola: Estimate
    has_top: bool
    beyond: tuple[str, ...]
    misfit: float | None
    refused: Refusal
    best: tuple[float, ...]
    side: Estimate
    sharpness: float
    careless: float
    reference: float
    utilities: tuple[tuple[float, Estimate], ...]
    rising: tuple[tuple[float, Estimate], ...]


@dataclass(frozen=True)
class CampPreference:
    """A group of people: its share and its preferred strength."""

    share: float
    preferred: Estimate


@dataclass(frozen=True)
class PeoplePreferences:
    """How far people's own preferred strengths lie apart.

    `deviation` is their standard deviation, `at_most` its one-sided 95 % bound, `chance` the probability of such
    differences if all liked the same. `camps` are two groups, where two fit better than one. `shares` of people by the
    strength nearest theirs, and `each` person's own, drawn towards the others where answers are few.
    """

    deviation: Estimate
    at_most: float
    chance: float
    camps: tuple[CampPreference, ...]
    shares: tuple[tuple[float, Estimate], ...]
    each: tuple[float, ...]


@dataclass(frozen=True)
class PromptPreferences:
    """How far prompts differ, and the `preferred` strength for prompts in general.

    It is None where it has no two ends, and where another curve than the parabola leads, of which it is not known.
    """

    deviation: Estimate
    chance: float
    each: tuple[tuple[str, float, float], ...]
    preferred: Estimate | None


class PreferenceModel:
    """The curves fitted to pairs, kept for whatever else is asked of them. Raises TooLittleError.

    Careless people are in the model or not; None: where they make it likelier.
    """

    def __init__(self, pairs: Pairs, strengths: Sequence[float], careless: bool | None = None) -> None:
        if pairs.people < 3 or len(np.unique(np.concatenate([pairs.left, pairs.right]))) < 3:
            raise TooLittleError("A preferred strength takes pairs of at least three people at three strengths.")
        self.pairs, self.scale, self._careless = pairs, Scale(tuple(strengths)), careless

    @cached_property
    def fitted(self) -> Fit:
        """The parabola."""
        return spread.fitted(self.pairs, self.scale, self._careless)

    @property
    def shape(self) -> Shape:
        """In what people differ."""
        return self.fitted.shape

    @cached_property
    def led(self) -> CurveChoice:
        """The fitted curves, and the one that leads."""
        return utility.lead(self.pairs, self.scale, self.fitted)

    @property
    def parabola(self) -> Utility:
        """The parabola, whether it leads or not."""
        return self.led.parabola


def preference(model: PreferenceModel) -> Preference:
    """What people like best."""
    led, scale = model.led, model.scale
    leads, plain, free = led.leads, led.parabola, led.by_strength
    shown = leads or plain
    errors = free.quantile * np.sqrt(np.maximum(np.diag(free.covariance), 0))
    fitted, layout = shown.fit, shown.fit.layout
    side, error = float(fitted.at[0]), shown.spread.quantile * math.sqrt(shown.spread.covariance[0, 0])
    return Preference(
        curve=leads.curve if leads else "",
        preferred=told(leads, scale) if leads else None,
        parabola=told(plain, scale),
        has_top=shown.has_top,
        beyond=_beyond(shown),
        misfit=None if math.isnan(led.chance) else led.chance,
        refused=led.refused,
        best=free.best,
        side=Estimate(mean=side, low=side - error, high=side + error),
        sharpness=0.0 if layout.omega is None else math.exp(fitted.at[layout.omega]),
        careless=0.0 if layout.careless is None else float(expit(fitted.at[layout.careless])),
        reference=reference(scale),
        utilities=tuple(
            (at, Estimate(mean=float(value), low=float(value - by), high=float(value + by)))
            for at, value, by in zip(scale.strengths, free.values, errors, strict=True)
        ),
        rising=_rising(shown, scale),
    )


def told(found: Utility, scale: Scale) -> Estimate:
    """A top with its interval in the study's strengths, cut at those shown."""
    low, high = found.interval or (-1.0, 1.0)
    return within(found.top, low, high, scale)


def within(top: float, low: float, high: float, scale: Scale) -> Estimate:
    """Scaled numbers in the study's strengths, cut at those shown."""
    mean, low, high = (float(scale.back(np.clip(np.array(one), -1, 1))) for one in (top, low, high))
    return Estimate(mean=mean, low=min(low, mean), high=max(high, mean))


def _beyond(found: Utility) -> tuple[str, ...]:
    """At which ends the interval reaches beyond the strengths shown."""
    low, high = found.interval or (-math.inf, math.inf)
    return tuple(name for name, is_there in (("low", low < -1), ("high", high > 1)) if is_there)


def _rising(found: Utility, scale: Scale) -> tuple[tuple[float, Estimate], ...]:
    """The chance to be preferred to the reference along the strengths, over people; a tie counts as half."""
    layout = found.fit.layout
    drawn = inference.draws(found.fit, found.spread, _DRAWS)
    along = np.linspace(scale.strengths[0], scale.strengths[-1], _POINTS)
    x, base = scale.to(along), float(scale.to(np.array(reference(scale))))
    gain = drawn[:, layout.inner] @ (_columns(found, x) - _columns(found, np.array([base]))).T  # [R, X]
    deviation = np.exp(np.clip(drawn[:, layout.spread], -5, 3)) if layout.spread is not None else np.zeros(len(drawn))
    omega = np.exp(np.clip(drawn[:, layout.omega], -4, 0.7)) if layout.omega is not None else np.zeros(len(drawn))
    cuts = ordinal.thresholds(found.fit.at[layout.steps], found.fit.design.categories)
    tie = float(np.abs(cuts).min())
    (u, log_u), (v, log_v) = quadrature.hermite(7), quadrature.hermite(5)
    chance = np.zeros_like(gain)
    for one, log_one in zip(u, log_u, strict=True):
        for two, log_two in zip(v, log_v, strict=True):
            eta = np.exp(omega * two)[:, None] * (gain + (deviation * one)[:, None] * (x - base))
            chance += math.exp(log_one + log_two) * (expit(eta - tie) + expit(eta + tie)) / 2
    careless = expit(drawn[:, layout.careless])[:, None] if layout.careless is not None else 0.0
    chance = (1 - careless) * chance + careless / 2
    return tuple((float(at), estimate(chance[:, place])) for place, at in enumerate(along))


def _columns(found: Utility, x: Array) -> Array:
    """A curve's inner columns at scaled strengths, [X, B]."""
    if found.curve == "parabola":
        return np.column_stack([x, x**2])
    sides = np.column_stack([np.minimum(x - found.top, 0), np.maximum(x - found.top, 0)])
    return np.column_stack([-(sides**2), 2 * sides @ found.fit.at[found.fit.layout.inner][:2]])


def people(model: PreferenceModel) -> PeoplePreferences:
    """How people differ. Raises TooLittleError where a parabola does not fit or has no top."""
    pairs, scale = model.pairs, model.scale
    if pairs.people < 5 or pairs.decided.sum() < 3 * pairs.people:
        raise TooLittleError("Telling people apart takes at least five of them, with three decided pairs each.")
    if not model.led.parabola_fits:
        raise TooLittleError("A parabola does not fit, and how far people's own tops lie apart is known of none other.")
    if not model.parabola.has_top:
        raise TooLittleError("Preference has no top, so people have none of their own.")
    apart = spread.deviation(model.parabola)
    shares = spread.shares(model.parabola, scale)
    two = spread.camps(model.parabola)
    half = scale.half
    linear, square = model.parabola.fit.at[model.parabola.fit.layout.inner][:2]
    own = np.clip(-(linear + model.parabola.fit.own) / (2 * square), -1, 1)
    return PeoplePreferences(
        deviation=Estimate(mean=half * apart.value, low=half * min(apart.low, apart.value), high=half * apart.high),
        at_most=half * apart.at_most,
        chance=apart.chance,
        camps=tuple(_camp(one, scale) for one in two.camps) if two is not None and two.better > 0 else (),
        shares=tuple((at, estimate(shares[:, place])) for place, at in enumerate(scale.strengths)),
        each=tuple(scale.back(own).tolist()),
    )


def _camp(camp: spread.Camp, scale: Scale) -> CampPreference:
    return CampPreference(camp.share, within(camp.top, *(camp.interval or (-1.0, 1.0)), scale))


def by_prompt(model: PreferenceModel, names: Sequence[str]) -> PromptPreferences:
    """How prompts differ; `names` [Q] are theirs. Raises TooLittleError."""
    if not model.led.parabola_fits:
        raise TooLittleError("A parabola does not fit, and what holds for prompts in general is known of none other.")
    found, scale = prompts.prompts(model.pairs, model.scale, model.shape), model.scale
    deviation = Estimate(mean=scale.half * found.deviation, low=scale.half * found.low, high=scale.half * found.high)
    tops = np.clip(scale.back(found.tops), scale.strengths[0], scale.strengths[-1])
    each = tuple(zip(names, tops.tolist(), (scale.half * found.errors).tolist(), strict=True))
    known = found.interval if model.led.leads is model.parabola else None
    preferred = within(found.top, *known, scale) if known else None
    return PromptPreferences(deviation, found.chance, each, preferred)
