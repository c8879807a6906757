"""The doctor: it checks rows against objects, and repairs what a crash may leave behind.

Objects are stored before their row and deleted after it, so an object without a row is either garbage or of a clip being rendered now:
only objects older than any running attempt count. A row whose object is missing is a loss, and its clip is taken out of
service, so that the next request renders it again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sqlalchemy import select

from cache.clip import StoredObject
from cache.errors import ObjectCorrupt
from cache.storage.bytes.objects import Objects, is_name
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.storage.tables import clip_objects, clips

_PAGE = 1000


@dataclass
class Findings:
    """The findings: names of objects and ids of clips. `checked` counts the objects checked."""

    checked: int = 0
    young: int = 0  # without a row, but perhaps of a clip being rendered
    orphans: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # the clips of these objects
    lost_pictures: set[str] = field(default_factory=set)

    @property
    def sound(self) -> bool:
        return not (self.orphans or self.missing or self.corrupt)


class Doctor:
    def __init__(self, database: Database, objects: Objects, shelf: Shelf) -> None:
        self._database, self._objects, self._shelf = database, objects, shelf

    async def examine(self, older: float, *, digests: bool = True) -> Findings:
        """Checks everything. `older`: seconds after which an object without a row is garbage. `digests`: read every byte of every clip."""
        found, there = Findings(), dict[str, tuple[int, float]]()
        # The store first, then the rows: an object committed in between is in the rows, and is never taken for garbage.
        async for name, length, written in self._objects.names(""):
            if is_name(name):
                there[name] = length, written
        named = set[str]()
        async for owner, stored, serving in self._all_rows():
            lost = found.lost_pictures if stored.kind == "picture" else found.lost
            named.add(stored.name)
            found.checked += 1
            if stored.name not in there:
                if not await self._arrived(stored):
                    found.missing.append(stored.name)
                    lost.add(owner)
            elif not serving:
                continue
            elif there[stored.name][0] != stored.length or (digests and not await self._whole(stored)):
                found.corrupt.append(stored.name)
                lost.add(owner)
        edge = time.time() - older
        for name, (_, written) in there.items():
            if name not in named:
                if written < edge:
                    found.orphans.append(name)
                else:
                    found.young += 1
        return found

    async def repair(self, found: Findings) -> None:
        """Repairs the findings. Each step is idempotent, and two processes may do it at once."""
        for name in found.orphans:
            await self._objects.delete(name)
        await self._shelf.withdraw(sorted(found.lost), "corrupt: found by reprise doctor")
        await self._shelf.pictures.put_aside(sorted(found.lost_pictures))

    async def _all_rows(self) -> AsyncIterator[tuple[str, StoredObject, bool]]:
        """Objects of clips and pictures, each with the id of its owner and whether that is in service."""
        async for found in self._rows():
            yield found
        async for found in self._shelf.pictures.rows():
            yield found

    async def _rows(self) -> AsyncIterator[tuple[str, StoredObject, bool]]:
        """Objects of clips with whether the clip is in service, page by page. Objects of withdrawn clips may be deleted already."""
        after = ""
        while True:
            query = select(clip_objects, clips.c.state).join(clips, clips.c.id == clip_objects.c.clip_id)
            query = query.where(clip_objects.c.name > after).order_by(clip_objects.c.name).limit(_PAGE)
            async with self._database.read() as connection:
                page = (await connection.execute(query)).all()
            for row in page:
                stored = StoredObject(row.kind, row.name, row.sha256, row.length, row.content_type)
                yield row.clip_id, stored, row.state != "withdrawn"
            if len(page) < _PAGE:
                return
            after = page[-1].name

    async def _arrived(self, stored: StoredObject) -> bool:
        """True if the object was stored after the listing, or its owner has gone out of service in the meantime."""
        if stored.kind == "picture":
            return await self._shelf.pictures.goes(stored.name) or await self._whole(stored)
        query = select(clips.c.state).where(clips.c.id == stored.name.split("/")[1])
        async with self._database.read() as connection:
            state = (await connection.execute(query)).scalar_one_or_none()
        return state in {None, "withdrawn"} or await self._whole(stored)

    async def _whole(self, stored: StoredObject) -> bool:
        try:
            await self._objects.verify(stored)
        except ObjectCorrupt:
            return False
        return True
