"""One decoding step: from the hidden states of prefixes to the next token of each row that stands on them.

The head is called once for each prefix and stream, however many rows stand there. What is left to do for each row are
passes over the vocabulary. On a CPU they run row by row, so that a row's vectors stay in the processor's cache; where
calls are dear, as on a GPU, for all rows at once.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from playground.engine import sampling
from playground.engine.language_model import LanguageModel
from playground.engine.methods.base import Edited
from playground.engine.methods.clm import Interval, alpha_interval, merge
from playground.engine.plan import RowPlan, Stream, edit, is_linear
from playground.engine.prefix_tree import Node, TokenRange
from playground.settings import Sampling

_Reading = tuple[Node, Stream]
"""What a stream makes of a prefix: a hidden state, a line of logits."""


class Position(NamedTuple):
    """A row on a prefix where its next token is to be chosen."""

    plan: RowPlan
    how: Sampling
    node: Node
    prompt: Sequence[int]
    written: Sequence[int]
    seed: int
    told: int = 0
    """How many of the likeliest tokens to tell."""


class Choice(NamedTuple):
    """A position's next token, its numbers (see events.Token), and where along alpha another token takes over.

    `before` and `after` are nan without a value function. `low` and `high` are infinite where no token ever takes over,
    which leaves their tokens without meaning, and nan where there is no closed form.
    """

    token: int
    low_token: int
    high_token: int
    low: float
    high: float
    logprob: float
    base_logprob: float
    kl: float
    before: float
    after: float
    likely: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens with their log-probabilities under the steered distribution, and under the base's."""
    base_likely: tuple[tuple[int, float], ...] = ()


_NUMBERS = 8  # of a Choice, before its values
_UNKNOWN = torch.tensor(math.nan, dtype=torch.float64)
_NOWHERE = Interval(_UNKNOWN, torch.tensor(0), _UNKNOWN, torch.tensor(0))


class _Logits(NamedTuple):
    """The logits of readings, and those of the states that methods have moved [M, V]."""

    kept: Mapping[_Reading, Tensor]
    """Those that were found at their prefixes, [V] each."""
    fresh: Tensor
    """All others [R, V]."""
    row_of: Mapping[_Reading, int]
    moved: Tensor

    def line(self, reading: _Reading) -> Tensor:
        """Those of a reading [V]."""
        return self.kept[reading] if reading in self.kept else self.fresh[self.row_of[reading]]

    def of(self, readings: Sequence[_Reading]) -> Tensor:
        """Those of readings [S, V], none of which were kept."""
        return self.fresh[[self.row_of[reading] for reading in readings]]


class _Lines(NamedTuple):
    """The logits [V] of a prefix as straight lines in weights: where they start, and their slopes along each stream."""

    base: Tensor
    log_total: Tensor
    """log sum exp(base)"""
    slopes: Mapping[Stream, Tensor]


@torch.inference_mode()
def choose(model: LanguageModel, stands: Sequence[Position]) -> list[Choice]:
    """Choose the next token on each stand, which may be of several requests; its node must know its row's streams."""
    where: dict[_Reading, int] = {}
    for stand in stands:
        for stream in stand.plan.streams:
            where.setdefault((stand.node, stream), len(where))
    states = torch.stack([node.states[stream] for node, stream in where])
    edited = _edited(stands, where, states)

    # A row whose state is moved brings its own to the head; the others take lines between those of the streams, which
    # also tell where a row has its interval.
    moved = [index for index, stand in enumerate(stands) if stand.plan.moved]
    needed = _needed(stands)
    logits = _ask_head(model, states, {one: row for one, row in where.items() if one in needed}, edited.hidden[moved])
    of_moved = dict(zip(moved, logits.moved, strict=True))
    of_node: dict[Node, dict[Stream, Tensor]] = {}
    for node, stream in needed:
        of_node.setdefault(node, {})[stream] = logits.line((node, stream))

    @cache
    def noise(seed: int, position: int) -> Tensor:
        return sampling.gumbel(seed, position, logits.moved.shape[-1]).to(logits.moved.device)

    @cache
    def lines(node: Node, own: Stream) -> _Lines:
        base = of_node[node][own]
        slopes = {stream: line - base for stream, line in of_node[node].items() if stream != own}
        if node.log_total is None:
            node.log_total = _softmax(base)[1]
        return _Lines(base, node.log_total, slopes)

    def drawn(stand: Position) -> Tensor | None:
        return noise(stand.seed, len(stand.written)) if stand.how.temperature > 0 else None

    decided: dict[int, Tensor] = {}
    for part in _parts(stands, logits.moved):
        numbers = _decide_together(
            [stands[index] for index in part],
            logits,
            [of_moved.get(index) for index in part],
            [drawn(stands[index]) for index in part],
        )
        decided |= dict(zip(part, numbers, strict=True))
    for index in sorted(range(len(stands)), key=lambda index: where[stands[index].node, stands[index].plan.base]):
        if index not in decided:
            stand = stands[index]
            decided[index] = _decide(stand, lines(stand.node, stand.plan.base), of_moved.get(index), drawn(stand))
    values = exact(torch.stack([edited.before, edited.after], 1)).double()
    rows = pad_sequence([decided[index] for index in range(len(stands))], batch_first=True)
    found = torch.cat([rows[:, :_NUMBERS], values, rows[:, _NUMBERS:]], 1)
    choices = [_choice(numbers, stand.told) for numbers, stand in zip(found.tolist(), stands, strict=True)]
    _remember(stands, choices)
    return choices


def _needed(stands: Sequence[Position]) -> set[_Reading]:
    """Whose logits are needed: the base's, and those of all streams where a row takes lines or has an interval."""
    lines = (stand for stand in stands if not stand.plan.moved or stand.plan.line(stand.how))
    bases = {(stand.node, stand.plan.base) for stand in stands}
    return bases | {(stand.node, stream) for stand in lines for stream in stand.plan.streams}


def _ask_head(model: LanguageModel, states: Tensor, needed: Mapping[_Reading, int], moved: Tensor) -> _Logits:
    """The logits of readings, whose states are these rows of [N, D], and of states that were moved [M, D].

    Those that were asked for of late are found at their prefixes (see KeptLogits). Not where calls are dear: there the
    head costs little beside all else, and memory is.
    """
    keeps = not calls_are_dear(moved)
    held = {(node, stream): node.logits.get(node, stream) for node, stream in needed} if keeps else {}
    kept = {reading: line for reading, line in held.items() if line is not None}
    asked = [reading for reading in needed if reading not in kept]
    hidden = torch.cat([states[[needed[reading] for reading in asked]].float(), moved])
    # Nothing to be asked is no product of its own size (see linear.size_for).
    logits = model.head(hidden) if len(hidden) else next(iter(kept.values())).unsqueeze(0)[:0]
    fresh, of_moved = logits.split([len(asked), len(moved)])
    if keeps:
        for (node, stream), line in zip(asked, fresh, strict=True):
            node.logits.keep(node, stream, line)
    return _Logits(kept, fresh, {reading: row for row, reading in enumerate(asked)}, of_moved)


def _remember(stands: Sequence[Position], choices: Sequence[Choice]) -> None:
    """Let the prefixes know where along the slider the choices stay the same."""
    for stand, choice in zip(stands, choices, strict=True):
        if (line := _line(stand)) is not None and _range(stand, choice.token) is None:
            stand.node.remember(TokenRange(line, *choice[:5]))


def _line(stand: Position) -> Hashable | None:
    """Who has the same has the same scores at the same place of the slider, on the same prefix; None where there is no
    line, or something moves the state, which may depend on the slider."""
    plan, how = stand.plan, stand.how
    if plan.moved or not plan.line(how):
        return None
    return plan.across, how.temperature, stand.seed if how.temperature > 0 else None


def _range(stand: Position, token: Tensor | int) -> TokenRange | None:
    """The range in which the token is chosen, if that was found by somebody who stood inside it as well."""
    if not stand.node.ranges or (line := _line(stand)) is None:
        return None
    at, token = stand.plan.at, int(token)
    return next((r for r in stand.node.ranges if r.token == token and r.low < at < r.high and r.line == line), None)


def _choice(numbers: Sequence[float], told: int) -> Choice:
    """A Choice of its numbers, its values, and its `told` likeliest: ids, log-probabilities, both again of the base."""
    last = _NUMBERS + 2
    ids, logprobs, base_ids, base_logprobs = (numbers[last + told * k : last + told * (k + 1)] for k in range(4))
    likely, base_likely = zip(map(int, ids), logprobs, strict=True), zip(map(int, base_ids), base_logprobs, strict=True)
    return Choice._make([*map(int, numbers[:3]), *numbers[3:last], tuple(likely), tuple(base_likely)])


def _edited(stands: Sequence[Position], where: Mapping[_Reading, int], states: Tensor) -> Edited:
    """Merge the stands' states [S, D] and let the methods move them; values are nan where no method tells any."""
    base = states[[where[stand.node, stand.plan.base] for stand in stands]].float()
    if not any(stand.plan.edits for stand in stands):
        unknown = torch.full(base.shape[:1], torch.nan, device=base.device)
        return Edited(base, unknown, unknown)
    slopes: list[tuple[Tensor, Tensor]] = []
    for ordinal in range(max(len(stand.plan.weights) for stand in stands)):  # each row's streams in its own order
        terms = [next(islice(stand.plan.weights.items(), ordinal, None), (stand.plan.base, 0.0)) for stand in stands]
        weights = torch.tensor([weight for _, weight in terms], device=states.device)
        own = [where[stand.node, stream] for stand, (stream, _) in zip(stands, terms, strict=True)]
        slopes.append((weights.unsqueeze(1), states[own].float() - base))
    return edit(merge(base, slopes), [stand.plan for stand in stands])


_AT_ONCE = 64
"""Rows that are decided together: each holds some vectors of the vocabulary's length in float64 meanwhile."""


def _parts(stands: Sequence[Position], logits: Tensor) -> list[list[int]]:
    """Which stands are decided together: none on a CPU, elsewhere all that have straight lines and tell no others."""
    if not calls_are_dear(logits):
        return []
    plain = [index for index, stand in enumerate(stands) if is_linear(stand.how) and not stand.told]
    return [plain[first : first + _AT_ONCE] for first in range(0, len(plain), _AT_ONCE)]


def calls_are_dear(logits: Tensor) -> bool:
    """Whether a call costs more than what it computes of a row."""
    return logits.is_cuda


class _Slope(NamedTuple):
    """What the k-th stream of each of S rows adds to its logits: weight and direction [S, 1] times slope [S, V]."""

    weight: Tensor
    direction: Tensor
    slope: Tensor


def _slope(stands: Sequence[Position], read: _Logits, base: Tensor, ordinal: int) -> _Slope:
    """The slope of each row's stream of this ordinal; 0 for a row that has fewer, or whose logits are moved anyway."""
    streams = [next(islice(stand.plan.weights, ordinal, None), stand.plan.base) for stand in stands]
    both = [
        (stand.plan.weights.get(k, 0.0), stand.plan.line(stand.how).get(k, 0.0))
        for stand, k in zip(stands, streams, strict=True)
    ]
    known = [
        (stand.node, k if (stand.node, k) in read.row_of else stand.plan.base)
        for stand, k in zip(stands, streams, strict=True)
    ]
    weight, direction = torch.tensor(both, dtype=torch.float64, device=base.device).unsqueeze(1).unbind(-1)
    return _Slope(weight, direction, read.of(known) - base)


def _decide_together(
    stands: Sequence[Position], read: _Logits, moved: Sequence[Tensor | None], noise: Sequence[Tensor | None]
) -> Tensor:
    """What `_decide` tells of each stand [S, 8], for stands without cuts, penalties and others to tell."""
    base = read.of([(stand.node, stand.plan.base) for stand in stands])
    streams = range(max(len(stand.plan.weights) for stand in stands))
    slopes = [_slope(stands, read, base, ordinal) for ordinal in streams]
    logits, gain, start = base.clone(), torch.zeros_like(base), base.double()
    for weight, _, slope in slopes:
        logits.addcmul_(weight.float(), slope)
        gain.addcmul_(weight.float(), slope)
        start.addcmul_(weight, slope.double())
    if own := [index for index, line in enumerate(moved) if line is not None]:
        logits[own] = torch.stack([line for line in moved if line is not None])
        gain[own], start[own] = logits[own] - base[own], logits[own].double()
    temperature = torch.tensor([stand.how.temperature or 1.0 for stand in stands], device=base.device).unsqueeze(1)
    drawn = torch.stack([torch.zeros_like(base[0]) if one is None else one for one in noise])
    token = sampling.first_max(logits / temperature + drawn)
    interval = _intervals(stands, start.add_(temperature.double() * drawn), slopes, token)
    probability, log_total = _softmax(logits)
    base_total = _softmax(base)[1]
    kl = ((probability * gain).sum(-1) - log_total + base_total).clamp(min=0)
    at = token.unsqueeze(1)
    told = [logits.gather(1, at).squeeze(1) - log_total, base.gather(1, at).squeeze(1) - base_total, kl]
    return torch.cat([token.double().unsqueeze(1), interval, torch.stack(told, 1).double()], 1)


def _intervals(stands: Sequence[Position], scores: Tensor, slopes: Sequence[_Slope], token: Tensor) -> Tensor:
    """Low and high token, low and high end of each stand's interval [S, 4], from scores [S, V] in float64.

    See `_interval`.
    """
    found = torch.full((len(stands), 4), math.nan, dtype=torch.float64, device=scores.device)
    found[:, :2] = 0
    if lines := [index for index, stand in enumerate(stands) if stand.plan.line(stand.how)]:
        along = torch.zeros_like(scores[lines])
        for _, direction, slope in slopes:
            along.addcmul_(direction[lines], slope[lines].double())
        at = torch.tensor([stands[index].plan.at for index in lines], dtype=torch.float64, device=scores.device)
        interval = alpha_interval(scores[lines], along, at, token[lines])
        ends = [interval.low_token, interval.high_token, interval.low, interval.high]
        found[lines] = torch.stack([end.double() for end in ends], 1)
    return found


def _decide(stand: Position, lines: _Lines, moved: Tensor | None, noise: Tensor | None) -> Tensor:
    """The numbers of a Choice without its values [8 + 4 told], in float64.

    They are left on the device where it can be: none is waited for.
    """
    weights, how = stand.plan.weights, stand.how
    base = lines.base
    logits = merge(base, ((weight, lines.slopes[k]) for k, weight in weights.items())) if moved is None else moved
    seen = [[*stand.prompt, *stand.written]] if how.repetition_penalty != 1.0 else []
    scores = sampling.score(logits.unsqueeze(0), how, None if noise is None else noise.unsqueeze(0), seen)[0]
    token = sampling.first_max(scores)
    if (known := _range(stand, token)) is not None:
        low, high = (torch.tensor(end, dtype=torch.float64) for end in (known.low, known.high))
        interval = Interval(low, torch.tensor(known.low_token), high, torch.tensor(known.high_token))
    else:
        interval = _interval(lines, stand, moved, noise, token) if stand.plan.line(how) else _NOWHERE
    probability, log_total = _softmax(logits)
    # KL(steered || base) = E[steered - base] - log Z_steered + log Z_base, expected under the steered distribution.
    if moved is not None:
        gained = torch.dot(probability, logits - base)
    else:
        gained = sum(
            (weight * torch.dot(probability, lines.slopes[k]) for k, weight in weights.items()), torch.zeros(())
        )
    kl = (gained - log_total + lines.log_total).clamp(min=0)
    logprob, base_logprob = logits.take(token) - log_total, base.take(token) - lines.log_total
    # In float32 a token's number is whole up to 2^24, far beyond any vocabulary.
    told = exact(torch.stack([token.float(), logprob, base_logprob, kl])).double()
    ends = [interval.low_token, interval.high_token, interval.low, interval.high]
    row = torch.cat([told[:1], torch.stack([end.to(told) for end in ends]), told[1:]])
    if not stand.told:
        return row
    (best, ids), (base_best, base_ids) = logits.topk(stand.told), base.topk(stand.told)
    likeliest = [ids, best - log_total, base_ids, base_best - lines.log_total]
    return torch.cat([row, exact(torch.cat([part.float() for part in likeliest])).double()])


def _interval(lines: _Lines, stand: Position, moved: Tensor | None, noise: Tensor | None, token: Tensor) -> Interval:
    """The range of the first axis's slider in which the token stays chosen, in float64 from the lines as they are.

    What moved the state moves the lines alike, so that the row's own logits [V] take the place of those merged.
    """
    plan = stand.plan
    slopes = {k: exact(lines.slopes[k]).double() for k in plan.weights}
    if moved is None:
        scores = merge(
            exact(lines.base), ((weight, slopes[k]) for k, weight in plan.weights.items())
        )  # float64 like the slopes
    else:
        scores = exact(moved).double()
    if noise is not None:
        scores.add_(exact(noise), alpha=stand.how.temperature)
    (first, by), *others = plan.direction.items()
    along = merge(by * slopes[first], ((by, slopes[k]) for k, by in others))
    return alpha_interval(scores, along, plan.at, exact(token))


def _softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities [..., V] of logits [..., V], and log sum exp of the logits [...]."""
    probability = logits.softmax(-1)
    return probability, logits.amax(-1) - probability.amax(-1).log()


def exact(tensor: Tensor) -> Tensor:
    """The tensor where float64 can be computed with: where it is, but for Apple's GPUs, which have no float64."""
    return tensor.cpu() if tensor.is_mps else tensor
