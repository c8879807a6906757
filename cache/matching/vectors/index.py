"""The vector index: one shard per Partition, a projection of rows that may be lost at any time.

Up to `graph_from` clips a shard is a plain array, searched whole and exactly. From there on most of it stands behind an
HNSW graph, and newer clips are searched whole beside it until they are `delta_limit`; then, or when a tenth of its rows
is dead, the graph is built anew in the background. Memory per clip of 384 dimensions: 1,540 to 1,850 bytes in an array
(and 768 of a snapshot's file), 1,050 in a graph, about 300 for its id and the like; about 1,000 per Partition.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import structlog

from cache.matching.vectors.block import Vectors
from cache.matching.vectors.graph import HnswGraph, stand_back
from cache.matching.vectors.ledger import NOWHERE, Ledger
from cache.matching.vectors.shard import Base, Gathered, Moment, Shard, ShardView, portion_of
from cache.variant import Partition

log = structlog.get_logger(__name__)

_BYTES_PER_CLIP = 300  # id, dictionary entry, sequence: measured by benchmarks/index.py
_ATTEMPTS = 10
_FEW_DEAD = 8  # rows for which no array is copied


@dataclass(frozen=True)
class Neighbour:
    """`similarity` is the cosine, at most 1."""

    clip_id: str
    similarity: float


class Placed(NamedTuple):
    """A live clip and the change of its row that says so. `vector` is (dimension,) float32 of length 1."""

    partition: Partition
    clip_id: str
    sequence: int
    vector: Vectors


class Removed(NamedTuple):
    """A clip that answers no longer (superseded, withdrawn), and the change that says so."""

    clip_id: str
    sequence: int


class Index:
    """Searches run in any thread, at any time, and wait for nobody but, once writers crossed them `_ATTEMPTS` times in
    a row, for the writer of that moment. Writers wait for each other.

    Every change carries the sequence of its row. One that is not newer than what is known of its clip changes nothing,
    so changes may come twice and in any order (as far as `remembered` removals reach: see Ledger).

    `search` is for the event loop. `add`, `remove` and `apply` take microseconds per change, but may wait tens of
    milliseconds for another writer or to move a large array: on an event loop call them through a thread.
    """

    def __init__(
        self,
        *,
        graph_from: int = 20_000,
        delta_limit: int = 10_000,
        inline_rows: int = 2_000,
        build_threads: int = 1,
        remembered: int = 100_000,
    ) -> None:
        self._graph_from, self._delta_limit, self._inline_rows = graph_from, delta_limit, inline_rows
        self._build_threads = build_threads
        self._writing = threading.Lock()
        self._shards: dict[Partition, Shard] = {}
        self._numbered: dict[int, Shard] = {}
        self._last_number = NOWHERE
        self._remembered = remembered
        self._ledger = Ledger(remembered)
        self._sequence = 0
        self._closing = threading.Event()
        self._builds: set[Future[None]] = set()
        self._builder = ThreadPoolExecutor(1, "index-build", stand_back)
        self._searchers = ThreadPoolExecutor(4, "index-search")

    @property
    def sequence(self) -> int:
        """The highest that was applied: ask the rows for what came after it."""
        return self._sequence

    def count(self, partition: Partition | None = None) -> int:
        """Clips that a search can find, in `partition` or in all."""
        if partition is None:
            return self._ledger.live
        shard = self._shards.get(partition)
        return 0 if shard is None else shard.live

    def nbytes(self) -> int:
        """Estimate of memory; a graph opened from a snapshot counts in full, though its pages can be dropped."""
        with self._writing:
            return sum(shard.nbytes for shard in self._shards.values()) + len(self._ledger) * _BYTES_PER_CLIP

    async def search(self, partition: Partition, vector: Vectors, k: int) -> list[Neighbour]:
        """The `k` most similar clips, best first. What takes microseconds runs at once, the rest in a thread."""
        shard = self._shards.get(partition)
        if shard is None:
            return []
        if shard.view.base is None and shard.view.block.count <= self._inline_rows:
            return self.search_now(partition, vector, k)
        return await asyncio.get_running_loop().run_in_executor(self._searchers, self.search_now, partition, vector, k)

    def search_now(self, partition: Partition, vector: Vectors, k: int) -> list[Neighbour]:
        """Like `search`, in the caller's thread: about 1 ms for 10,000 clips in an array, in a graph as much for 100,000."""
        shard = self._shards.get(partition)
        if shard is None or k < 1:
            return []
        _check(vector, shard.dimension)
        alive = self._ledger.alive_in(shard.number)
        for _ in range(_ATTEMPTS):
            # A clip whose row is exchanged for a newer one meanwhile could be missed between the two, or come twice:
            #   1: takes the view   2: appends the new row, the old one is dead   1: finds the old row dead
            exchanges = shard.exchanges
            found = shard.nearest(vector, k, alive)
            if exchanges % 2 == 0 and shard.exchanges == exchanges:
                break
            time.sleep(0)
        else:
            with self._writing:
                found = shard.nearest(vector, k, alive)
        return [Neighbour(clip_id, min(1.0, -score)) for score, clip_id in found]

    def add(self, partition: Partition, clip_id: str, sequence: int, vector: Vectors) -> bool:
        """Adds a vector; True if that changed anything. A newer vector (or Partition) of a known clip replaces the older."""
        return self.apply([Placed(partition, clip_id, sequence, vector)]) == 1

    def remove(self, clip_id: str, sequence: int) -> bool:
        return self.apply([Removed(clip_id, sequence)]) == 1

    def apply(self, changes: Iterable[Placed | Removed]) -> int:
        """Applies changes; the number that changed something. Graphs that the changes call for are ordered once, after the last.

        A wrong vector (shape, type, length) is a ValueError; the changes before it stay.
        """
        changed, touched = 0, dict[int, Shard]()
        with self._writing:
            try:
                for change in changes:
                    changed += self._place(change, touched) if isinstance(change, Placed) else self._remove(change, touched)
                    self._sequence = max(self._sequence, change.sequence)
            finally:
                for shard in touched.values():
                    self._tend(shard)
        return changed

    def _place(self, change: Placed, touched: dict[int, Shard]) -> bool:
        partition, clip_id, sequence, vector = change
        shard = self._shards.get(partition)
        _check(vector, shard.dimension if shard else vector.size)
        if not abs(float(vector @ vector) - 1.0) < 1e-2:  # NaN ends here, too
            raise ValueError(f"the vector of {clip_id} does not have length 1")
        if not self._ledger.news(clip_id, sequence):
            return False
        if shard is None:
            self._last_number += 1
            shard = self._shards[partition] = self._numbered[self._last_number] = Shard(partition, self._last_number, vector.size)
        # The row first: it is dead until the ledger names it, and then the clip's older row is dead in the same moment.
        with shard.exchanging(self._ledger.where(clip_id) == shard.number):
            shard.append(clip_id, sequence, vector)
            before = self._ledger.place(clip_id, sequence, shard.number)
        self._leave(before, touched)
        shard.live += 1
        touched[shard.number] = shard
        return True

    def _remove(self, change: Removed, touched: dict[int, Shard]) -> bool:
        if not self._ledger.news(*change):
            return False
        self._leave(self._ledger.remove(*change), touched)
        return True

    def _leave(self, number: int, touched: dict[int, Shard]) -> None:
        if number != NOWHERE:
            shard = touched[number] = self._numbered[number]
            shard.live -= 1

    def _tend(self, shard: Shard) -> None:
        """Orders a build for a large shard that needs one, copies a small array of which a quarter is dead."""
        base, block = shard.view
        if shard.building:
            return
        if base is None and shard.live == 0:
            del self._shards[shard.partition], self._numbered[shard.number]
        elif self._wants_build(shard):
            if not self._closing.is_set():
                shard.building = True
                build = self._builder.submit(self._build, shard)
                self._builds.add(build)
                build.add_done_callback(self._builds.discard)
        elif base is None and shard.dead > max(_FEW_DEAD, block.count // 4):
            shard.view = ShardView(None, block.copy(self._ledger.alive_in(shard.number)))

    def _wants_build(self, shard: Shard) -> bool:
        base, block = shard.view
        if base is None:
            return shard.live >= self._graph_from
        return block.count > self._delta_limit or shard.dead * 10 > shard.view.rows

    def _build(self, shard: Shard) -> None:
        """Searches go on over the old view, and writers append to its block, until the new one takes its place."""
        try:
            gathered = Gathered(shard.view, self._ledger.alive_in(shard.number))
            base = self._behind_graph(gathered, shard.dimension)
        except BaseException as error:
            with self._writing:
                shard.building = False  # the next change of the shard orders another
            if not isinstance(error, _Closing):
                log.exception("index build failed", clips=shard.live)
            return
        with self._writing:
            if self._numbered.get(shard.number) is not shard:  # cleared away meanwhile
                return
            newer = shard.view.block.copy(self._ledger.alive_in(shard.number), first=gathered.seen)
            shard.view = ShardView(base, newer if base else gathered.block(newer))
            shard.building = False
            self._tend(shard)

    def _behind_graph(self, gathered: Gathered, dimension: int) -> Base | None:
        """None where an array will do again; at half of `graph_from`, so that nothing flaps around the border."""
        if len(gathered.ids) < max(1, self._graph_from // 2):
            return None
        graph = HnswGraph(dimension)
        graph.reserve(len(gathered.starts) - 1)
        for vectors in gathered.vectors():
            if self._closing.is_set():
                raise _Closing
            graph.grow(vectors, self._build_threads)
        return Base(graph, gathered.ids, gathered.sequences, gathered.starts)

    def settle(self, timeout: float | None = None) -> bool:
        """Waits until no build is under way or ordered; whether that came within `timeout` seconds."""
        while builds := set(self._builds):
            if wait(builds, timeout).not_done:
                return False
        return True

    def moment(self) -> Moment:
        """All that is in it now; portions are copied when asked for.

        Writers wait for some 20 ms per million clips, searches for nothing.
        """
        with self._writing:
            portions = [(shard, shard.view, shard.view.block.count) for shard in self._shards.values()]
            clips, sequence = self._ledger.copy(), self._sequence
        return Moment(sequence, (portion_of(shard, view, count, clips) for shard, view, count in portions))

    def restore(self, moment: Moment) -> None:
        """Into an index that is empty still. Only changes above the moment's sequence are news after it."""
        with self._writing:
            if self._sequence or len(self._ledger):
                raise ValueError("only an empty index can be restored")
            for portion in moment.portions:
                self._last_number += 1
                shard = Shard(portion.partition, self._last_number, portion.block.dimension)
                shard.view = ShardView(portion.base, portion.block)
                shard.live = sum(self._ledger.fill(ids, sequences, shard.number) for ids, sequences in portion.rows())
                self._shards[portion.partition] = self._numbered[shard.number] = shard
            self._sequence = moment.sequence
            self._ledger.forget_below(moment.sequence)
            for shard in list(self._shards.values()):
                self._tend(shard)

    def clear(self) -> None:
        """Forgets everything: the rows that it was made of are others now. Searches that run end with what they have."""
        with self._writing:
            self._shards, self._numbered = {}, {}
            self._ledger, self._sequence = Ledger(self._remembered), 0

    def close(self) -> None:
        """Gives up builds at their next step. Searches that run are finished."""
        with self._writing:  # nobody is about to order a build
            self._closing.set()
        self._builder.shutdown(cancel_futures=True)
        self._searchers.shutdown()


class _Closing(Exception):
    """A build is given up because the index closes."""


def _check(vector: Vectors, dimension: int) -> None:
    if vector.shape != (dimension,) or vector.dtype != np.float32:
        raise ValueError(f"a vector must be ({dimension},) float32, not {vector.shape} {vector.dtype}")
