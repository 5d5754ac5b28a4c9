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

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], starts: Sequence[int]) -> None:
        """Take over each layer's keys and values [S, kv_heads, T, head_dim]."""
        keys = layers[0][0]
        self.length = keys.shape[2]
        self.starts = list(starts)
        self.places = list(range(len(starts)))
        self.tensor = keys.new_empty(
            len(layers), len(starts), 2 * keys.shape[1], _up(self.length + 1, COLUMNS), keys.shape[3]
        )
        for kept, pair in zip(self.tensor, layers, strict=True):
            torch.cat(pair, 1, out=kept[:, :, : self.length])

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
