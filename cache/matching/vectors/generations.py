"""Generations of index snapshots: loaded at the start and saved later, in the data folder and a bucket that gateways share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from cache.errors import Unavailable
from cache.matching.vectors.delivery import Remote, fetch, publish
from cache.matching.vectors.index import Index
from cache.matching.vectors.snapshot import Ahead, Manifest, Origin, Unusable, load_snapshot, read_manifest, save, snapshot_age
from cache.storage.database.changes import identity, latest
from cache.storage.database.database import Database
from cache.storage.database.history import begin_anew
from cache.storage.database.locks import Lock

log = structlog.get_logger(__name__)

PREFIX = "index/"
_WORTH = 1000  # changes since the newest snapshot; fewer are read from rows in no time
_OLD = 86_400.0  # seconds after which one change is worth it: the vector of an erased clip does not lie in a snapshot for ever


class Generations:
    """`remote` is None where gateways share no bucket: then each keeps its own in its folder.

    Nothing here is needed for right answers: whatever goes wrong, the index is read from the rows.
    """

    def __init__(
        self,
        database: Database,
        remote: Remote | None,
        folder: Path,
        embedder: str,
        dimension: int,
        *,
        worth: int = _WORTH,
        old: float = _OLD,
    ) -> None:
        self._database, self._remote, self._folder = database, remote, folder
        self._embedder, self._dimension = embedder, dimension
        self._worth, self._old = worth, old  # changes; seconds

    async def bring(self, index: Index) -> Manifest | Unusable:
        """Fills the empty index from the newest snapshot that fits; else leaves it empty. Never raises what is Unavailable, nor for a
        folder that is full or cannot be written.
        """
        try:
            if self._remote is not None:
                await fetch(self._remote, self._folder, PREFIX)
            async with self._database.read() as connection:  # after it: what was fetched is no newer than this
                origin, newest = self._origin(await identity(connection)), await latest(connection)
        except Unavailable as error:
            log.warning("snapshot not fetched", reason=error.message)
            return Unusable(error.message)
        except OSError as error:
            log.warning("snapshot not fetched", reason=str(error))
            return Unusable(str(error))
        found = await asyncio.to_thread(load_snapshot, index, self._folder, origin, newest)
        if isinstance(found, Ahead):
            await self._begin_anew(origin)
        if isinstance(found, Unusable):
            log.info("index rebuilt from rows", snapshot=found.reason)
        else:
            log.info("index loaded from snapshot", clips=found.count, sequence=found.sequence)
        return found

    async def _begin_anew(self, origin: Origin) -> None:
        """Once the numbers have come up to the snapshot's, nothing else would tell that it is of another history."""
        try:
            async with self._database.write() as connection:
                await begin_anew(connection, int(origin.database))
        except Unavailable as error:
            log.warning("a snapshot of before a restore is still there", reason=error.message)

    async def keep(self, index: Index) -> Manifest | None:
        """One gateway at a time saves, and only what is worth it; None: nothing to do, or another is at it."""
        async with self._database.alone(Lock.INDEX_SNAPSHOT) as ours:
            if not ours:
                return None
            async with self._database.read() as connection:
                origin = self._origin(await identity(connection))
            if self._remote is not None:
                await fetch(self._remote, self._folder, PREFIX)
            known = await asyncio.to_thread(read_manifest, self._folder)
            if not self._worth_it(known, origin, index.sequence):
                return None
            saved = await asyncio.to_thread(save, index, self._folder, origin)
            if self._remote is not None:
                await publish(self._folder, self._remote, PREFIX)
            log.info("snapshot saved", clips=saved.count, sequence=saved.sequence)
            return saved

    def _worth_it(self, known: Manifest | Unusable, origin: Origin, sequence: int) -> bool:
        if isinstance(known, Unusable):
            return sequence >= self._worth
        if known.origin != origin:
            return True
        changes = sequence - known.sequence
        return changes >= self._worth or (changes > 0 and snapshot_age(self._folder) >= self._old)

    def _origin(self, database: str) -> Origin:
        return Origin(self._embedder, self._dimension, database)
