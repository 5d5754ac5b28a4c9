"""What a sweep measures: a grid of strengths over prompts and seeds, with its bounds. No tensors."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, create_model, field_validator, model_validator

from playground.errors import InvalidInput, shown
from playground.settings import (
    MAIN,
    SLIDERS,
    Length,
    Options,
    Row,
    Sampling,
    Settings,
    Strength,
    conversation,
)

MOST_STRENGTHS = 1000
MOST_REPLIES = 1_000_000
_LONGEST_GRID = 32 * MOST_STRENGTHS  # letters
_TOLD = 12  # strengths that are listed one by one


def parse_grid(text: str) -> tuple[float, ...]:
    """Strengths from `start:end:step` (both ends included) or single numbers, separated by commas.

    At most MOST_STRENGTHS, which are counted before any is made. Raises InvalidInput.
    """
    parts = text.split(",", MOST_STRENGTHS) if len(text) <= _LONGEST_GRID else []
    if not 0 < len(parts) <= MOST_STRENGTHS:
        raise InvalidInput(f"{shown(text)} has more than {MOST_STRENGTHS} strengths.", "Take fewer.")
    spans = [_span(part, text) for part in parts]
    if sum(count for _, _, count in spans) > MOST_STRENGTHS:
        raise InvalidInput(f"{shown(text)} has more than {MOST_STRENGTHS} steps.", "Take a larger step.")
    return tuple(
        round(start + index * step, 9) if step else start for start, step, count in spans for index in range(count)
    )


def _span(part: str, text: str) -> tuple[float, float, int]:
    """(start, step, count) of one part of a grid."""
    try:
        numbers = [float(number) for number in part.split(":", 3)]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise InvalidInput(
            f"{shown(part.strip())} in {shown(text)} is neither a number nor start:end:step.",
            "Write it like: -1:2:0.25 or 0,0.5,1",
        )
    if len(numbers) == 1:
        return numbers[0], 0.0, 1
    start, end, step = numbers
    if step <= 0 or end < start:
        raise InvalidInput(
            f"{shown(text)} does not lead upwards.", "Write start:end:step with start below end, step above 0."
        )
    # The small addition keeps the end, which rounding may lose; the bound keeps an infinity from becoming a number.
    return start, step, math.floor(min((end - start) / step + 1e-9, MOST_STRENGTHS)) + 1


def _read(strengths: Any) -> Any:
    return parse_grid(strengths) if isinstance(strengths, str) else strengths


def _in_order(strengths: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted({strength + 0.0 for strength in strengths}))  # + 0.0 makes -0.0 and 0.0 one


Grid = Annotated[
    tuple[float, ...],
    Field(min_length=1, max_length=MOST_STRENGTHS),
    BeforeValidator(_read),
    AfterValidator(_in_order),
]
"""Strengths along one slider, in order, each once; given as numbers or as text."""

GRID = "{}s"
"""What the grid of a slider is called where plans are made or kept."""

GRIDS = {name: "-1:2:0.25" if name == MAIN else "0" for name in SLIDERS}
"""The grid along each slider, as text, unless a person says another."""


class _OfAxis(Settings):
    axis: str = Field(min_length=1, description="An axis by its name or folder.")


def _grid_field(name: str) -> Any:
    told = f"Strengths of {name}: start:end:step, or numbers with commas, whose decimal sign is a point."
    return Grid, Field(default=parse_grid(GRIDS[name]), description=told, json_schema_extra={"grid": GRIDS[name]})


_grids: Any = {GRID.format(name): _grid_field(name) for name in SLIDERS}
_Grids: type[_OfAxis] = create_model("_Grids", __base__=_OfAxis, **_grids)


class SweepPlan(_Grids, Options, Length):
    """What to measure. The base (every slider at 0) is always measured too: the others win or lose against it."""

    prompts: tuple[str, ...] = Field(min_length=1)
    seeds: int = Field(default=1, ge=1, description="Replies to each prompt at each strength.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Fixes the noise of them all.")
    temperature: float = Field(default=0.7, description="0 is greedy; then one seed is enough.")
    batch: int = Field(default=64, ge=1, description="Rows decoded together at most.")

    @field_validator("prompts")
    @classmethod
    def _different(cls, prompts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(prompts))

    @model_validator(mode="after")
    def _can_be_run(self) -> "SweepPlan":
        check_size(self.grids, self.prompts, self.seeds)  # before anything is built from them
        Sampling(temperature=self.temperature)
        self.strengths()
        for prompt in self.prompts:
            Row(messages=conversation(prompt))
        if self.seeds > 1 and self.temperature == 0:
            raise InvalidInput("Greedy replies are the same for every seed.", "Set a temperature, or take one seed.")
        return self

    @property
    def grids(self) -> dict[str, tuple[float, ...]]:
        """The strengths along each slider; each is measured with each of the others."""
        return {name: getattr(self, GRID.format(name)) for name in SLIDERS}

    def replies(self) -> int:
        """How many replies are measured."""
        return count_strengths(self.grids) * len(self.prompts) * self.seeds

    def in_words(self) -> str:
        """The strengths as they were read and how many replies that is, so that a comma meant otherwise is seen."""
        strengths = count_strengths(self.grids)
        seeds = f" × {self.seeds} seeds" if self.seeds > 1 else ""
        return (
            f"{'; '.join(f'{name} {_listed(grid)}' for name, grid in self.grids.items())}: "
            f"{strengths} strengths × {len(self.prompts)} prompts{seeds} = {self.replies()} replies"
        )

    def strengths(self) -> list[Strength]:
        """The base, then the grid without it."""
        grid = [(0.0,) * len(SLIDERS), *product(*self.grids.values())]
        options = self.model_dump(include=set(Options.model_fields))
        return [
            Strength(axis=self.axis, **dict[str, Any](zip(SLIDERS, at, strict=True)), **options)
            for at in dict.fromkeys(grid)
        ]

    def batch_numbers(self, after: int = 0) -> range:
        """The numbers of all batches but the first `after`."""
        at_once = max(1, self.batch // count_strengths(self.grids))
        return range(after, -(-len(self.prompts) * self.seeds // at_once))

    def batches(self, after: int = 0) -> Iterator[list[Row]]:
        """All rows but those of the first `after` batches: whole prompts, whose strengths with one seed stay together.

        A batch has more than `batch` rows only where a prompt's strengths are more.
        """
        strengths = self.strengths()
        at_once = max(1, self.batch // len(strengths))
        for start in range(after * at_once, len(self.prompts) * self.seeds, at_once):
            groups = range(start, min(start + at_once, len(self.prompts) * self.seeds))
            yield [row for group in groups for row in self._group(*divmod(group, self.seeds), strengths)]

    def _group(self, number: int, sample: int, strengths: Sequence[Strength]) -> list[Row]:
        """One prompt with one seed at every strength, with the same noise."""
        messages, seed = conversation(self.prompts[number]), self.seed + sample * len(self.prompts) + number
        return [Row(messages=messages, strengths=(strength,), seed=seed) for strength in strengths]


def count_strengths(grids: Mapping[str, Sequence[float]]) -> int:
    """How many strengths grids by slider and the base come to, without building any."""
    apart = [set(grid) for grid in grids.values()]
    return math.prod(map(len, apart)) + any(0.0 not in grid for grid in apart)


def check_size(
    grids: Mapping[str, Sequence[float]],
    prompts: Sequence[str],
    seeds: float,
    most: int = MOST_REPLIES,
    whose: str = "a sweep",
) -> None:
    """Refuse more strengths or more replies than `whose` measures, by their counts alone. Raises InvalidInput."""
    strengths = count_strengths(grids)
    if strengths > MOST_STRENGTHS:
        raise InvalidInput(f"{strengths} strengths are more than {MOST_STRENGTHS}.", "Take coarser steps.")
    replies = strengths * len(set(prompts)) * seeds
    if replies > most:
        raise InvalidInput(
            f"{shown(replies)} replies are more than the {most} {whose} measures at once.",
            "Take fewer prompts, strengths or seeds.",
        )


def _listed(strengths: Sequence[float]) -> str:
    told = [f"{strength:g}" for strength in strengths]
    return ", ".join(told if len(told) <= _TOLD else [*told[: _TOLD - 2], "…", told[-1]])
