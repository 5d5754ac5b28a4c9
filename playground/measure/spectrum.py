"""Every reply along a stretch of alpha: where each begins and ends, found by asking where nothing is known yet.

One reply holds in one interval of alpha, whose ends are known exactly. So each reply that is found closes a part of the
stretch, and what is left are gaps; the widest are asked next, several at once, down to a resolution.
"""

import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, model_validator

from playground.errors import InvalidInput
from playground.events import Finished, Spectrum
from playground.settings import (
    MAIN,
    Length,
    Level,
    Message,
    Noise,
    Options,
    Request,
    Row,
    Sampling,
    Settings,
    Sliders,
    Strength,
)

if TYPE_CHECKING:
    from playground.player import Player

_AT_ONCE = 8  # alphas asked together

Gap = tuple[float, float]


_others: Any = {name: (Level, field) for name, field in Sliders.model_fields.items() if name != MAIN}
_Others: type[Settings] = create_model("_Others", __base__=Settings, **_others)


class SpectrumPlan(Options, Length, Noise, _Others):
    """Which replies to find: those to one conversation for alpha from `low` to `high` along an axis."""

    messages: tuple[Message, ...] = Field(min_length=1)
    axis: str = Field(min_length=1, description="An axis by its name or folder.")
    low: Level = Field(default=-1.0, description=f"The lowest {MAIN}.", json_schema_extra={"option": "from"})
    high: Level = Field(default=2.0, description=f"The highest {MAIN}.", json_schema_extra={"option": "to"})
    resolution: float = Field(default=0.01, ge=1e-6, description="Replies that hold in less than this may be missed.")
    temperature: float = Field(default=0.0, description=Sampling.model_fields["temperature"].description)
    budget: int = Field(default=4096, ge=1, description="Tokens that may be decoded; those replies share count once.")

    @model_validator(mode="after")
    def _is_a_stretch(self) -> "SpectrumPlan":
        if self.low >= self.high:
            raise InvalidInput(
                f"Alpha cannot run from {self.low:g} to {self.high:g}.", "Give the lower end first and the upper last."
            )
        if self.budget < self.max_new_tokens:
            raise InvalidInput(
                f"A budget of {self.budget} tokens is not enough for one reply of {self.max_new_tokens}.",
                "Raise the budget or shorten the replies.",
            )
        return self


def spectrum(player: "Player", stretch: SpectrumPlan) -> Generator[Finished | Spectrum, None, None]:
    """Each distinct reply as it is found, numbered in that order; at last where each gives way to the next.

    Raises what Player.run raises.
    """
    found: dict[tuple[int, ...], Finished] = {}
    decoded = 0
    while probes := _probes(
        _gaps(stretch, found.values()), stretch, (stretch.budget - decoded) // stretch.max_new_tokens
    ):
        with closing(player.run(_request(stretch, probes))) as events:
            for event in events:
                if not isinstance(event, Finished):
                    continue
                known = found.get(event.token_ids)
                if known is None:
                    decoded += _new_tokens(event, found)
                    found[event.token_ids] = replace(event, row=len(found))
                    yield found[event.token_ids]
                else:  # the same interval but for rounding; together they surely hold what was asked
                    low, high = zip(_ends(known), _ends(event), strict=True)
                    found[event.token_ids] = replace(known, alpha_interval=(_told(min(low)), _told(max(high))))
    in_order = sorted(found.values(), key=_ends)
    yield Spectrum(
        low=stretch.low,
        high=stretch.high,
        resolution=stretch.resolution,
        rows=tuple(reply.row for reply in in_order),
        breakpoints=tuple(_ends(reply)[1] for reply in in_order[:-1]),
        gaps=tuple(gap for gap in _gaps(stretch, in_order) if _width(gap) >= stretch.resolution),
        decoded_tokens=decoded,
    )


def _request(stretch: SpectrumPlan, amounts: Sequence[float]) -> Request:
    same = stretch.model_dump(include={"axis", *_Others.model_fields, *Options.model_fields})
    return Request(
        rows=tuple(
            Row(messages=stretch.messages, strengths=(Strength(**same | {MAIN: at}),), seed=stretch.seed)
            for at in amounts
        ),
        sampling=Sampling(temperature=stretch.temperature),
        max_new_tokens=stretch.max_new_tokens,
    )


def _gaps(stretch: SpectrumPlan, found: Iterable[Finished]) -> list[Gap]:
    """The parts of the stretch where no reply is known, in order."""
    gaps: list[Gap] = []
    reached = stretch.low
    for low, high in [*sorted(map(_ends, found)), (stretch.high, stretch.high)]:
        if low > reached:
            gaps.append((reached, low))
        reached = max(reached, high)
    return gaps


def _probes(gaps: Sequence[Gap], stretch: SpectrumPlan, most: int) -> list[float]:
    """Some alphas, so many at most: the middle of the widest gap, which splits it, and so on."""
    parts = [(-_width(gap), gap) for gap in gaps]
    heapify(parts)
    probes: list[float] = []
    while parts and -parts[0][0] >= stretch.resolution and len(probes) < min(most, _AT_ONCE):
        _, (low, high) = heappop(parts)
        probes.append((low + high) / 2)
        for part in ((low, probes[-1]), (probes[-1], high)):
            heappush(parts, (-_width(part), part))
    return sorted(probes)


def _new_tokens(reply: Finished, found: Iterable[tuple[int, ...]]) -> int:
    """How many tokens of a reply were not written as part of those found before."""
    shared = (
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reply.token_ids, ids, strict=False)))
        for ids in found
    )
    return len(reply.token_ids) - max(shared, default=0)


def _width(gap: Gap) -> float:
    return gap[1] - gap[0]


def _ends(reply: Finished) -> Gap:
    """The ends of a reply's interval, maybe infinite."""
    if reply.alpha_interval is None:
        raise InvalidInput(
            "Where these replies change is not known in closed form.", "Choose an axis with an identity layer."
        )
    low, high = reply.alpha_interval
    return -math.inf if low is None else low, math.inf if high is None else high


def _told(end: float) -> float | None:
    return end if math.isfinite(end) else None
