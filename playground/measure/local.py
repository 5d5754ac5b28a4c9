"""Measures the batches of a sweep by a player in this process."""

from collections.abc import Generator, Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from playground import metrics
from playground.axes import Axis, digest
from playground.errors import InvalidInput
from playground.events import Finished, Progress
from playground.measure.plan import GRID, SweepPlan
from playground.measure.sweep import Batch, MeasuredReply, Measurer, Stops, never
from playground.player import Player
from playground.rewards import Reward
from playground.rewards.coherence import Coherence
from playground.settings import SLIDERS, Request, Row, Sampling, conversation

_ALWAYS_TOLD = 2  # of the sliders; others came later


class LocalMeasurer(Measurer):
    """Measures by a player in this process."""

    def __init__(self, player: Player, encoder: Path | None = None, client: Hashable = None) -> None:
        """`encoder` is the folder of a sentence encoder, for coherence. Rows run among others', as the `client`'s."""
        self.player, self.encoder, self.client = player, encoder, client

    def identity(self, plan: SweepPlan) -> Generator[Progress, None, dict[str, Any]]:
        """All that the numbers depend on, once the axis is calibrated if it must be.

        Raises InvalidInput or AxisMismatch where the plan cannot be run.
        """
        yield from self.player.prepare([plan.axis])
        axis = self.player.axis(plan.axis)
        _check_prompts(self.player, plan)
        return _identity(self.player, axis, plan, self.encoder)

    def batches(self, plan: SweepPlan, numbers: range, stops: Stops = never) -> Generator[Batch, None, None]:
        """The plan's batches of these numbers; `stops` is asked after each token."""
        scores = scores_of(self.player.axis(plan.axis), self.encoder)
        for rows in islice(plan.batches(numbers.start), len(numbers)):
            found = _measure(self.player, plan, rows, scores, stops, self.client)
            if found is None:
                return
            yield found


def _identity(player: Player, axis: Axis, plan: SweepPlan, encoder: Path | None) -> dict[str, Any]:
    """All that the numbers depend on; what was added to plans since is told where it changes them."""
    further = {"further": axis.card.further} if plan.method is not None else {}
    added = {name for name in ("method", "target") if getattr(plan, name) is None}
    added |= {GRID.format(name) for name in SLIDERS[_ALWAYS_TOLD:] if plan.grids[name] == (0.0,)}
    return {
        **further,
        "plan": plan.model_dump(mode="json", exclude=added),
        "base": player.model.identity().weights,
        "dtype": str(player.model.dtype),
        "axis": axis.card.parts,
        "calibration": axis.card.calibration.model_dump(mode="json"),
        "encoder": [digest(file) for file in sorted(encoder.glob("*.safetensors"))] if encoder else None,
    }


def scores_of(axis: Axis, encoder: Path | None) -> dict[str, Reward]:
    """What replies along an axis are read by, by name; `encoder` is the folder of a sentence encoder."""
    scores: dict[str, Reward] = {"reward": axis.reward}
    if axis.judge is not None:
        scores["judge"] = axis.judge
    if encoder is not None:
        scores["coherence"] = Coherence.load(encoder)
    return scores


def _check_prompts(player: Player, plan: SweepPlan) -> None:
    for number, prompt in enumerate(plan.prompts, start=1):
        try:
            length = len(player.model.prompt_ids(conversation(prompt))) + plan.max_new_tokens
        except InvalidInput as error:
            raise InvalidInput(f"Prompt {number} is refused: {error.message}", error.hint) from None
        if length > player.context_length:
            raise InvalidInput(
                f"Prompt {number} is {length} tokens long with its reply, beyond {player.name}'s context of "
                f"{player.context_length}.",
                "Shorten it, leave it out, or take fewer new tokens.",
            )


def _measure(
    player: Player,
    plan: SweepPlan,
    rows: Sequence[Row],
    scores: Mapping[str, Reward],
    stops: Stops,
    client: Hashable,
) -> Batch | None:
    """Answer the rows of a batch and read their numbers; the base's replies among them are what the others beat.

    None once it `stops`.
    """
    ends: list[Finished] = []
    for start in range(0, len(rows), plan.batch):
        ends += (
            replace(end, row=start + end.row)
            for end in _answered(player, plan, rows[start:][: plan.batch], stops, client)
        )
        if stops():
            return None
    place = {prompt: number for number, prompt in enumerate(plan.prompts)}
    numbers = [place[row.messages[-1].content] for row in rows]
    with player.scheduler.alone():
        readings = metrics.read([row.messages for row in rows], numbers, ends, scores)
    base = [reading for reading, end in zip(readings, ends, strict=True) if not end.at.steers]
    return [
        MeasuredReply(replace(end, reward=reading.numbers["reward"]), reading)
        for end, reading in zip(ends, metrics.against(readings, base), strict=True)
    ]


def _answered(player: Player, plan: SweepPlan, rows: Sequence[Row], stops: Stops, client: Hashable) -> list[Finished]:
    """The replies to rows that are decoded together, in their order; those there are once it `stops`."""
    request = Request(
        rows=tuple(rows), sampling=Sampling(temperature=plan.temperature), max_new_tokens=plan.max_new_tokens
    )
    # Without the player's memory of earlier requests: what is measured depends on the plan alone.
    steering = {plan.axis: player.axis(plan.axis).steering}
    ends: list[Finished] = []
    with closing(player.scheduler.run(steering, request, client=client)) as steps:
        for step in steps:
            ends += (end for end in step if isinstance(end, Finished))
            if stops():
                break
    return sorted(ends, key=lambda end: end.row)
