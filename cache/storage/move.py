"""A whole cache from one database and store to others: objects first, rows last, as always.

Cut off and begun again it goes on: objects that are there are passed over, and the rows come in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import StoredObject
from cache.errors import Conflict, ObjectCorrupt
from cache.storage.bytes.objects import Objects
from cache.storage.database import Database
from cache.storage.tables import clip_objects, clips, counters, jobs, models
from cache.storage.tables_for_operators import memory_peaks, metadata, sessions, workers

_PAGE = 500
# The sequence is carried over by its value; models are announced by workers, as they are themselves; people sign in anew.
_STAYS = {counters.name, models.name, workers.name, memory_peaks.name, sessions.name}


@dataclass
class Moved:
    """`skipped` are the objects of clips that were damaged before the move: they go out of service at the new place."""

    objects: int = 0
    bytes: int = 0
    rows: int = 0
    skipped: int = 0


async def move(source: Database, old: Objects, target: Database, new: Objects, told: Callable[[str], None] = lambda _: None) -> Moved:
    """Nobody may write to the source meanwhile. Conflict where the target is in use already."""
    moved, damaged = Moved(), set[str]()
    async with target.read() as connection:
        if (await connection.execute(select(func.count()).select_from(clips))).scalar_one():
            raise Conflict("the target database holds clips already")
    async with source.read() as connection:
        query = select(clip_objects).join(clips, clips.c.id == clip_objects.c.clip_id).where(clips.c.state != "withdrawn")
        rows = (await connection.execute(query.order_by(clip_objects.c.name))).all()
    for row in rows:
        stored = StoredObject(row.kind, row.name, row.sha256, row.length, row.content_type)
        try:
            await new.put(row.clip_id, row.kind, await old.read(stored), row.content_type)
        except ObjectCorrupt:
            damaged.add(row.clip_id)
            moved.skipped += 1
            continue
        moved.objects += 1
        moved.bytes += row.length
        if moved.objects % 100 == 0:
            told(f"{moved.objects} of {len(rows)} objects")
    async with source.read() as reading, target.write() as writing:
        for table in metadata.sorted_tables:
            if table.name not in _STAYS:
                moved.rows += await _copy(reading, writing, table)
        sequence = (await reading.execute(select(counters.c.value).where(counters.c.name == "sequence"))).scalar_one()
        await writing.execute(update(counters).where(counters.c.name == "sequence").values(value=sequence))
        # Whoever held a lease works for the source. The attempt stays, which fences that worker off for good.
        await writing.execute(
            update(jobs).where(jobs.c.state == "leased").values(state="queued", worker=None, lease_until=None, stage="queue")
        )
        if damaged:
            gone = {"state": "withdrawn", "withdrawn_at": 0.0, "withdrawn_reason": "corrupt: before the move"}
            await writing.execute(update(clips).where(clips.c.id.in_(damaged)).values(**gone))
    return moved


async def _copy(reading: AsyncConnection, writing: AsyncConnection, table: Table) -> int:
    """By pages of the primary key, so that no table need fit in memory."""
    key, count = list(table.primary_key.columns), 0
    while True:
        page = (await reading.execute(select(table).order_by(*key).offset(count).limit(_PAGE))).mappings().all()
        if page:
            await writing.execute(insert(table), [dict(row) for row in page])
        count += len(page)
        if len(page) < _PAGE:
            return count
