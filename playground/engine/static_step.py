"""The fused step in shapes and places that stay, for CUDA: all that changes from step to step lies in tensors.

A GPU is bound by launches, of which a step takes hundreds. CUDA records those of such a step once, as a graph, and from
then on a step is one launch. With and without a graph the same is computed, on any device, so that it is tested without
a GPU.
"""

import warnings
from weakref import ref

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from playground.engine.fused_step import FusedDecoder
from playground.engine.kv_memory import STATIC_COLUMNS, KVMemory, doubled

EAGER_STEPS = 4
"""Steps that are taken before a graph is recorded, which takes as long as a few of them."""


def suits(fused: FusedDecoder) -> bool:
    """Whether a decoder lies where static steps are the faster ones."""
    return fused.device.type == "cuda"


class StaticStep:
    """A step of the rows of one tensor of keys and values [layers, rows, 2 * kv_heads, positions, head_dim], over its
    first `columns` positions."""

    def __init__(self, fused: FusedDecoder, kept: Tensor, columns: int, width: int) -> None:
        self.fused, self.kept, self.columns = fused, kept, columns
        rows = kept.shape[1]
        self.hidden = kept.new_zeros(rows, width)
        self.starts = torch.zeros(rows, dtype=torch.long, device=kept.device)
        self.column = torch.zeros(1, dtype=torch.long, device=kept.device)
        self.places = torch.arange(columns, device=kept.device)
        self.rotation = fused.rotation(self.starts, self.hidden)
        self.told_starts: list[int] = [0] * rows
        self.steps = 0
        self.graph: Recorded | None = None

    def __call__(self, hidden: Tensor, memory: KVMemory) -> Tensor:
        """Embeddings [S, D] of the memory's rows, whose newest position is the last in use -> hidden states [S, D]."""
        self.hidden[: len(hidden)].copy_(hidden)
        self.column.fill_(memory.length - 1)
        # A row that nobody uses reads what is there: nothing is told of it, but it must have something to read.
        starts = [*memory.starts, *[0] * (len(self.told_starts) - memory.rows)]
        if starts != self.told_starts:
            self.starts.copy_(torch.tensor(starts))
            self.told_starts = starts
        for told, now in zip(
            self.rotation, self.fused.rotation((self.column - self.starts).clamp(min=0), self.hidden), strict=True
        ):
            told.copy_(now)
        return self._taken()[: len(hidden)].clone()  # the next step writes where this one has written

    @property
    def can_record(self) -> bool:
        """Whether it lies where there are CUDA graphs."""
        return self.hidden.is_cuda

    def _taken(self) -> Tensor:
        self.steps += 1
        if self.graph is not None:
            return self.graph()
        found = self.computed()
        if self.steps == EAGER_STEPS and self.can_record and self.fused.records:
            self.graph = self._recorded(found)
        return found

    def _recorded(self, wanted: Tensor) -> "Recorded | None":
        """A graph of this step, if it comes to what the step itself came to; else none is recorded any more."""
        try:
            graph = Recorded(self)
            torch.testing.assert_close(graph(), wanted)
        except (RuntimeError, AssertionError) as error:
            self.fused.records = False
            warnings.warn(f"CUDA graphs are not used: {str(error).splitlines()[0]}", stacklevel=2)
            return None
        return graph

    def computed(self) -> Tensor:
        """Hidden states after the final norm [rows, D]; writes keys and values of the newest position of each row."""
        fused, kept = self.fused, self.kept
        in_use = (self.places >= self.starts.view(-1, 1, 1, 1)) & (self.places <= self.column)
        mask = torch.zeros(in_use.shape, dtype=kept.dtype, device=kept.device).masked_fill(~in_use, -torch.inf)
        mask = mask.expand(-1, -1, fused.heads // fused.kv_heads, -1)
        read = kept[..., : self.columns, :]

        def attend(layer: int, qkv: Tensor) -> Tensor:
            kept[layer].index_copy_(2, self.column, qkv[:, fused.heads :].unsqueeze(2))
            queries = qkv[:, : fused.heads].unflatten(1, (fused.kv_heads, -1))
            keys, values = read[layer].split(fused.kv_heads, 1)
            return scaled_dot_product_attention(queries, keys, values, mask).flatten(1)

        return fused.through(self.hidden, self.rotation, attend)


class Recorded:
    """A CUDA graph of a static step, and where its results are written."""

    def __init__(self, step: StaticStep) -> None:
        here, aside = torch.cuda.current_stream(step.hidden.device), torch.cuda.Stream(step.hidden.device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            step.computed()  # what libraries make ready at the first call cannot be recorded
        here.wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile, to score replies.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.found = step.computed()

    def __call__(self) -> Tensor:
        """Take the step -> hidden states [rows, D], which the next one writes over."""
        self.graph.replay()
        return self.found


class StaticSteps:
    """The static steps of one memory, by how many rows and positions they read; made anew when its tensor moves."""

    def __init__(self, fused: FusedDecoder) -> None:
        self.fused = fused
        self.kept: Tensor | None = None
        self.steps: dict[tuple[int, int], StaticStep] = {}

    def __call__(self, hidden: Tensor, memory: KVMemory) -> Tensor:
        """See FusedDecoder.step."""
        memory.grow()
        if self.kept is not memory.tensor:
            self.kept, self.steps = memory.tensor, {}
        held_rows, held_columns = memory.tensor.shape[1], memory.tensor.shape[3]
        rows = min(1 << (memory.rows - 1).bit_length(), held_rows)
        columns = min(doubled(memory.length, STATIC_COLUMNS), held_columns)
        if (rows, columns) not in self.steps:
            self.steps[rows, columns] = StaticStep(self.fused, memory.tensor[:, :rows], columns, hidden.shape[1])
        return self.steps[rows, columns](hidden, memory)


class KVPool:
    """Keeps the memory of the last batch that has ended for the next one, with the steps that were made for it.

    A memory lies elsewhere than the one before, so that each batch would have its steps recorded anew.
    """

    def __init__(self) -> None:
        self._last: tuple[ref[object], KVMemory, StaticSteps] | None = None

    def steps_for(self, owner: object, memory: KVMemory, own: StaticSteps) -> StaticSteps:
        """The steps that an owner takes next: its own, or before its first those of a memory that is free.

        It moves into that one if there is room; a smaller one is let go. What only reads texts never asks, and so does
        not take the memory from those who step.
        """
        if own.kept is None and self._last is not None and self._last[0]() is None:
            _, free, steps = self._last
            if (
                memory.rows <= free.tensor.shape[1]
                and memory.length < free.tensor.shape[3]
                and steps.kept is free.tensor
            ):
                memory.move_into(free.tensor)
                own = steps
        self._last = ref(owner), memory, own
        return own
