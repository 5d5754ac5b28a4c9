"""Keys and values of many streams in one preallocated tensor: rows stand close together, copies are rare and small."""

from collections.abc import Sequence

import torch
from torch import Tensor

COLUMNS, ROWS = 64, 8
"""How many positions and rows the memory grows by."""


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
    def of_layers(cls, layers: Sequence[tuple[Tensor, Tensor]], starts: Sequence[int], after: int = 0) -> "KVMemory":
        """Take over each layer's keys and values [S, kv_heads, T, head_dim].

        What a stream is padded with may stand after its first `after` positions; these are moved up to the others.
        """
        keys = layers[0][0]
        _, heads, length, width = keys.shape
        tensor = keys.new_empty(len(layers), len(starts), 2 * heads, _up(length + 1, COLUMNS), width)
        for kept, pair in zip(tensor, layers, strict=True):
            torch.cat(pair, 1, out=kept[:, :, :length])
        for row, start in enumerate(starts):
            if start and after:
                tensor[:, row, :, start : start + after] = tensor[:, row, :, :after].clone()
        return cls(tensor, length, starts)

    @classmethod
    def of_rows(cls, rows: Sequence[Tensor]) -> "KVMemory":
        """Go on from what `row` gave, maybe with its last positions cut off."""
        layers, heads, _, width = rows[0].shape
        length = max(row.shape[2] for row in rows)
        # What is padding is never read, but must not hold nan: masked out is multiplied by 0.
        tensor = rows[0].new_zeros(layers, len(rows), heads, _up(length + 1, COLUMNS), width)
        starts = [length - row.shape[2] for row in rows]
        for place, (row, start) in enumerate(zip(rows, starts, strict=True)):
            tensor[:, place, :, start:length] = row
        return cls(tensor, length, starts)

    def row(self, stream: int) -> Tensor:
        """A copy of a stream's keys and values [layers, 2 * kv_heads, T, head_dim], without padding."""
        place = self.places[stream]
        return self.tensor[:, place, :, self.starts[place] : self.length].clone()

    @property
    def rows(self) -> int:
        """How many rows are in use."""
        return len(self.places)

    def select(self, parents: Sequence[int]) -> None:
        """Let stream i go on from what stream parents[i] holds; a stream that nobody names is let go."""
        sources = [self.places[parent] for parent in parents]
        self._reserve(len(sources), self.length)
        places: list[int | None] = []
        taken: set[int] = set()
        for source in sources:
            stays = source < len(sources) and source not in taken
            places.append(source if stays else None)
            taken |= {source} if stays else set()
        # A free place is nobody's source, for the first who names a place keeps it: copies cannot overtake each other.
        free = (place for place in range(len(sources)) if place not in taken)
        self.places = [next(free) if place is None else place for place in places]
        starts = [0] * len(sources)
        for place, source in zip(self.places, sources, strict=True):
            starts[place] = self.starts[source]
            if place != source:
                self.tensor[:, place, :, : self.length] = self.tensor[:, source, :, : self.length]
        self.starts = starts

    def grow(self) -> int:
        """Make room for one more position in each row -> that position."""
        self._reserve(self.rows, self.length + 1)
        self.length += 1
        return self.length - 1

    def _reserve(self, rows: int, columns: int) -> None:
        layers, held_rows, heads, held_columns, width = self.tensor.shape
        if rows <= held_rows and columns <= held_columns:
            return
        shape = (layers, _up(rows, ROWS, held_rows), heads, _up(columns, COLUMNS, held_columns), width)
        larger = self.tensor.new_empty(shape)
        used = slice(len(self.starts)), slice(None), slice(self.length)
        larger[:, *used] = self.tensor[:, *used]
        self.tensor = larger


def _up(needed: int, block: int, held: int = 0) -> int:
    """What is held if that is enough, else what is needed in whole blocks."""
    return held if needed <= held else -(-needed // block) * block
