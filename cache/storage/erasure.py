"""How words leave the rows: a prompt, a negative prompt, and what was derived from them.

A negative prompt stands in its Recipe's row, which others may name too: a row whose words must go names the Recipe without
them from then on, and the last one to leave takes the Recipe's row along. SQLite zeroes what is deleted (secure_delete);
`Scrubbing` empties its log, which still holds the pages as they were. On PostgreSQL the words are gone for SQL at once and
from the disk with the next vacuum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.request import Request
from cache.storage.database import Database
from cache.storage.pool import withdraw_shared
from cache.storage.rows import forget_recipe, keep_recipe, next_sequence
from cache.storage.shelf import ERASED, Shelf, strip
from cache.storage.tables import clip_vectors, clips, idempotency, jobs, now, recipes, requests
from cache.storage.tables_for_operators import audits, ghosts, plan_covers, plan_prompts, plans
from cache.variant import Film


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
    await forget_recipe(connection, recipe)


async def withdraw_unheld(connection: AsyncConnection, shelf: Shelf, clip_ids: list[str]) -> None:
    """Erases those clips of `clip_ids` that no request holds."""
    held = select(requests.c.clip_id).where(requests.c.clip_id.in_(clip_ids), requests.c.deleted_at.is_(None))
    holding = set((await connection.scalars(held)).all())
    await shelf.withdraw_in(connection, [clip_id for clip_id in clip_ids if clip_id not in holding], ERASED)


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
            # Its clip may have come since it was read.
            clip_id = (await connection.execute(select(requests.c.clip_id).where(requests.c.id == request.id))).scalar_one_or_none()
            request = replace(request, clip_id=clip_id)
            same = (requests.c.tenant == request.tenant, requests.c.film_key == request.film_key)
            films = await _films(connection, request)
            for recipe in films.values():
                await keep_recipe(connection, recipe.without_words)
            await connection.execute(update(requests).where(requests.c.id == request.id).values(deleted_at=now()))
            plain = request.recipe.without_words
            await connection.execute(update(requests).where(*same).values(prompt=None, notes=[], refused=[], recipe_key=plain.key))
            named = select(requests.c.id).where(*same)
            await connection.execute(delete(idempotency).where(idempotency.c.tenant == request.tenant, idempotency.c.request_id.in_(named)))
            await self._erase_clips(connection, request, films)
            await self._erase_plans(connection, request, list(films))
            for film_key, recipe in films.items():
                closed = (jobs.c.tenant == request.tenant, jobs.c.film_key == film_key, jobs.c.state.not_in(("queued", "leased")))
                await connection.execute(update(jobs).where(*closed).values(recipe_key=recipe.without_words.key))
                if recipe.negative_prompt:
                    await forget_recipe(connection, recipe)
        await self._shelf.collect(grace=float("inf"))

    async def _erase_clips(self, connection: AsyncConnection, request: Request, films: dict[str, Recipe]) -> None:
        made = select(clips.c.id, clips.c.film_key).where(clips.c.tenant == request.tenant, clips.c.film_key.in_(films))
        for clip_id, film_key in (await connection.execute(made)).all():
            # A change like any other: every index lets go of the vector, which the words could be guessed from.
            bare = {"prompt": None, "recipe_key": films[film_key].without_words.key, "sequence": await next_sequence(connection)}
            await connection.execute(update(clips).where(clips.c.id == clip_id).values(**bare))
            await connection.execute(delete(clip_vectors).where(clip_vectors.c.clip_id == clip_id))
            await withdraw_shared(connection, clip_id)
        await self._erase_audits(connection, request)
        if request.clip_id is None:
            return
        holders = await self._holders(connection, request)
        if holders.own and not holders.others:
            await withdraw_shared(connection, request.clip_id)
            await self._shelf.withdraw_in(connection, [request.clip_id], ERASED)
            # What was taken out of service before goes at once, too, and no undo brings it back.
            gone = (clips.c.id == request.clip_id, clips.c.state == "withdrawn")
            await connection.execute(update(clips).where(*gone).values(withdrawn_reason=ERASED))
            await strip(connection, [request.clip_id])

    async def _erase_plans(self, connection: AsyncConnection, request: Request, films: list[str]) -> None:
        """Also what was evicted, and what is being made of these words now: its clip comes without them."""
        mine = select(plans.c.id).where(plans.c.tenant == request.tenant)
        planned = (plan_prompts.c.plan_id.in_(mine), plan_prompts.c.film_key == request.film_key)
        await connection.execute(delete(ghosts).where(ghosts.c.tenant == request.tenant, ghosts.c.film_key.in_(films)))
        coming = (jobs.c.tenant == request.tenant, jobs.c.film_key.in_(films), jobs.c.state.in_(("queued", "leased")))
        await connection.execute(update(jobs).where(*coming).values(keep_words=False))
        made = (await connection.scalars(select(plan_prompts.c.clip_id).where(*planned, plan_prompts.c.state == "made"))).all()
        await withdraw_unheld(connection, self._shelf, [clip_id for clip_id in made if clip_id is not None])
        plain = request.recipe.without_words
        await connection.execute(update(plan_prompts).where(*planned).values(prompt=None, recipe_key=plain.key))
        covered = (plan_covers.c.plan_id.in_(mine), plan_covers.c.film_key == request.film_key)
        await connection.execute(update(plan_covers).where(*covered).values(prompt=None))

    async def _erase_audits(self, connection: AsyncConnection, request: Request) -> None:
        """What was rendered for an audit of these words goes, too, where no request was answered with it since. One that is
        being rendered now goes when it is done: see gateway/upkeep/auditing.py.
        """
        same = select(requests.c.id).where(requests.c.tenant == request.tenant, requests.c.film_key == request.film_key)
        held = select(requests.c.clip_id).where(requests.c.clip_id.is_not(None), requests.c.deleted_at.is_(None))
        made = select(audits.c.clip_id).where(audits.c.request_id.in_(same), audits.c.clip_id.is_not(None), audits.c.clip_id.not_in(held))
        await self._shelf.withdraw_in(connection, (await connection.scalars(made)).all(), ERASED)
        await connection.execute(delete(audits).where(audits.c.request_id.in_(same), audits.c.state != "asked"))

    async def _holders(self, connection: AsyncConnection, request: Request) -> _Holders:
        others = select(requests.c.id).where(requests.c.clip_id == request.clip_id, requests.c.deleted_at.is_(None)).limit(1)
        own = select(clips.c.id).where(clips.c.id == request.clip_id, clips.c.tenant == request.tenant)
        return _Holders((await connection.execute(others)).first() is not None, (await connection.execute(own)).first() is not None)


async def _films(connection: AsyncConnection, request: Request) -> dict[str, Recipe]:
    """By key: the film that was asked for, and those of the same words that its requests stand on, since memory was short for it."""
    films = {request.film_key: request.recipe}
    if request.prompt is None:
        return films
    prompt = Prompt.parse(request.prompt)
    same = (requests.c.tenant == request.tenant, requests.c.film_key == request.film_key)
    for table, named in ((jobs, requests.c.job_id), (clips, requests.c.clip_id)):
        query = select(table.c.scope, table.c.film_key, recipes.c.fields).join(recipes, recipes.c.key == table.c.recipe_key)
        for row in await connection.execute(query.where(table.c.tenant == request.tenant, table.c.id.in_(select(named).where(*same)))):
            film = Film(row.scope, prompt, Recipe.from_fields(row.fields))
            if film.key == row.film_key:  # else it is another's, whom a request joined, or is served, by nearness
                films[film.key] = film.recipe
    return films


class Scrubbing:
    """Empties SQLite's log once words were deleted. `due` is asked for by whoever deletes; at the start it always is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = True

    def due(self) -> None:
        self._due = True

    async def run_once(self) -> None:
        """Stays due until it was done: where a reader was in the way, the database is away, or whoever began it left."""
        if self._due:
            self._due, emptied = False, False
            try:
                emptied = await self._database.truncate_log()
            finally:
                self._due = self._due or not emptied
