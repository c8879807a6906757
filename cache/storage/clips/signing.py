"""Signing of clips without a valid signature, on the operator's order."""

from __future__ import annotations

from sqlalchemy import select, update

from cache.storage.clips.provenance import Provenance
from cache.storage.database.database import Database
from cache.storage.database.rows import next_sequence, read_clips
from cache.storage.tables import clips

_BATCH = 200


async def sign_unsigned(database: Database, provenance: Provenance) -> int:
    """Signs clips without a signature; returns their number. Those with a signature, good or bad, stay as they are."""
    return await _sign(database, provenance, unsigned=True)


async def resign(database: Database, provenance: Provenance) -> int:
    """Signs every clip with the newest key, after a key was lost or before an old one is removed; returns their number."""
    return await _sign(database, provenance, unsigned=False)


async def _sign(database: Database, provenance: Provenance, *, unsigned: bool) -> int:
    signed, after = 0, ""
    while True:
        query = select(clips.c.id).where(clips.c.id > after).order_by(clips.c.id).limit(_BATCH)
        if unsigned:
            query = query.where(clips.c.provenance.is_(None))
        async with database.write() as connection:
            await next_sequence(connection)
            ids = (await connection.scalars(query)).all()
            if not ids:
                return signed
            for clip in await read_clips(connection, clips.c.id.in_(ids)):
                # Not a change of the clip: followers of the log need not read it again.
                signature = provenance.sign(clip, clip.objects.values())
                await connection.execute(update(clips).where(clips.c.id == clip.id).values(provenance=signature))
                signed += 1
        after = ids[-1]
