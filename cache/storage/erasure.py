"""How words leave the rows: a prompt, a negative prompt, and what was derived from them.

A negative prompt stands in its Recipe's row, which others may name too: a row whose words must go names the Recipe without
them from then on, and the last one to leave takes the Recipe's row along. SQLite zeroes what is deleted (secure_delete);
`Scrubbing` empties its log, which still holds the pages as they were. On PostgreSQL the words are gone for SQL at once and
from the disk with the next vacuum.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.recipe import Recipe
from cache.request import Request
from cache.storage.database import Database
from cache.storage.pool import withdraw_shared
from cache.storage.rows import keep_recipe, next_sequence
from cache.storage.shelf import Shelf
from cache.storage.tables import clip_vectors, clips, idempotency, jobs, now, recipes, requests


async def forget_words_of_job(connection: AsyncConnection, job_id: str) -> None:
    """For a job that closed, in the transaction that closed it: its prompt is gone already, now its negative prompt."""
    query = select(jobs.c.keep_words, recipes.c.fields).join(recipes, recipes.c.key == jobs.c.recipe_key).where(jobs.c.id == job_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None or row.keep_words:
        return
    recipe = Recipe.from_fields(row.fields)
    if not recipe.negative_prompt:
        return
    await keep_recipe(connection, recipe.without_words)
    await connection.execute(update(jobs).where(jobs.c.id == job_id).values(recipe_key=recipe.without_words.key))
    await _forget_recipe(connection, recipe)


async def _forget_recipe(connection: AsyncConnection, recipe: Recipe) -> None:
    named = (exists().where(table.c.recipe_key == recipe.key) for table in (jobs, clips, requests))
    await connection.execute(delete(recipes).where(recipes.c.key == recipe.key, *(~one for one in named)))


@dataclass(frozen=True)
class _Holders:
    """Whether others than the erased request hold its clip, and whether that clip is its tenant's to remove."""

    others: bool
    own: bool


class Erasure:
    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database, self._shelf = database, shelf

    async def erase(self, request: Request) -> None:
        """The words of this request leave every row of its tenant: this request and all others of the same words, the
        clips made for them, and the shared pool. The clip itself goes where nobody else holds it; who does, keeps the film.
        """
        async with self._database.write() as connection:
            await next_sequence(connection)
            same = (requests.c.tenant == request.tenant, requests.c.film_key == request.film_key)
            await connection.execute(update(requests).where(requests.c.id == request.id).values(deleted_at=now()))
            plain = request.recipe.without_words
            await keep_recipe(connection, plain)
            await connection.execute(update(requests).where(*same).values(prompt=None, notes=[], recipe_key=plain.key))
            named = select(requests.c.id).where(*same)
            await connection.execute(delete(idempotency).where(idempotency.c.tenant == request.tenant, idempotency.c.request_id.in_(named)))
            await self._erase_clips(connection, request)
            closed = (jobs.c.tenant == request.tenant, jobs.c.film_key == request.film_key, jobs.c.state.not_in(("queued", "leased")))
            await connection.execute(update(jobs).where(*closed).values(recipe_key=plain.key))
            if request.recipe.negative_prompt:
                await _forget_recipe(connection, request.recipe)
        await self._shelf.collect(grace=float("inf"))
        if request.recipe.negative_prompt:
            async with self._database.write() as connection:
                await next_sequence(connection)
                await _forget_recipe(connection, request.recipe)  # the clip's row, now collected, named it too

    async def _erase_clips(self, connection: AsyncConnection, request: Request) -> None:
        made = select(clips.c.id).where(clips.c.tenant == request.tenant, clips.c.film_key == request.film_key)
        for clip_id in (await connection.scalars(made)).all():
            # A change like any other: every index lets go of the vector, which the words could be guessed from.
            sequence = await next_sequence(connection)
            await connection.execute(update(clips).where(clips.c.id == clip_id).values(prompt=None, sequence=sequence))
            await connection.execute(delete(clip_vectors).where(clip_vectors.c.clip_id == clip_id))
            await withdraw_shared(connection, clip_id)
        if request.clip_id is None:
            return
        holders = await self._holders(connection, request)
        if holders.own and not holders.others:
            await withdraw_shared(connection, request.clip_id)
            await self._shelf.withdraw_in(connection, [request.clip_id], "erased")

    async def _holders(self, connection: AsyncConnection, request: Request) -> _Holders:
        others = select(requests.c.id).where(requests.c.clip_id == request.clip_id, requests.c.deleted_at.is_(None)).limit(1)
        own = select(clips.c.id).where(clips.c.id == request.clip_id, clips.c.tenant == request.tenant)
        return _Holders((await connection.execute(others)).first() is not None, (await connection.execute(own)).first() is not None)


class Scrubbing:
    """Empties SQLite's log once words were deleted. `due` is asked for by whoever deletes; at the start it always is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = True

    def due(self) -> None:
        self._due = True

    async def run_once(self) -> None:
        """Stays due where a reader was in the way."""
        if self._due:
            self._due = False
            self._due = not await self._database.truncate_log()
