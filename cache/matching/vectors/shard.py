"""The rows of one Partition: a block that is searched whole, behind a graph once there are many. Knows no faiss.

Who is alive is not written in the rows. A row says which change made it (`sequence`), and it is alive exactly while
that is the newest change known of its clip: so a removal or a newer vector kills a row in one step, for every reader,
without touching the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cache.matching.vectors.block import SLACK, Alive, Block, Scored, Vectors
from cache.variant import Partition

WIDEST = 4096  # nodes after which a search of a graph gives up looking for live ones between the dead
_CHUNK = 4096


class Graph(Protocol):
    """Distinct vectors, numbered from 0, frozen. Several threads may search it at once."""

    @property
    def nodes(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def nearest(self, vector: Vectors, count: int) -> tuple[list[float], list[int]]:
        """Similarities and nodes, best first; fewer than `count` when it finds no more."""

    def vectors(self, nodes: NDArray[np.int64]) -> Vectors: ...

    def save(self, path: Path) -> None: ...


@dataclass(frozen=True)
class Base:
    """Rows behind a graph, frozen. Rows `starts[node]` to `starts[node + 1]` are the clips with that node's vector.

    Equal vectors share a node: a hundred takes of one prompt would otherwise link only to each other and cut
    themselves off from the rest of the graph. A sequence of -1 is a row that was dead when it was written down.
    """

    graph: Graph
    ids: list[str]
    sequences: NDArray[np.int64]
    starts: NDArray[np.int64]

    def nearest(self, vector: Vectors, k: int, alive: Alive) -> list[Scored]:
        fetch = k + SLACK
        while True:
            found: list[Scored] = []
            for similarity, node in zip(*self.graph.nearest(vector, min(fetch, self.graph.nodes)), strict=True):
                found.extend((-similarity, clip_id) for clip_id in self._standing_on(node, k, alive))
            if len(found) >= k or fetch >= min(self.graph.nodes, WIDEST):
                return sorted(found)[:k]
            fetch *= 4

    def _standing_on(self, node: int, k: int, alive: Alive) -> list[str]:
        found = []
        for row in range(int(self.starts[node]), int(self.starts[node + 1])):
            if alive(self.ids[row], int(self.sequences[row])):
                found.append(self.ids[row])
                if len(found) == k:
                    break
        return found


class ShardView(NamedTuple):
    """The view that one search reads from start to end, whatever writers do meanwhile."""

    base: Base | None
    block: Block

    @property
    def rows(self) -> int:
        return self.block.count + (len(self.base.ids) if self.base else 0)


class Shard:
    """One Partition's view and counts. `number` is never used again for another Partition; `live` counts clips.

    `exchanges` is odd while a clip's row is exchanged for a newer one: a search that saw it change looks again.
    """

    __slots__ = ("building", "dimension", "exchanges", "live", "number", "partition", "view")

    def __init__(self, partition: Partition, number: int, dimension: int) -> None:
        self.partition, self.number, self.dimension = partition, number, dimension
        self.view = ShardView(None, Block(dimension))
        self.live = self.exchanges = 0
        self.building = False

    @property
    def dead(self) -> int:
        return self.view.rows - self.live

    @contextmanager
    def exchanging(self, known: bool) -> Iterator[None]:
        """`known`: the clip has a row here already; a first row can only be seen or not."""
        self.exchanges += known
        try:
            yield
        finally:
            self.exchanges += known

    def append(self, clip_id: str, sequence: int, vector: Vectors) -> None:
        base, block = self.view
        if block.full:
            block = block.copy()  # a build that is under way counts on the numbers of the rows
            self.view = ShardView(base, block)
        block.append(clip_id, sequence, vector)

    def nearest(self, vector: Vectors, k: int, alive: Alive) -> list[Scored]:
        base, block = self.view
        found = block.nearest(vector, k, alive)
        return found if base is None else sorted(found + base.nearest(vector, k, alive))[:k]

    @property
    def nbytes(self) -> int:
        """Memory of vectors and links; a graph that was opened from a file counts too, though the kernel may drop it."""
        base, block = self.view
        return block.nbytes + (base.graph.nbytes + base.sequences.nbytes + base.starts.nbytes if base else 0)


@dataclass(frozen=True)
class Portion:
    """One shard at one moment, whatever writers do since. Dead rows of the base have the sequence -1; the block has none."""

    partition: Partition
    base: Base | None
    block: Block

    @property
    def live(self) -> int:
        """Rows that are not dead."""
        return self.block.count + (0 if self.base is None else int((self.base.sequences >= 0).sum()))

    def rows(self) -> Iterator[tuple[list[str], list[int]]]:
        """Ids and sequences of the live rows, a few thousand at a time: other threads get their turn in between."""
        if self.base is not None:
            for at in range(0, len(self.base.ids), _CHUNK):
                ids, sequences = self.base.ids[at : at + _CHUNK], self.base.sequences[at : at + _CHUNK]
                alive = np.flatnonzero(sequences >= 0)
                yield (ids if len(alive) == len(ids) else [ids[row] for row in alive.tolist()]), sequences[alive].tolist()
        for at in range(0, self.block.count, _CHUNK):
            yield self.block.ids[at : at + _CHUNK], self.block.sequences[at : at + _CHUNK]


class Moment(NamedTuple):
    """A whole index at one moment. `sequence` is the last change in it; `portions` may be read once."""

    sequence: int
    portions: Iterable[Portion]


def portion_of(shard: Shard, view: ShardView, count: int, clips: Mapping[str, tuple[int, int]]) -> Portion:
    """`count`: the rows of the view's block then; `clips`: the newest change and shard number of each clip then."""

    def alive(clip_id: str, sequence: int) -> bool:
        return clips.get(clip_id) == (sequence, shard.number)

    base = view.base
    if base is not None:
        held = zip(base.ids, base.sequences.tolist(), strict=True)
        base = replace(base, sequences=np.array([at if alive(clip_id, at) else -1 for clip_id, at in held], np.int64))
    return Portion(shard.partition, base, view.block.frozen(alive, count))


class Gathered:
    """The live rows of a view, those with equal vectors side by side: what a new Base is made of.

    `ids`, `sequences` and `starts` are the new Base's; `vectors()` yields its nodes' vectors in order.
    """

    def __init__(self, view: ShardView, alive: Alive) -> None:
        base, block = view
        self.seen = block.count  # rows of the block that are in here
        ids = [*(base.ids if base else ()), *block.ids[: self.seen]]
        sequences = np.concatenate([base.sequences if base else np.empty(0, np.int64), np.array(block.sequences[: self.seen], np.int64)])
        kept = np.array([row for row, entry in enumerate(zip(ids, sequences.tolist(), strict=True)) if alive(*entry)], np.int64)
        self._base, self._block = base, block
        self._behind = len(base.ids) if base else 0  # rows below it lie in the base
        self._nodes = np.repeat(np.arange(base.graph.nodes), np.diff(base.starts)) if base else np.empty(0, np.int64)
        order, starts = _side_by_side(self._prints(kept))
        self._first = kept[order][starts[:-1]]
        self.starts = starts
        self.ids = [ids[row] for row in kept[order].tolist()]
        self.sequences = sequences[kept[order]]

    def vectors(self) -> Iterator[Vectors]:
        for at in range(0, len(self._first), _CHUNK):
            yield self._read(self._first[at : at + _CHUNK])

    def block(self, newer: Block) -> Block:
        """All that was gathered as a block, and `newer` behind it."""
        block = Block(newer.dimension, len(self.ids) + newer.capacity)
        shares = np.diff(self.starts)
        for at, vectors in zip(range(0, len(self._first), _CHUNK), self.vectors(), strict=True):
            held = np.repeat(vectors, shares[at : at + _CHUNK], axis=0)
            block.vectors[self.starts[at] : self.starts[at] + len(held)] = held
        block.vectors[len(self.ids) : len(self.ids) + newer.count] = newer.vectors[: newer.count]
        block.ids = self.ids + newer.ids
        block.sequences = self.sequences.tolist() + newer.sequences
        block.count = len(block.ids)
        return block

    def _read(self, rows: NDArray[np.int64]) -> Vectors:
        found = np.empty((len(rows), self._block.dimension), np.float32)
        old = rows < self._behind
        if self._base is not None and old.any():
            found[old] = self._base.graph.vectors(self._nodes[rows[old]])
        found[~old] = self._block.vectors[rows[~old] - self._behind]
        return found

    def _prints(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """A 64-bit print of each row's vector as float16, the form that the graph keeps.

        Two different vectors share one by a chance of about 1 in 10^19 per pair (the multipliers are random).
        """
        width = self._block.dimension
        multipliers = np.random.default_rng().integers(1, 2**63, width, dtype=np.uint64) | np.uint64(1)
        prints = np.empty(len(rows), np.uint64)
        for at in range(0, len(rows), _CHUNK):
            halves = self._read(rows[at : at + _CHUNK]).astype(np.float16).view(np.uint16)
            prints[at : at + _CHUNK] = halves.astype(np.uint64) @ multipliers
        return prints


def _side_by_side(prints: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An order that brings equal prints together, and where each group of equals starts (the last entry is the end)."""
    order = np.argsort(prints, kind="stable").astype(np.int64)
    ordered = prints[order]
    edges = np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), bool), ordered[1:] != ordered[:-1]]))
    return order, np.append(edges, len(ordered)).astype(np.int64)
