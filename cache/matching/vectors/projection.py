"""The projection from rows to the index: it reads the log of changes and applies it, from the last sequence number on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from cache.errors import Unavailable
from cache.matching.vectors.codec import unit
from cache.matching.vectors.index import Index, Placed, Removed
from cache.storage.database.changes import ClipChange, changes_since
from cache.storage.database.database import Database
from cache.storage.database.history import Standing, WentBack, begin_anew, look
from cache.variant import Partition

log = structlog.get_logger(__name__)


class ChangeLog(Protocol):
    async def since(self, sequence: int, limit: int) -> Sequence[ClipChange] | WentBack:
        """Clips whose newest change is above `sequence`, as they are now, oldest change first."""


class RowLog:
    """The log in the database, with the vectors of one embedder. After WentBack it is read from its beginning."""

    def __init__(self, database: Database, embedder: str) -> None:
        self._database, self._embedder = database, embedder
        self._seen: Standing | None = None

    async def since(self, sequence: int, limit: int) -> Sequence[ClipChange] | WentBack:
        async with self._database.read() as connection:
            found = await look(connection, self._seen, sequence)
            if isinstance(found, Standing):
                self._seen = found
                return await changes_since(connection, sequence, self._embedder, limit)
        async with self._database.write() as connection:
            await begin_anew(connection, found.identity)
        self._seen = None
        return found


class Projection:
    """Keeps one Index, of one embedder, caught up with the rows.

    Rows may be ahead of the index at any time, by a moment or by an outage: whoever serves a neighbour re-reads its row.
    `caught_up` is set once everything was read that was there at the start; until then, and again from the moment that an older state
    of the database was found until that was read, a search knows too little.
    `level_at` is when (monotonic) a look last began that brought it up to the rows.
    """

    def __init__(
        self,
        index: Index,
        changes: ChangeLog,
        embedder: str,
        dimension: int,
        *,
        batch: int = 2_000,
        every: float = 2.0,
        caught_up: asyncio.Event | None = None,
    ) -> None:
        self._index, self._changes = index, changes
        self._embedder, self._dimension = embedder, dimension
        self._batch, self._every = batch, every  # clips; seconds
        self._turn = asyncio.Lock()
        self._told = asyncio.Event()
        self.caught_up = caught_up or asyncio.Event()
        self.level_at: float | None = None

    async def catch_up(self) -> int:
        """Everything committed before the call is in the index after it; how many changes that were."""
        total = 0
        async with self._turn:  # two at once would only read the same changes twice
            while True:
                at = time.monotonic()
                changes = await self._changes.since(self._index.sequence, self._batch)
                if isinstance(changes, WentBack):
                    log.warning("an older state of the database was restored: the index is read anew", read=changes.read, at=changes.latest)
                    self.caught_up.clear()
                    await asyncio.to_thread(self._index.clear)
                    continue
                if changes:
                    await asyncio.to_thread(self._apply, changes)
                total += len(changes)
                if len(changes) < self._batch:
                    self.level_at = at
                    self.caught_up.set()
                    return total

    def tell(self) -> None:
        """Something was committed: `run` reads it now and not at its next look. Call it on the event loop."""
        self._told.set()

    async def run(self) -> None:
        """Catches up at the start, whenever told, and every few seconds in case nobody tells. Ends when cancelled."""
        away = False
        while True:
            self._told.clear()  # before reading: what is told from here on may come after the last read
            try:
                await self.catch_up()
                away = False
            except Unavailable as error:
                if not away:
                    log.warning("index is behind: rows cannot be read", reason=error.message, sequence=self._index.sequence)
                away = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._told.wait()

    def _apply(self, changes: Sequence[ClipChange]) -> None:
        self._index.apply([self._applicable(change) for change in changes])

    def _applicable(self, change: ClipChange) -> Placed | Removed:
        """A live clip without a usable vector can be found by nobody: to the index that is a removal."""
        if change.state != "live" or change.vector is None:
            return Removed(change.clip_id, change.sequence)
        vector = unit(change.vector)
        if vector is None or vector.size != self._dimension:
            log.error("vector is unusable", clip=change.clip_id, length=len(change.vector))
            return Removed(change.clip_id, change.sequence)
        return Placed(Partition(change.scope, change.recipe_key, self._embedder), change.clip_id, change.sequence, vector)
