"""What one gateway knows by heart of the rows that all share: the index, the exact hits, the bytes. And how it stays true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from cache.matching.encoding.encoders import Loading
from cache.matching.exact import ExactMemory
from cache.matching.vectors.delivery import Remote
from cache.matching.vectors.generations import Generations
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import Projection, RowLog
from cache.storage.changes import ClipChange
from cache.storage.database import Database
from cache.storage.news import News
from gateway.byte_cache import ByteCache
from generator.queueing.signals import Signals

log = structlog.get_logger(__name__)

LOOK = 2.0  # seconds between looks at the rows, in case nobody tells


class Replica:
    """Follows the rows: told by renders of this process and, where there are others, by the database's news; read again
    every two seconds in case nobody tells. A clip that went out of service is forgotten here before its objects go,
    which is a grace time later; an erased one's as soon as the news come.
    """

    def __init__(
        self,
        database: Database,
        index: Index,
        caught_up: asyncio.Event,
        encoders: Loading,
        memory: ExactMemory,
        cached: ByteCache,
        signals: Signals,
        news: News | None,
        remote: Remote | None,
        folder: Path,
    ) -> None:
        self._database, self._index, self._caught_up, self._encoders = database, index, caught_up, encoders
        self._memory, self._cached, self._signals, self._news = memory, cached, signals, news
        self._remote, self._folder = remote, folder
        self._projection: Projection | None = None
        self._began = time.monotonic()

    @property
    def clips(self) -> int:
        return self._index.count()

    @property
    def nbytes(self) -> int:
        return self._index.nbytes()

    @property
    def sequence(self) -> int:
        return self._index.sequence

    @property
    def behind(self) -> float:
        """Seconds since the index last held all rows; those between two looks, when nobody tells of news, are none."""
        level_at = self._began if self._projection is None or self._projection.level_at is None else self._projection.level_at
        return max(0.0, time.monotonic() - level_at - LOOK)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as together:
            if self._news is not None:
                self._news.on("clip", self._changed)
                self._news.on("job", lambda job_id, _: self._signals.tell(job_id))
                self._news.on_gap(self._doubt)
                together.create_task(self._news.run())
            together.create_task(self._follow(together))

    async def _follow(self, together: asyncio.TaskGroup) -> None:
        """The index, from the moment that the encoder whose vectors it holds is there."""
        try:
            embedder = (await self._encoders.loaded()).embedder
        except Exception:
            log.exception("no near hits: the encoder could not be loaded")
            return
        generations = Generations(self._database, self._remote, self._folder, embedder.version, embedder.dimension)
        await generations.bring(self._index)
        rows = RowLog(self._database, embedder.version)
        overheard = _Overheard(rows, self._changed)
        projection = Projection(self._index, overheard, embedder.version, embedder.dimension, every=LOOK, caught_up=self._caught_up)
        self._projection = projection
        self._signals.at_every_end(projection.tell)
        if self._news is not None:
            self._news.on("clip", lambda *_: projection.tell())
            self._news.on_gap(projection.tell)
        together.create_task(generations.run(self._index))
        await projection.run()

    def _changed(self, clip_id: str, state: str) -> None:
        self._memory.forget(clip_id)
        if state == "withdrawn":
            self._cached.forget_clip(clip_id)

    def _doubt(self) -> None:
        """Nothing was heard for a while: what is held may be gone."""
        self._memory.forget_all()
        self._cached.forget_all()


class _Overheard:
    """The log of changes; what passes is also told to those who hold copies of clips."""

    def __init__(self, rows: RowLog, told: Callable[[str, str], None]) -> None:
        self._rows, self._told = rows, told

    async def since(self, sequence: int, limit: int) -> Sequence[ClipChange]:
        changes = await self._rows.since(sequence, limit)
        for change in changes:
            self._told(change.clip_id, change.state)
        return changes
