"""A graph of vectors that finds the nearest ones without reading all of them; the door to faiss."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.matching.vectors.block import Vectors

_LINKS = 32  # of a node on each level; faiss keeps twice as many on the lowest
_NARROWEST, _BROADEST = 128, 512  # nodes kept in sight by a search


class HnswGraph:
    """Links between float16 vectors, 32 each way. Grows in one thread before it is shared, and is frozen then."""

    def __init__(self, dimension: int, opened: Any = None) -> None:
        faiss = _faiss()
        self.dimension = dimension
        self._index = opened or faiss.IndexHNSWSQ(dimension, faiss.ScalarQuantizer.QT_fp16, _LINKS, faiss.METRIC_INNER_PRODUCT)
        self._storage = faiss.downcast_index(self._index.storage)

    @classmethod
    def open(cls, path: Path) -> HnswGraph:
        """Maps the file: pages are read as searches touch them. ValueError unless it is such a graph."""
        faiss = _faiss()
        try:
            opened = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise ValueError(f"{path.name} is not an index that this faiss can read") from error
        if not isinstance(opened, faiss.IndexHNSWSQ) or opened.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError(f"{path.name} is not one of our graphs")
        return cls(opened.d, opened)

    def reserve(self, nodes: int) -> None:
        """Room for as many, once and for all: vectors that double as they grow would hold up to twice the memory."""
        for held, each in ((self._storage.codes, 2 * self.dimension), (self._index.hnsw.neighbors, 2 * _LINKS + 2)):
            held.resize(nodes * each)
            held.resize(0)

    def save(self, path: Path) -> None:
        _faiss().write_index(self._index, str(path))

    def grow(self, vectors: Vectors, threads: int) -> None:
        _faiss().omp_set_num_threads(threads)
        self._index.add(vectors)

    @property
    def nodes(self) -> int:
        return int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        return self.nodes * (2 * self.dimension + 8 * _LINKS + 16)

    @property
    def _breadth(self) -> int:
        """Grows with the graph: of 1,000 near-duplicates among 100,000 strangers 64 overlooks 19, 128 three, 256 none."""
        return min(_BROADEST, max(_NARROWEST, self.nodes // 400))

    def nearest(self, vector: Vectors, count: int) -> tuple[list[float], list[int]]:
        faiss = _faiss()
        faiss.omp_set_num_threads(1)  # one query is no work to share, and threads that wait for it would spin
        breadth = faiss.SearchParametersHNSW(efSearch=max(self._breadth, count))
        similarities, nodes = self._index.search(vector[None, :], count, params=breadth)
        found = nodes[0] >= 0
        return similarities[0][found].tolist(), nodes[0][found].tolist()

    def vectors(self, nodes: NDArray[np.int64]) -> Vectors:
        found: Vectors = self._storage.reconstruct_batch(nodes)
        return found


def _faiss() -> Any:
    import faiss  # noqa: PLC0415  # most gateways never need it at start: arrays come first

    return faiss


def stand_back() -> None:
    """Builds give way to requests. On Linux priority is per thread, and the threads that faiss starts inherit it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
