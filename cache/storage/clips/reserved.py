"""Reserved clips: assisted ones that answer their own asker alone until a person accepts them."""

from __future__ import annotations

from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database.rows import next_sequence
from cache.storage.tables import clips


async def accept(connection: AsyncConnection, clip_id: str, spec_key: str) -> bool:
    """A person said that this reserved clip shows its own words: from now on it answers them, unless a clip of theirs does already."""
    mine = and_(clips.c.id == clip_id, clips.c.spec_key == spec_key, clips.c.reserved, clips.c.private.is_(False))
    if (await connection.execute(select(clips.c.id).where(mine))).first() is None:
        return False
    sequence = await next_sequence(connection)
    answered = select(clips.c.id).where(clips.c.spec_key == spec_key, clips.c.state == "live", clips.c.take.is_not(None)).limit(1)
    serves: dict[str, object] = {}
    if (await connection.execute(answered)).first() is None:
        serves = {"state": "live"}
    change = update(clips).where(mine, clips.c.state == "superseded").values(reserved=False, sequence=sequence, **serves)
    return bool((await connection.execute(change)).rowcount)
