"""Rows against objects: what a crash may leave behind, found and put right.

Objects go in before their row and out after it, so what no row names is either garbage or of a clip that is being made now:
only what is older than any running attempt counts. What a row names and the store has not is a loss, and its clip goes out of
service, so that the next request makes it again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sqlalchemy import select

from cache.clip import StoredObject
from cache.errors import ObjectCorrupt
from cache.storage.bytes.objects import Objects, is_name
from cache.storage.database import Database
from cache.storage.shelf import Shelf
from cache.storage.tables import clip_objects, clips

_PAGE = 1000


@dataclass
class Findings:
    """Names of objects and ids of clips. `checked` counts what was looked at."""

    checked: int = 0
    young: int = 0  # without a row, but perhaps of a clip that is being made
    orphans: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # the clips that these belong to

    @property
    def sound(self) -> bool:
        return not (self.orphans or self.missing or self.corrupt)


class Doctor:
    def __init__(self, database: Database, objects: Objects, shelf: Shelf) -> None:
        self._database, self._objects, self._shelf = database, objects, shelf

    async def examine(self, older: float, *, digests: bool = True) -> Findings:
        """`older`: seconds after which an object without a row is garbage. `digests` reads every byte of every clip."""
        found, there = Findings(), dict[str, tuple[int, float]]()
        # The store first, the rows after: what is committed in between is in the rows, and never taken for garbage.
        async for name, length, written in self._objects.names(""):
            if is_name(name):
                there[name] = length, written
        named = set[str]()
        async for clip_id, stored, serving in self._rows():
            named.add(stored.name)
            found.checked += 1
            if stored.name not in there:
                if not await self._arrived(stored):
                    found.missing.append(stored.name)
                    found.lost.add(clip_id)
            elif not serving:
                continue
            elif there[stored.name][0] != stored.length or (digests and not await self._whole(stored)):
                found.corrupt.append(stored.name)
                found.lost.add(clip_id)
        edge = time.time() - older
        for name, (_, written) in there.items():
            if name not in named:
                if written < edge:
                    found.orphans.append(name)
                else:
                    found.young += 1
        return found

    async def repair(self, found: Findings) -> None:
        """Each step may be done twice, or by two at once."""
        for name in found.orphans:
            await self._objects.delete(name)
        await self._shelf.withdraw(sorted(found.lost), "corrupt: found by reprise doctor")

    async def _rows(self) -> AsyncIterator[tuple[str, StoredObject, bool]]:
        """Objects of clips, page by page, and whether their clip is in service. Those of withdrawn ones may be gone already."""
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
        """Stored since the store was listed, or of a clip that was taken out meanwhile."""
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
