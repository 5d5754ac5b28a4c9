"""Keys and values of many streams in one preallocated tensor: rows stand close together, copies are rare and small."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

COLUMNS, ROWS = 64, 8
"""How many positions and rows the memory grows by."""
STATIC_COLUMNS = 256
"""How many positions there are at least where a step is made for the place where the memory lies (see static_step)."""


class KVMemory:
    """Keys and values [layers, rows, 2 * kv_heads, positions, head_dim]; only the first `length` positions are in use.

    Streams are numbered as their owner numbers them; `places[i]` is the row where stream i is kept. Streams whose
    prompts are shorter are padded on the left: row r begins at position starts[r].
    """

    def __init__(self, tensor: Tensor, length: int, starts: Sequence[int], static: bool = False) -> None:
        """A `static` one doubles where it grows: steps are made for the place where it lies; it is to move seldom."""
        self.tensor, self.static = tensor, static
        self.length = length
        self.starts = list(starts)
        self.places = list(range(len(starts)))

    @classmethod
    def laid_out(
        cls, shape: tuple[int, int, int], lengths: Sequence[int], like: Tensor, static: bool = False
    ) -> "KVMemory":
        """Room for texts of these lengths: shape is layers, 2 * kv_heads, head_dim; `like` tells dtype and device."""
        layers, heads, width = shape
        rows, columns = len(lengths), max(lengths) + 1
        held = (
            doubled(rows, ROWS) if static else rows,
            doubled(columns, STATIC_COLUMNS) if static else up_to(columns, COLUMNS),
        )
        # What is padding is never read, but must not hold nan: masked out is multiplied by 0.
        tensor = like.new_zeros(layers, held[0], heads, held[1], width)
        return cls(tensor, max(lengths), [max(lengths) - length for length in lengths], static)

    def move_into(self, tensor: Tensor) -> None:
        """Go on in another tensor that has room and that nobody uses any more."""
        with torch.inference_mode():
            self.tensor = self._filled(tensor.zero_())

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
        if self.static:
            size = doubled(rows, held_rows), doubled(columns, held_columns)
        else:
            size = up_to(rows, ROWS, held_rows), up_to(columns, COLUMNS, held_columns)
        self.tensor = self._filled(self.tensor.new_zeros(layers, size[0], heads, size[1], width))

    def _filled(self, tensor: Tensor) -> Tensor:
        """A larger tensor of zeros with what this one holds."""
        used = slice(len(self.starts)), slice(None), slice(self.length)
        tensor[:, *used] = self.tensor[:, *used]
        return tensor


def up_to(needed: int, block: int, held: int = 0) -> int:
    """What is held if that is enough, else what is needed in whole blocks."""
    return held if needed <= held else -(-needed // block) * block


def doubled(needed: int, held: int) -> int:
    """What is held, doubled until it is enough."""
    return held << max(0, (-(-needed // held) - 1).bit_length())


def out_of_memory(error: Exception) -> bool:
    """Whether a device or this machine has no memory left."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
