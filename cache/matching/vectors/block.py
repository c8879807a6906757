"""Rows of a Partition that are searched whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Halves = NDArray[np.float16]
Alive = Callable[[str, int], bool]  # of a row's clip and sequence
Scored = tuple[float, str]  # negated similarity, clip: in sorting order, best first, then the oldest clip

SLACK = 20  # rows fetched beyond k, for the dead among them
_CHUNK = 1024  # rows that stay in the processor's cache


class Block:
    """One writer at a time appends; rows that a reader may have seen never change or move.

    `vectors` is (capacity, dimension) float32; rows from `count` on are not there yet, so `count` is written last.
    """

    __slots__ = ("_halves", "_vectors", "count", "dimension", "ids", "sequences")

    def __init__(self, dimension: int, capacity: int = 0) -> None:
        self.dimension = dimension
        self._vectors: Vectors | None = np.empty((capacity, dimension), np.float32)
        self._halves: Halves | None = None
        self.ids: list[str] = []
        self.sequences: list[int] = []
        self.count = 0

    @classmethod
    def in_file(cls, halves: Halves, ids: list[str], sequences: list[int]) -> Block:
        """Full, of rows that stay in their mapped file until somebody searches them: of a million clips most Partitions are not
        asked for in the first seconds, and turning all into float32 would take longer than the rest of a start.
        """
        block = cls(halves.shape[1])
        block._vectors, block._halves = None, halves
        block.ids, block.sequences, block.count = ids, sequences, len(ids)
        return block

    @property
    def vectors(self) -> Vectors:
        vectors = self._vectors
        if vectors is None:
            assert self._halves is not None, "a block has its rows in memory or in a file"
            vectors = self._vectors = _of_length_1(self._halves)  # two readers at once make the same
        return vectors

    @property
    def halves(self) -> Halves:
        """The half-precision vectors of the rows that are there, as snapshots keep them."""
        return self.vectors[: self.count].astype("<f2") if self._halves is None else self._halves

    @property
    def capacity(self) -> int:
        return len(self.vectors if self._halves is None else self._halves)

    @property
    def nbytes(self) -> int:
        """The bytes of the vectors; those in a file count, too, although the kernel may drop them."""
        held = 0 if self._vectors is None else self._vectors.nbytes
        return held + (0 if self._halves is None else self._halves.nbytes)

    def append(self, clip_id: str, sequence: int, vector: Vectors) -> None:
        self.vectors[self.count] = vector
        self.ids.append(clip_id)
        self.sequences.append(sequence)
        self.count += 1

    @property
    def full(self) -> bool:
        return self.count == self.capacity

    def frozen(self, alive: Alive, last: int) -> Block:
        """The live rows up to `last`, whatever is appended since. One in a file changes no more: it is itself, if all live."""
        if self._halves is not None and last == self.count and all(map(alive, self.ids, self.sequences)):
            return self
        return self.copy(alive, last=last)

    def copy(self, alive: Alive | None = None, first: int = 0, last: int | None = None) -> Block:
        """The live rows (all, without `alive`) from `first` up to `last`, with room for a fifth more (at least one)."""
        numbers = range(first, self.count if last is None else last)
        rows = [row for row in numbers if alive is None or alive(self.ids[row], self.sequences[row])]
        block = Block(self.dimension, len(rows) + max(1, len(rows) // 5))
        np.take(self.vectors, np.array(rows, np.int64), axis=0, out=block.vectors[: len(rows)])
        block.ids = [self.ids[row] for row in rows]
        block.sequences = [self.sequences[row] for row in rows]
        block.count = len(rows)
        return block

    def nearest(self, vector: Vectors, k: int, alive: Alive) -> list[Scored]:
        count = self.count
        # Row by row, not as one product: BLAS would wake its threads for that, and waits tens of milliseconds for them
        # on a busy machine. Equal vectors also get equal similarities this way, wherever they lie.
        similarities: Vectors = np.vecdot(self.vectors[:count], vector)
        fetch = k + SLACK
        while True:
            rows = np.arange(count) if fetch >= count else np.argpartition(similarities, count - fetch)[count - fetch :]
            found = [
                (-similarity, self.ids[row])
                for similarity, row in zip(similarities[rows].tolist(), rows.tolist(), strict=True)
                if alive(self.ids[row], self.sequences[row])
            ]
            if len(found) >= k or fetch >= count:
                return sorted(found)[:k]
            fetch *= 4


def _of_length_1(halves: Halves) -> Vectors:
    """float16 rounds a length by up to a thousandth, which would show in similarities."""
    vectors = halves.astype(np.float32)
    for at in range(0, len(vectors), _CHUNK):
        piece = vectors[at : at + _CHUNK]
        piece /= np.maximum(np.sqrt(np.vecdot(piece, piece)), np.float32(1e-6))[:, None]
    return vectors
