"""Keys and values of many streams in one preallocated tensor: rows stand close together, copies are rare and small."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

COLUMNS, ROWS = 64, 8
"""How many positions and rows the memory grows by."""
STATIC_COLUMNS = 256
"""The same where a step is made for the place where the memory lies (see static_step): it is to move seldom."""


class KVMemory:
    """Keys and values [layers, rows, 2 * kv_heads, positions, head_dim]; only the first `length` positions are in use.

    Streams are numbered as their owner numbers them; `places[i]` is the row where stream i is kept. Streams whose
    prompts are shorter are padded on the left: row r begins at position starts[r].
    """

    def __init__(self, tensor: Tensor, length: int, starts: Sequence[int]) -> None:
        self.tensor = tensor
        self.length = length
        self.starts = list(starts)
        self.places = list(range(len(starts)))

    @classmethod
    def laid_out(
        cls, shape: tuple[int, int, int], lengths: Sequence[int], like: Tensor, free: Tensor | None = None
    ) -> "KVMemory":
        """Room for texts of these lengths: shape is layers, 2 * kv_heads, head_dim; `like` tells dtype and device.

        It is made in `free`, a tensor that is large enough and that nobody uses any more, if there is one.
        """
        layers, heads, width = shape
        # What is padding is never read, but must not hold nan: masked out is multiplied by 0.
        if free is not None:
            with torch.inference_mode():
                tensor = free.zero_()
        else:
            tensor = like.new_zeros(layers, len(lengths), heads, up_to(max(lengths) + 1, _columns(like)), width)
        return cls(tensor, max(lengths), [max(lengths) - length for length in lengths])

    def put(self, row: int, taken: Tensor) -> None:
        """Let a row begin with what `row` gave."""
        start = self.starts[row]
        self.tensor[:, row, :, start : start + taken.shape[2]] = taken

    def row(self, stream: int) -> Tensor:
        """A copy of a stream's keys and values [layers, 2 * kv_heads, T, head_dim], without padding."""
        place = self.places[stream]
        return self.tensor[:, place, :, self.starts[place] : self.length].clone()

    @property
    def rows(self) -> int:
        """How many rows are in use."""
        return len(self.places)

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Rows that begin at the same position and stand side by side: the first, the one after the last, where."""
        edges = [row for row in range(1, self.rows) if self.starts[row] != self.starts[row - 1]]
        return [(first, end, self.starts[first]) for first, end in pairwise([0, *edges, self.rows])]

    def select(self, parents: Sequence[int]) -> None:
        """Let stream i go on from what stream parents[i] holds; a stream that nobody names is let go.

        Rows that begin at the same position come to stand side by side, and stay where they are if they can.
        """
        sources = [self.places[parent] for parent in parents]
        self._reserve(len(sources), self.length)
        of_start: dict[int, list[int]] = {}
        for stream in sorted(range(len(sources)), key=lambda stream: sources[stream]):
            of_start.setdefault(self.starts[sources[stream]], []).append(stream)
        places, starts, first = [0] * len(sources), [0] * len(sources), 0
        for start, streams in of_start.items():
            rows = range(first, first := first + len(streams))
            stays: dict[int, int] = {}
            for stream in streams:
                if sources[stream] in rows:
                    stays.setdefault(sources[stream], stream)
            free = (row for row in rows if row not in stays)
            for stream in streams:
                source = sources[stream]
                places[stream] = source if stays.get(source) == stream else next(free)
            starts[rows.start : rows.stop] = [start] * len(streams)
        self._copy([(source, place) for source, place in zip(sources, places, strict=True) if source != place])
        self.places, self.starts = places, starts

    def join(self, other: "KVMemory") -> None:
        """Take in another's streams behind the own; both end at the same position."""
        rows, missing = self.rows, other.length - self.length
        if missing > 0:
            self._reserve(rows, other.length + 1)
            self._move(missing)
        self._reserve(rows + other.rows, self.length)
        offset = self.length - other.length
        taken = self.tensor[:, rows : rows + other.rows, :, : self.length]
        taken[..., :offset, :] = 0  # masked out is multiplied by 0, so that nan may not stand there
        taken[..., offset:, :] = other.tensor[:, : other.rows, :, : other.length]
        self.places += [rows + place for place in other.places]
        self.starts += [offset + start for start in other.starts]

    def grow(self) -> int:
        """Make room for one more position in each row -> that position."""
        first = min(self.starts)
        if self.length == self.tensor.shape[3] and first >= COLUMNS:
            self._move(-first)  # into the room of those that are gone
        self._reserve(self.rows, self.length + 1)
        self.length += 1
        return self.length - 1

    def _copy(self, moves: Sequence[tuple[int, int]]) -> None:
        """Copy rows to other places, all at once: a place may be another's source."""
        if not moves:
            return
        sources, places = (list(each) for each in zip(*moves, strict=True))
        first = min(self.starts[source] for source in sources)
        if set(sources) & set(places):
            self.tensor[:, places, :, first : self.length] = self.tensor[:, sources, :, first : self.length]
            return
        for source, place in moves:
            self.tensor[:, place, :, first : self.length] = self.tensor[:, source, :, first : self.length]

    def _move(self, by: int) -> None:
        """Move what all rows hold to other positions, which there must be room for."""
        first = min(self.starts)
        held = self.tensor[:, : self.rows, :, first : self.length].clone()
        self.length += by
        self.starts = [start + by for start in self.starts]
        self.tensor[:, : self.rows, :, : first + by] = 0
        self.tensor[:, : self.rows, :, first + by : self.length] = held

    def _reserve(self, rows: int, columns: int) -> None:
        layers, held_rows, heads, held_columns, width = self.tensor.shape
        if rows <= held_rows and columns <= held_columns:
            return
        block = _columns(self.tensor)
        shape = (layers, up_to(rows, ROWS, held_rows), heads, up_to(columns, block, held_columns), width)
        larger = self.tensor.new_zeros(shape)
        used = slice(len(self.starts)), slice(None), slice(self.length)
        larger[:, *used] = self.tensor[:, *used]
        self.tensor = larger


def _columns(like: Tensor) -> int:
    return STATIC_COLUMNS if like.is_cuda else COLUMNS


def up_to(needed: int, block: int, held: int = 0) -> int:
    """What is held if that is enough, else what is needed in whole blocks."""
    return held if needed <= held else -(-needed // block) * block


def out_of_memory(error: Exception) -> bool:
    """Whether a device or this machine has no memory left."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
