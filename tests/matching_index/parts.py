"""Vectors, and a plain model of what an index must answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.matching.vectors.block import Vectors
from cache.matching.vectors.index import Index, Neighbour, Placed, Removed
from cache.variant import Partition

PARTITIONS = tuple(Partition(scope, recipe, "e1") for scope, recipe in (("tenant:a", "r1"), ("tenant:b", "r1"), ("tenant:a", "r2")))
HERE = PARTITIONS[0]


def units(count: int, dimension: int, seed: int = 0) -> Vectors:
    drawn = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def beside(vectors: Vectors, cosine: NDArray[np.float64] | float, seed: int = 1) -> Vectors:
    """One vector per row, at that cosine to it."""
    drawn = units(len(vectors), vectors.shape[1], seed)
    drawn -= (drawn * vectors).sum(1, keepdims=True) * vectors
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    cosines = np.broadcast_to(np.asarray(cosine, np.float32), len(vectors))[:, None]
    turned: Vectors = (cosines * vectors + np.sqrt(1 - cosines**2) * drawn).astype(np.float32)
    return turned


@contextmanager
def index_of(**settings: Any) -> Iterator[Index]:
    index = Index(**settings)
    try:
        yield index
    finally:
        index.close()


def has_graph(index: Index, partition: Partition = HERE) -> bool:
    return any(portion.base is not None for portion in index.moment().portions if portion.partition == partition)


class Model:
    """The newest change of each clip, and a search that looks at all of them."""

    def __init__(self) -> None:
        self.newest: dict[str, Placed | Removed] = {}

    def apply(self, change: Placed | Removed) -> None:
        known = self.newest.get(change.clip_id)
        if known is None or change.sequence > known.sequence:
            self.newest[change.clip_id] = change

    def live(self, partition: Partition) -> dict[str, Vectors]:
        return {c.clip_id: c.vector for c in self.newest.values() if isinstance(c, Placed) and c.partition == partition}

    def agrees(self, partition: Partition, vector: Vectors, k: int, found: list[Neighbour]) -> None:
        """Equal similarities may come in any order, so the numbers must agree, and each clip must have its own."""
        true = {clip_id: float(held @ vector) for clip_id, held in self.live(partition).items()}
        best = sorted(true.values(), reverse=True)[:k]
        assert len({neighbour.clip_id for neighbour in found}) == len(found)
        assert np.allclose([neighbour.similarity for neighbour in found], best, atol=2e-3)
        assert all(abs(true[neighbour.clip_id] - neighbour.similarity) < 2e-3 for neighbour in found)
        assert [n.similarity for n in found] == sorted((n.similarity for n in found), reverse=True)
