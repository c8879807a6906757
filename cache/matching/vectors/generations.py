"""Where snapshots of the index come from at the start and go to later: the data folder, and a bucket that gateways share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from cache.errors import Unavailable
from cache.matching.vectors.delivery import Remote, fetch, publish
from cache.matching.vectors.index import Index
from cache.matching.vectors.snapshot import Manifest, Origin, Unusable, age, load, read_manifest, save
from cache.storage.changes import identity, latest
from cache.storage.database import Database

log = structlog.get_logger(__name__)

PREFIX = "index/"
_LOCK = 0x52455049  # "REPI": who holds it saves for all
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
        every: float = 60.0,
    ) -> None:
        self._database, self._remote, self._folder = database, remote, folder
        self._embedder, self._dimension = embedder, dimension
        self._worth, self._old, self._every = worth, old, every  # changes; seconds

    async def bring(self, index: Index) -> Manifest | Unusable:
        """Fills the empty index from the newest snapshot that fits; else leaves it empty. Never raises what is Unavailable."""
        try:
            async with self._database.read() as connection:
                origin, newest = self._origin(await identity(connection)), await latest(connection)
            if self._remote is not None:
                await fetch(self._remote, self._folder, PREFIX)
        except Unavailable as error:
            log.warning("snapshot not fetched", reason=error.message)
            return Unusable(error.message)
        found = await asyncio.to_thread(load, index, self._folder, origin, newest)
        if isinstance(found, Unusable):
            log.info("index from rows", snapshot=found.reason)
        else:
            log.info("index from snapshot", clips=found.count, sequence=found.sequence)
        return found

    async def run(self, index: Index) -> None:
        """Saves whenever enough has changed. Ends when cancelled."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.keep(index)
            except Unavailable as error:
                log.warning("snapshot not saved", reason=error.message)
            except Exception:
                log.exception("snapshot not saved")

    async def keep(self, index: Index) -> Manifest | None:
        """One gateway at a time saves, and only what is worth it; None: nothing to do, or another is at it."""
        async with self._database.alone(_LOCK) as ours:
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
        return changes >= self._worth or (changes > 0 and age(self._folder) >= self._old)

    def _origin(self, database: str) -> Origin:
        return Origin(self._embedder, self._dimension, database)
