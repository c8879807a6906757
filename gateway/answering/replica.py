"""The replica: what one gateway holds in memory of the shared rows (index, exact keys, bytes), and how it is kept up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.encoders import Loading
from cache.matching.exact import ExactMemory
from cache.matching.vectors.delivery import Remote
from cache.matching.vectors.generations import Generations
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import Projection, RowLog
from cache.storage.database.changes import ClipChange
from cache.storage.database.database import Database
from cache.storage.database.history import WentBack
from cache.storage.database.notifications import Notifications
from cache.supervision import Supervisor
from gateway.answering.byte_cache import ByteCache
from generator.queue.signals import Signals

log = structlog.get_logger(__name__)

LOOK = 2.0  # seconds between polls of the rows, in case a notification is lost
_AGAIN = 2.0  # maximum seconds between attempts to listen again
_SAVE = 60.0  # seconds between checks whether the index is worth saving


class Replica:
    """A replica that follows the rows: woken by renders of this process and by notifications of the database; it also polls
    every two seconds. A withdrawn clip is dropped here long before its objects are deleted,
    which is a grace time later; an erased one's as soon as the notification arrives.
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
        notifications: Notifications | None,
        remote: Remote | None,
        folder: Path,
    ) -> None:
        self._database, self._index, self._caught_up, self._encoders = database, index, caught_up, encoders
        self._memory, self._cached, self._signals, self._notifications = memory, cached, signals, notifications
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

    def start(self, supervisor: Supervisor) -> None:
        if self._notifications is not None:
            self._notifications.on("clip", self._changed)
            self._notifications.on("job", lambda job_id, _: self._signals.tell(job_id))
            self._notifications.on_gap(self._doubt)
            supervisor.start("notifications", self._notifications.run, longest=_AGAIN)
        supervisor.start("index", lambda: self._follow(supervisor))

    async def _follow(self, supervisor: Supervisor) -> None:
        """The index, from the moment that the encoder whose vectors it holds is there."""
        if self._projection is None:
            embedder = (await self._encoders.loaded()).embedder
            self._projection = await self._open(supervisor, embedder)
        await self._projection.run()

    async def _open(self, supervisor: Supervisor, embedder: Embedder) -> Projection:
        generations = Generations(self._database, self._remote, self._folder, embedder.version, embedder.dimension)
        await generations.bring(self._index)
        overheard = _Overheard(RowLog(self._database, embedder.version), self._changed, self._doubt)
        projection = Projection(self._index, overheard, embedder.version, embedder.dimension, every=LOOK, caught_up=self._caught_up)
        self._signals.at_every_end(projection.tell)
        if self._notifications is not None:
            self._notifications.on("clip", lambda *_: projection.tell())
            self._notifications.on_gap(projection.tell)
        supervisor.every(_SAVE, "index snapshot", lambda: generations.keep(self._index), later=True)
        return projection

    def _changed(self, clip_id: str, state: str) -> None:
        self._memory.forget(clip_id)
        if state == "withdrawn":
            self._cached.forget_clip(clip_id)

    def _doubt(self) -> None:
        """Drops everything after a gap in notifications, or once an older state of the rows was restored: it may be out of date."""
        self._memory.forget_all()
        self._cached.forget_all()


class _Overheard:
    """The log of changes, which also reports each change to the caches of clips."""

    def __init__(self, rows: RowLog, told: Callable[[str, str], None], doubt: Callable[[], None]) -> None:
        self._rows, self._told, self._doubt = rows, told, doubt

    async def since(self, sequence: int, limit: int) -> Sequence[ClipChange] | WentBack:
        changes = await self._rows.since(sequence, limit)
        if isinstance(changes, WentBack):
            self._doubt()
            return changes
        for change in changes:
            self._told(change.clip_id, change.state)
        return changes
