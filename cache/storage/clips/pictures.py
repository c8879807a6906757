"""Pictures at rest: those that videos begin with. A Scope has each once, whichever clips and jobs need it, by the digest of its pixels.

In: the object first, then its row, in the transaction that makes the job. Out: the row is put aside first, then the object goes, then the
row. Each time that a picture comes it is another object, so that nobody removes what another one just brought.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, Select, Table, delete, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import StoredObject
from cache.errors import ObjectCorrupt, PictureGone, Unavailable
from cache.ids import new_id
from cache.picture import PICTURE_TYPE, InputPicture
from cache.recipe import Recipe
from cache.storage.bytes.objects import Objects
from cache.storage.database.database import Database
from cache.storage.database.rows import forget_recipe, insert_ignoring, next_sequence
from cache.storage.requests.requests import WAITING
from cache.storage.tables import clips, jobs, now, pictures, recipes, requests

log = structlog.get_logger(__name__)

_SETTLING = 600.0  # seconds that a picture stays in any case: a submission under way has found it there
_ONE_GO = 500  # pictures that one round looks at

_KEPT = pictures.c.gone.is_(False)


@dataclass(frozen=True)
class BroughtPicture:
    """A picture's object, stored and without a row yet."""

    id: str
    scope: str
    digest: str
    stored: StoredObject


class Pictures:
    def __init__(self, database: Database, objects: Objects) -> None:
        self._database, self._objects = database, objects
        self._looked_at = ""

    async def bring(self, scope: str, picture: InputPicture) -> BroughtPicture | None:
        """Makes sure that a submission finds it: None where it is there, else its new object, to be passed to `place`."""
        mine = (pictures.c.scope == scope, pictures.c.digest == picture.digest, _KEPT)
        async with self._database.write() as connection:
            found = update(pictures).where(*mine).values(kept_at=now()).returning(pictures.c.id)
            if (await connection.execute(found)).first() is not None:
                return None
        picture_id = new_id("picture")
        stored = await self._objects.put(picture_id, "picture", await asyncio.to_thread(picture.packed), PICTURE_TYPE)
        return BroughtPicture(picture_id, scope, picture.digest, stored)

    async def let_go(self, brought: BroughtPicture | None) -> None:
        """Deletes an object for which no row was written. What cannot be deleted now is found by `reprise doctor`."""
        if brought is None:
            return
        with suppress(Unavailable):
            async with self._database.read() as connection:
                named = (await connection.execute(select(pictures.c.id).where(pictures.c.id == brought.id))).first()
            if named is None:
                await self._objects.delete(brought.stored.name)

    async def read(self, scope: str, digest: str) -> bytes:
        """Its file. Raises PictureGone where it is not there or broken; a broken one is put aside, so that the next to come is kept."""
        async with self._database.read() as connection:
            row = (await connection.execute(_of(scope, digest))).one_or_none()
        if row is None:
            raise PictureGone("the picture that this video begins with is gone; send it again")
        try:
            return await self._objects.read(stored_of(row))
        except ObjectCorrupt as error:
            await self.put_aside([row.id])
            raise PictureGone(f"{error.message}; send the picture again") from error

    async def put_aside(self, ids: list[str]) -> None:
        """Pictures that can be used no more. Their objects go with the next round."""
        async with self._database.write() as connection:
            await connection.execute(update(pictures).where(pictures.c.id.in_(ids)).values(gone=True))

    async def rows(self) -> AsyncIterator[tuple[str, StoredObject, bool]]:
        """All of them by id, with whether they are in service, page by page."""
        after = ""
        while True:
            query = select(pictures).where(pictures.c.id > after).order_by(pictures.c.id).limit(_ONE_GO)
            async with self._database.read() as connection:
                page = (await connection.execute(query)).all()
            for row in page:
                yield row.id, stored_of(row), not row.gone
            if len(page) < _ONE_GO:
                return
            after = page[-1].id

    async def goes(self, name: str) -> bool:
        """True if the picture of this object has been put aside, or is gone already."""
        query = select(pictures.c.gone).where(pictures.c.name == name)
        async with self._database.read() as connection:
            gone = (await connection.execute(query)).scalar_one_or_none()
        return gone is None or bool(gone)

    async def used(self) -> int:
        """Bytes of the pictures that a clip in service or an open job needs."""
        query = select(func.coalesce(func.sum(pictures.c.length), 0)).where(_KEPT, _needed(clips.c.state != "withdrawn"))
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def sweep(self) -> int:
        """Erases pictures that nothing needs, some in each round; how many."""
        query = select(pictures.c.id).where(pictures.c.id > self._looked_at, _KEPT).order_by(pictures.c.id).limit(_ONE_GO)
        async with self._database.read() as connection:
            page = list((await connection.scalars(query)).all())
            over = (pictures.c.id.in_(page), pictures.c.kept_at < now() - literal(_SETTLING), ~_needed())
            unneeded = list((await connection.scalars(select(pictures.c.id).where(*over))).all())
        self._looked_at = page[-1] if len(page) == _ONE_GO else ""
        await self._forget(unneeded)
        return await self._collect()

    async def erase(self, scope: str, digest: str | None = None) -> None:
        """Erases one, or all of a Scope, at once, if nothing needs it any more."""
        query = select(pictures.c.id).where(pictures.c.scope == scope)
        async with self._database.read() as connection:
            ids = list((await connection.scalars(query if digest is None else query.where(pictures.c.digest == digest))).all())
        await self._forget(ids)
        await self._collect()

    async def _forget(self, ids: list[str]) -> None:
        if not ids:
            return
        async with self._database.write() as connection:
            # Whoever submits holds this number's lock: a job that was made meanwhile is seen.
            await next_sequence(connection)
            await connection.execute(update(pictures).where(pictures.c.id.in_(ids), ~_needed()).values(gone=True))

    async def _collect(self) -> int:
        async with self._database.read() as connection:
            rows = (await connection.execute(select(pictures).where(pictures.c.gone).limit(_ONE_GO))).all()
        for row in rows:
            await self._objects.delete(row.name)
            async with self._database.write() as connection:
                await next_sequence(connection)
                await connection.execute(delete(pictures).where(pictures.c.id == row.id))
                await _forget_recipes(connection, row.digest)
        if rows:
            log.info("pictures deleted", pictures=len(rows))
        return len(rows)


async def place(connection: AsyncConnection, scope: str, digest: str, brought: BroughtPicture | None) -> None:
    """Makes sure, in the transaction that makes a job of it, that a picture has its row. Raises PictureGone where nobody has it."""
    if brought is not None:
        stored = brought.stored
        row = {"id": brought.id, "scope": scope, "digest": digest, "name": stored.name, "sha256": stored.sha256, "length": stored.length,
               "kept_at": now()}  # fmt: skip
        await connection.execute(insert_ignoring(connection, pictures).values(**row))
    if (await connection.execute(_of(scope, digest))).first() is None:
        raise PictureGone("the picture that this video begins with is gone; send it again")


def stored_of(row: Row[Any]) -> StoredObject:
    return StoredObject("picture", row.name, row.sha256, row.length, PICTURE_TYPE)


def _of(scope: str, digest: str) -> Select[Any]:
    return select(pictures).where(pictures.c.scope == scope, pictures.c.digest == digest, _KEPT)


def _needed(counts: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
    """True for a picture that something needs: a clip that `counts` (by default one in service or within its grace time), an open job, or a
    request that has no job yet.
    """

    def by(table: Table, *which: ColumnElement[bool]) -> ColumnElement[bool]:
        rows = select(table.c.id).join(recipes, recipes.c.key == table.c.recipe_key)
        rows = rows.where(table.c.scope == pictures.c.scope, recipes.c.picture == pictures.c.digest, *which)
        return rows.correlate(pictures).exists()

    made = by(clips, clips.c.private.is_(False) if counts is None else counts)
    return or_(made, by(jobs, jobs.c.state.in_(("queued", "leased"))), by(requests, WAITING))


async def _forget_recipes(connection: AsyncConnection, digest: str) -> None:
    rows = await connection.execute(select(recipes.c.fields).where(recipes.c.picture == digest))
    for row in rows.all():
        await forget_recipe(connection, Recipe.from_fields(row.fields))
