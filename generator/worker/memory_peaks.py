"""Memory peaks of renders at rest: a new worker knows what earlier ones measured on such a device."""

from __future__ import annotations

from sqlalchemy import case, select

from cache.storage.database.database import Database
from cache.storage.database.rows import insert_into
from cache.storage.tables import memory_peaks, now
from generator.worker.memory import Load, Peaks

_MOST = 10_000  # rows that are read: a device and revision has a few dozen


class MemoryPeaks:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, device: str, revision: str) -> Peaks:
        m = memory_peaks.c
        query = select(m.width, m.height, m.frames, m.batch, m.tiled, m.bytes).where(m.device == device[:120], m.revision == revision)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(_MOST))).all()
        return {Load(*row[:5]): row.bytes for row in rows}

    async def keep(self, device: str, revision: str, load: Load, taken: int) -> None:
        """The larger of this and what was known."""
        row = {"device": device[:120], "revision": revision, "width": load.width, "height": load.height, "frames": load.frames,
               "batch": load.batch, "tiled": load.tiled, "bytes": taken, "seen_at": now()}  # fmt: skip
        async with self._database.write() as connection:
            adding = insert_into(connection, memory_peaks)
            most = case((memory_peaks.c.bytes > adding.excluded.bytes, memory_peaks.c.bytes), else_=adding.excluded.bytes)
            changed = {"bytes": most, "seen_at": now()}
            await connection.execute(
                adding.values(**row).on_conflict_do_update(index_elements=list(memory_peaks.primary_key), set_=changed)
            )
