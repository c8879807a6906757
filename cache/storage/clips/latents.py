"""Latents at rest: read for a render that starts from one, and the first to go when room is short."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import structlog
from sqlalchemy import delete, func, select, update

from cache.assist import Start
from cache.clip import Clip, StoredObject
from cache.errors import ObjectCorrupt, Unavailable
from cache.storage.bytes.objects import Objects
from cache.storage.clips.donors import may_donate
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.storage.database.rows import next_sequence, read_clips
from cache.storage.tables import clip_objects, clips, jobs

log = structlog.get_logger(__name__)

_ONE_GO = 200  # clips per transaction


class Latents:
    def __init__(self, database: Database, objects: Objects, shelf: Shelf) -> None:
        self._database, self._objects, self._shelf = database, objects, shelf

    async def read(self, scope: str, start: Start) -> bytes | None:
        """The donor's latent, its digest checked; None where it is gone, not of this Scope, or cannot be had now."""
        try:
            async with self._database.read() as connection:
                found = self._shelf.genuine(await read_clips(connection, (clips.c.id == start.donor) & may_donate(scope)))
            if not found:
                return None
            return await self._objects.read(found[0].objects["latent"])
        except ObjectCorrupt:
            await self.drop([start.donor])  # its video is another object, and may be sound
        except Unavailable as error:
            log.warning("a donor could not be read", donor=start.donor, reason=error.message)
        return None

    async def free(self, to_free: int) -> int:
        """Drops latents, of the clips that were used longest ago first, until `to_free` bytes are found or none is left. Returns the
        bytes freed. The latent that an open job starts from stays.
        """
        donating = select(jobs.c.donor).where(jobs.c.donor == clips.c.id, jobs.c.state.in_(("queued", "leased")))
        query = select(clips.c.id, clip_objects.c.length).join(clip_objects, clip_objects.c.clip_id == clips.c.id)
        query = query.where(clip_objects.c.kind == "latent", clips.c.state != "withdrawn", ~donating.exists())
        query = query.order_by(func.coalesce(clips.c.last_hit_at, clips.c.created_at)).limit(_ONE_GO)
        freed = 0
        while freed < to_free:
            async with self._database.read() as connection:
                rows = (await connection.execute(query)).all()
            sums = list(accumulate((row.length for row in rows), initial=freed))
            went = await self.drop([row.id for row, before in zip(rows, sums, strict=False) if before < to_free])
            freed += went
            if not went:
                break
        return freed

    async def drop(self, clip_ids: list[str]) -> int:
        """Takes the latents of these clips away: row first, object after. A clip whose signature does not hold is left to whoever looks
        at it. Returns the bytes freed.
        """
        gone: list[StoredObject] = []
        async with self._database.write() as connection:
            await next_sequence(connection)
            for clip in self._shelf.genuine(await read_clips(connection, clips.c.id.in_(clip_ids))):
                latent = clip.objects.get("latent")
                if latent is None:
                    continue
                left = replace(clip, objects={kind: stored for kind, stored in clip.objects.items() if kind != "latent"})
                await connection.execute(
                    delete(clip_objects).where(clip_objects.c.clip_id == clip.id, clip_objects.c.kind == "latent")
                )  # fmt: skip
                await connection.execute(update(clips).where(clips.c.id == clip.id).values(length=left.length, **self._signed(left)))
                gone.append(latent)
        for stored in gone:
            await self._objects.delete(stored.name)
        return sum(stored.length for stored in gone)

    def _signed(self, clip: Clip) -> dict[str, object]:
        """The signature names every object of a clip."""
        provenance = self._shelf.provenance
        return {} if provenance is None else {"provenance": provenance.sign(clip, clip.objects.values())}
