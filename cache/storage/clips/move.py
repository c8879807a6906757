"""The move of a whole cache to another database and object store: objects first, rows last, as always.

If interrupted, run it again: existing objects are skipped, and the rows are copied in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import StoredObject
from cache.errors import Conflict, ObjectCorrupt
from cache.storage.bytes.objects import Objects
from cache.storage.clips.pictures import Pictures
from cache.storage.database.database import Database
from cache.storage.tables import (
    call_counts,
    clip_objects,
    clips,
    counters,
    jobs,
    memory_peaks,
    metadata,
    models,
    pictures,
    sessions,
    workers,
)

_PAGE = 500
# The sequence is copied by value; workers announce themselves and their models again; people sign in again; rates begin anew.
_STAYS = {call_counts.name, counters.name, models.name, workers.name, memory_peaks.name, sessions.name}


@dataclass
class Moved:
    """The outcome. `skipped`: objects that were already damaged; their clips and pictures are out of service in the copy."""

    objects: int = 0
    bytes: int = 0
    rows: int = 0
    skipped: int = 0


async def move_cache(source: Database, old: Objects, target: Database, new: Objects, told: Callable[[str], None] = lambda _: None) -> Moved:
    """Copies a cache. Nobody may write to the source meanwhile. Raises Conflict if the target already holds clips."""
    moved, damaged = Moved(), set[str]()
    async with target.read() as connection:
        if (await connection.execute(select(func.count()).select_from(clips))).scalar_one():
            raise Conflict("the target database already holds clips")
    async with source.read() as connection:
        query = select(clip_objects).join(clips, clips.c.id == clip_objects.c.clip_id).where(clips.c.state != "withdrawn")
        rows = (await connection.execute(query.order_by(clip_objects.c.name))).all()
    named = [(row.clip_id, StoredObject(row.kind, row.name, row.sha256, row.length, row.content_type)) for row in rows]
    named += [(owner, stored) async for owner, stored, kept in Pictures(source, old).rows() if kept]
    for owner, stored in named:
        try:
            await new.put(owner, stored.kind, await old.read(stored), stored.content_type)
        except ObjectCorrupt:
            damaged.add(owner)
            moved.skipped += 1
            continue
        moved.objects += 1
        moved.bytes += stored.length
        if moved.objects % 100 == 0:
            told(f"{moved.objects} of {len(named)} objects")
    async with source.read() as reading, target.write() as writing:
        for table in metadata.sorted_tables:
            if table.name not in _STAYS:
                moved.rows += await _copy(reading, writing, table)
        sequence = (await reading.execute(select(counters.c.value).where(counters.c.name == "sequence"))).scalar_one()
        await writing.execute(update(counters).where(counters.c.name == "sequence").values(value=sequence))
        # The holder of a lease works for the source. The attempt number stays, which fences that worker off.
        await writing.execute(
            update(jobs).where(jobs.c.state == "leased").values(state="queued", worker=None, lease_until=None, stage="queue")
        )
        if damaged:
            gone = {"state": "withdrawn", "withdrawn_at": 0.0, "withdrawn_reason": "corrupt: before the move"}
            await writing.execute(update(clips).where(clips.c.id.in_(damaged)).values(**gone))
            await writing.execute(update(pictures).where(pictures.c.id.in_(damaged)).values(gone=True))
    return moved


async def _copy(reading: AsyncConnection, writing: AsyncConnection, table: Table) -> int:
    """Copies a table by pages of its primary key, so that it need not fit in memory."""
    key, count = list(table.primary_key.columns), 0
    while True:
        page = (await reading.execute(select(table).order_by(*key).offset(count).limit(_PAGE))).mappings().all()
        if page:
            await writing.execute(insert(table), [dict(row) for row in page])
        count += len(page)
        if len(page) < _PAGE:
            return count
