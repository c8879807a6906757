"""Erasure: it removes a prompt, a negative prompt and what was derived from them from all rows.

A negative prompt is in its Recipe's row, which others may name, too, and so is the digest of a picture: a row whose words must go names
the Recipe without them from then on, and the last one to leave deletes the Recipe's row. The picture goes once nothing needs it. SQLite
zeroes what is deleted (secure_delete); `Scrubbing` empties its log, which still holds the pages as they were. On PostgreSQL the words are
gone for SQL at once and from the disk with the next vacuum.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.request import Request
from cache.storage.clips.pool import withdraw_shared
from cache.storage.clips.shelf import ERASED, Shelf, strip
from cache.storage.database.database import Database
from cache.storage.database.rows import forget_recipe, keep_recipe, next_sequence
from cache.storage.tables import (
    audits,
    clip_vectors,
    clips,
    ghosts,
    idempotency,
    jobs,
    now,
    plan_covers,
    plan_prompts,
    plans,
    recipes,
    requests,
)
from cache.variant import Spec


async def forget_words_of_job(connection: AsyncConnection, job_id: str) -> None:
    """Removes the negative prompt and the picture of a closed job in the transaction that closes it; its prompt is gone already."""
    query = select(jobs.c.keep_words, recipes.c.fields).join(recipes, recipes.c.key == jobs.c.recipe_key).where(jobs.c.id == job_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None or row.keep_words:
        return
    recipe = Recipe.from_fields(row.fields)
    if not recipe.worded:
        return
    await keep_recipe(connection, recipe.without_words)
    await connection.execute(update(jobs).where(jobs.c.id == job_id).values(recipe_key=recipe.without_words.key))
    await forget_recipe(connection, recipe)


async def withdraw_unheld(connection: AsyncConnection, shelf: Shelf, clip_ids: list[str]) -> None:
    """Withdraws those of `clip_ids` that no request holds."""
    held = select(requests.c.clip_id).where(requests.c.clip_id.in_(clip_ids), requests.c.deleted_at.is_(None))
    holding = set((await connection.scalars(held)).all())
    await shelf.withdraw_in(connection, [clip_id for clip_id in clip_ids if clip_id not in holding], ERASED)


class Erasure:
    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database, self._shelf = database, shelf

    async def erase(self, request: Request) -> None:
        """Removes the words of this request from every row of its tenant: this request and all others of the same words, the
        clips made for them, and the shared pool. The clip itself is withdrawn if no other request holds it.
        """
        async with self._database.write() as connection:
            await next_sequence(connection)
            # It may have got its clip since it was read.
            clip_id = (await connection.execute(select(requests.c.clip_id).where(requests.c.id == request.id))).scalar_one_or_none()
            gone: dict[str, object] = {"deleted_at": now(), "end_user": None, "metadata": {}}
            await connection.execute(update(requests).where(requests.c.id == request.id).values(gone))
            await self.erase_words(connection, request)
            await self.withdraw_own(connection, request.tenant, [] if clip_id is None else [clip_id])
        await self._shelf.collect(grace=float("inf"))
        if request.recipe.picture:
            await self._shelf.pictures.erase(request.scope, request.recipe.picture)

    async def erase_words(self, connection: AsyncConnection, request: Request) -> None:
        """The words of `request` in every row of its tenant, in the caller's transaction; the clips stay for those who hold them."""
        same = (requests.c.tenant == request.tenant, requests.c.spec_key == request.spec_key)
        specs = await _specs(connection, request)
        for recipe in specs.values():
            await keep_recipe(connection, recipe.without_words)
        plain = request.recipe.without_words
        await connection.execute(update(requests).where(*same).values(prompt=None, notes=[], refused=[], recipe_key=plain.key))
        named = select(requests.c.id).where(*same)
        await connection.execute(delete(idempotency).where(idempotency.c.tenant == request.tenant, idempotency.c.request_id.in_(named)))
        await self._erase_clips(connection, request, specs)
        await self._erase_plans(connection, request, list(specs))
        for spec_key, recipe in specs.items():
            closed = (jobs.c.tenant == request.tenant, jobs.c.spec_key == spec_key, jobs.c.state.not_in(("queued", "leased")))
            await connection.execute(update(jobs).where(*closed).values(recipe_key=recipe.without_words.key))
            if recipe.worded:
                await forget_recipe(connection, recipe)

    async def withdraw_own(self, connection: AsyncConnection, tenant: str, clip_ids: Collection[str]) -> list[str]:
        """Withdraws those of `clip_ids` that are the tenant's and that no request holds, and removes their words; returns those that
        were in service.
        """
        held = select(requests.c.clip_id).where(requests.c.clip_id == clips.c.id, requests.c.deleted_at.is_(None))
        query = select(clips.c.id).where(clips.c.id.in_(clip_ids), clips.c.tenant == tenant, ~held.exists())
        unheld = list((await connection.scalars(query)).all())
        for clip_id in unheld:
            await withdraw_shared(connection, clip_id)
        turned = await self._shelf.withdraw_in(connection, unheld, ERASED)
        # Clips withdrawn before are deleted at once, too, and no undo restores them.
        gone = (clips.c.id.in_(unheld), clips.c.state == "withdrawn")
        await connection.execute(update(clips).where(*gone).values(withdrawn_reason=ERASED))
        await strip(connection, unheld)
        return turned

    async def _erase_clips(self, connection: AsyncConnection, request: Request, specs: dict[str, Recipe]) -> None:
        made = select(clips.c.id, clips.c.spec_key).where(clips.c.tenant == request.tenant, clips.c.spec_key.in_(specs))
        for clip_id, spec_key in (await connection.execute(made)).all():
            # A change like any other: every index drops the vector, from which the words could be guessed.
            bare = {"prompt": None, "recipe_key": specs[spec_key].without_words.key, "sequence": await next_sequence(connection)}
            await connection.execute(update(clips).where(clips.c.id == clip_id).values(**bare))
            await connection.execute(delete(clip_vectors).where(clip_vectors.c.clip_id == clip_id))
            await withdraw_shared(connection, clip_id)
        await self._erase_audits(connection, request)

    async def _erase_plans(self, connection: AsyncConnection, request: Request, specs: list[str]) -> None:
        """Erases the words from plans, ghosts and open jobs, whose clips then come without them."""
        mine = select(plans.c.id).where(plans.c.tenant == request.tenant)
        planned = (plan_prompts.c.plan_id.in_(mine), plan_prompts.c.spec_key == request.spec_key)
        await connection.execute(delete(ghosts).where(ghosts.c.tenant == request.tenant, ghosts.c.spec_key.in_(specs)))
        coming = (jobs.c.tenant == request.tenant, jobs.c.spec_key.in_(specs), jobs.c.state.in_(("queued", "leased")))
        await connection.execute(update(jobs).where(*coming).values(keep_words=False))
        made = (await connection.scalars(select(plan_prompts.c.clip_id).where(*planned, plan_prompts.c.state == "made"))).all()
        await withdraw_unheld(connection, self._shelf, [clip_id for clip_id in made if clip_id is not None])
        plain = request.recipe.without_words
        await connection.execute(update(plan_prompts).where(*planned).values(prompt=None, recipe_key=plain.key))
        covered = (plan_covers.c.plan_id.in_(mine), plan_covers.c.spec_key == request.spec_key)
        await connection.execute(update(plan_covers).where(*covered).values(prompt=None))

    async def _erase_audits(self, connection: AsyncConnection, request: Request) -> None:
        """Withdraws the clips of audits of these words, unless a request was answered with one since. An audit
        being rendered now is erased when it is done: see gateway/upkeep/auditing.py.
        """
        same = select(requests.c.id).where(requests.c.tenant == request.tenant, requests.c.spec_key == request.spec_key)
        held = select(requests.c.clip_id).where(requests.c.clip_id.is_not(None), requests.c.deleted_at.is_(None))
        made = select(audits.c.clip_id).where(audits.c.request_id.in_(same), audits.c.clip_id.is_not(None), audits.c.clip_id.not_in(held))
        await self._shelf.withdraw_in(connection, (await connection.scalars(made)).all(), ERASED)
        await connection.execute(delete(audits).where(audits.c.request_id.in_(same), audits.c.state != "asked"))


async def _specs(connection: AsyncConnection, request: Request) -> dict[str, Recipe]:
    """The Recipes by `spec_key`: the requested one, and smaller ones that its jobs were changed to for lack of memory."""
    specs = {request.spec_key: request.recipe}
    if request.prompt is None:
        return specs
    prompt = Prompt.parse(request.prompt)
    same = (requests.c.tenant == request.tenant, requests.c.spec_key == request.spec_key)
    for table, named in ((jobs, requests.c.job_id), (clips, requests.c.clip_id)):
        query = select(table.c.scope, table.c.spec_key, recipes.c.fields).join(recipes, recipes.c.key == table.c.recipe_key)
        for row in await connection.execute(query.where(table.c.tenant == request.tenant, table.c.id.in_(select(named).where(*same)))):
            spec = Spec(row.scope, prompt, Recipe.from_fields(row.fields))
            if spec.key == row.spec_key:  # else it belongs to another prompt, which answered by nearness
                specs[spec.key] = spec.recipe
    return specs


class Scrubbing:
    """Empties SQLite's log after words were deleted. Code that deletes calls `due`; at the start it is always due."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = True

    def due(self) -> None:
        self._due = True

    async def run_once(self) -> None:
        """Empties the log if due. It stays due if a reader is in the way, the database is away, or the task is cancelled."""
        if self._due:
            self._due, emptied = False, False
            try:
                emptied = await self._database.truncate_log()
            finally:
                self._due = self._due or not emptied
