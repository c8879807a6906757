"""What renders were seen to take, kept in rows: a worker that starts knows what those before it learned on such a device."""

from __future__ import annotations

from sqlalchemy import case, select
from sqlalchemy.dialects import postgresql, sqlite

from cache.storage.database import Database
from cache.storage.tables import now
from cache.storage.tables_for_operators import memory_peaks
from generator.working.memory import Load, Peaks

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
        insert = (sqlite.insert if self._database.sqlite else postgresql.insert)(memory_peaks)
        row = {"device": device[:120], "revision": revision, "width": load.width, "height": load.height, "frames": load.frames,
               "batch": load.batch, "tiled": load.tiled, "bytes": taken, "seen_at": now()}  # fmt: skip
        most = case((memory_peaks.c.bytes > insert.excluded.bytes, memory_peaks.c.bytes), else_=insert.excluded.bytes)
        statement = insert.values(**row).on_conflict_do_update(
            index_elements=list(memory_peaks.primary_key), set_={"bytes": most, "seen_at": now()}
        )
        async with self._database.write() as connection:
            await connection.execute(statement)
