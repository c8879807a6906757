"""The traces of one end user of a tenant: read in pages, and removed a Spec at a time.

The user's requests lose their words, the user's id, metadata and tags; the rows stay, to be counted. Where others of the tenant asked
for the same words, those are theirs, too, and stay with them. The user's own scope goes with all its clips.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.request import Request
from cache.storage.clips.shelf import ERASED, Shelf
from cache.storage.database.database import Database
from cache.storage.database.rows import forget_recipe, keep_recipe, next_sequence
from cache.storage.requests.erasure import Erasure
from cache.storage.requests.requests import ALL_REQUESTS, WAITING, request_of
from cache.storage.requests.webhooks import WebhookState
from cache.storage.tables import clip_vectors, clips, ghosts, idempotency, jobs, labels, now, requests, webhooks
from cache.variant import asker_of, tenant_scope, user_scope

_AT_ONCE = 200  # clips per transaction


@dataclass(frozen=True)
class KeptRequest:
    """Everything held of one request. `deleted_at`: withdrawn by the client. `said`: feedback, as (satisfied, Unix seconds)."""

    request: Request
    deleted_at: float | None
    webhook_url: str | None
    webhook_state: WebhookState | None
    said: Sequence[tuple[bool, float]]


@dataclass(frozen=True)
class _Words:
    prompt: str
    end_user: str | None


class EndUserRows:
    def __init__(self, database: Database, shelf: Shelf, erasure: Erasure) -> None:
        self._database, self._shelf, self._erasure = database, shelf, erasure

    async def page(self, tenant: str, end_user: str, after: str | None, limit: int) -> tuple[list[KeptRequest], bool]:
        """The user's requests, oldest first, deleted ones too, and whether more follow."""
        query = _asked(tenant, end_user).add_columns(webhooks.c.url, webhooks.c.state)
        query = query.outerjoin(webhooks, webhooks.c.request_id == requests.c.id).limit(limit + 1)
        if after is not None:
            query = query.where(requests.c.id > after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            said = await _said(connection, [row.id for row in rows[:limit]])
        return [_kept(row, said.get(row.id, [])) for row in rows[:limit]], len(rows) > limit

    async def some(self, tenant: str, end_user: str, limit: int) -> list[Request]:
        """Requests that still name the user."""
        async with self._database.read() as connection:
            return [request_of(row) for row in await connection.execute(_asked(tenant, end_user).limit(limit))]

    async def waiting(self, tenant: str, end_user: str) -> list[str]:
        """Those that wait for a job; of no-store, which names nobody, those in the user's own scope."""
        named = or_(requests.c.end_user == end_user, requests.c.scope == user_scope(tenant, end_user))
        async with self._database.read() as connection:
            return list((await connection.scalars(select(requests.c.id).where(WAITING, requests.c.tenant == tenant, named))).all())

    async def erase(self, tenant: str, end_user: str, asked: Sequence[Request]) -> tuple[int, int]:
        """Erases `asked`, requests of the user for one Spec; returns how many they were, and the clips that went out of service."""
        words = next((request for request in asked if request.prompt is not None), asked[0])
        same = and_(requests.c.tenant == tenant, requests.c.spec_key == words.spec_key)
        mine = and_(same, requests.c.id.in_([request.id for request in asked]), requests.c.end_user == end_user)
        async with self._database.write() as connection:
            await next_sequence(connection)
            held = (await connection.execute(select(requests.c.id, requests.c.clip_id).where(mine))).all()
            ids = [row.id for row in held]
            if not await _others(connection, tenant, words.spec_key, end_user):
                await self._erasure.erase_words(connection, words)
            await keep_recipe(connection, words.recipe.without_words)
            gone: dict[str, object] = {
                "deleted_at": func.coalesce(requests.c.deleted_at, now()), "end_user": None, "metadata": {}, "tags": [], "prompt": None,
                "notes": [], "refused": [], "recipe_key": words.recipe.without_words.key, "scope": tenant_scope(tenant),
            }  # fmt: skip
            await connection.execute(update(requests).where(requests.c.id.in_(ids)).values(**gone))
            await connection.execute(delete(webhooks).where(webhooks.c.request_id.in_(ids)))
            await connection.execute(delete(idempotency).where(idempotency.c.tenant == tenant, idempotency.c.request_id.in_(ids)))
            if words.recipe.worded:
                await forget_recipe(connection, words.recipe)
            named = {row.clip_id for row in held if row.clip_id is not None}
            went = await self._erasure.withdraw_own(connection, tenant, named)
        if words.recipe.picture:
            await self._shelf.pictures.erase(words.scope, words.recipe.picture)
        return len(held), len(went)

    async def erase_clips(self, tenant: str, end_user: str) -> int:
        """Erases what no request names any more: the user's own scope, and the words of clips and jobs that were made for the user. Returns
        how many clips went out of service.
        """
        mark, went = user_scope(tenant, end_user), 0
        alive = or_(clips.c.state != "withdrawn", clips.c.withdrawn_reason.is_(None), ~clips.c.withdrawn_reason.startswith(ERASED))
        own = and_(clips.c.tenant == tenant, clips.c.scope == mark, alive)
        while ids := await self._ids(own):
            async with self._database.write() as connection:
                await next_sequence(connection)
                went += len(await self._erasure.withdraw_own(connection, tenant, ids))
        named = and_(clips.c.tenant == tenant, clips.c.asker == mark)
        while ids := await self._ids(named):
            async with self._database.write() as connection:
                await next_sequence(connection)
                went += await self._pass_on(connection, tenant, end_user, ids)
        async with self._database.write() as connection:
            await next_sequence(connection)
            await self._erase_traces(connection, tenant, end_user)
        while await self._shelf.collect(grace=float("inf")):
            pass
        await self._shelf.pictures.erase(mark)
        return went

    async def _ids(self, condition: ColumnElement[bool]) -> list[str]:
        async with self._database.read() as connection:
            return list((await connection.scalars(select(clips.c.id).where(condition).limit(_AT_ONCE))).all())

    async def _pass_on(self, connection: AsyncConnection, tenant: str, end_user: str, ids: Iterable[str]) -> int:
        """A clip of words that others asked for, too, has theirs from now on; of any other the words go, and it with them where nobody
        holds it.
        """
        bare = []
        for row in (await connection.execute(select(clips.c.id, clips.c.spec_key).where(clips.c.id.in_(list(ids))))).all():
            theirs = await _others(connection, tenant, row.spec_key, end_user)
            words: dict[str, object] = {"prompt": None, "asker": None}
            if theirs is not None:
                words = {"prompt": theirs.prompt, "asker": asker_of(tenant, theirs.end_user)}
            else:
                bare.append(row.id)
                await connection.execute(delete(clip_vectors).where(clip_vectors.c.clip_id == row.id))
            kept = clips.c.prompt.is_not(None)  # words that went for another reason do not come back
            sequence = await next_sequence(connection)
            await connection.execute(update(clips).where(clips.c.id == row.id, kept).values(sequence=sequence, **words))
            await connection.execute(update(clips).where(clips.c.id == row.id).values(asker=words["asker"]))
        return len(await self._erasure.withdraw_own(connection, tenant, bare))

    async def _erase_traces(self, connection: AsyncConnection, tenant: str, end_user: str) -> None:
        mark = user_scope(tenant, end_user)
        coming = (jobs.c.asker == mark, jobs.c.state.in_(("queued", "leased")))
        for row in (await connection.execute(select(jobs.c.id, jobs.c.spec_key).where(*coming))).all():
            theirs = await _others(connection, tenant, row.spec_key, end_user)
            words: dict[str, object] = {"keep_words": False, "asker": None}
            if theirs is not None:
                words = {"prompt": theirs.prompt, "asker": asker_of(tenant, theirs.end_user)}
            await connection.execute(update(jobs).where(jobs.c.id == row.id).values(**words))
        done = (jobs.c.tenant == tenant, or_(jobs.c.asker == mark, jobs.c.scope == mark), jobs.c.state.not_in(("queued", "leased")))
        await connection.execute(update(jobs).where(*done).values(asker=None, scope=tenant_scope(tenant), tags=[]))
        await connection.execute(delete(ghosts).where(ghosts.c.tenant == tenant, ghosts.c.scope == mark))
        await connection.execute(delete(labels).where(labels.c.scope == mark))
        unnamed = (requests.c.tenant == tenant, requests.c.scope == mark)
        await connection.execute(update(requests).where(*unnamed).values(scope=tenant_scope(tenant), tags=[]))


async def askers(connection: AsyncConnection, clip_ids: Collection[str]) -> dict[str, str | None]:
    """The end users whose words clips were made for, by their ids; clips that are gone are left out."""
    rows = await connection.execute(select(clips.c.id, clips.c.asker).where(clips.c.id.in_(sorted(clip_ids))))
    return {row.id: row.asker for row in rows}


def _asked(tenant: str, end_user: str) -> Select[Any]:
    named = (requests.c.tenant == tenant, requests.c.end_user == end_user)
    return ALL_REQUESTS.add_columns(requests.c.deleted_at).where(*named).order_by(requests.c.id)


async def _others(connection: AsyncConnection, tenant: str, spec_key: str, end_user: str) -> _Words | None:
    """The words of the first one else who asked for this Spec, and who that was."""
    query = select(requests.c.prompt, requests.c.end_user).where(
        requests.c.tenant == tenant, requests.c.spec_key == spec_key, requests.c.prompt.is_not(None),
        requests.c.end_user.is_distinct_from(end_user),
    )  # fmt: skip
    row = (await connection.execute(query.order_by(requests.c.id).limit(1))).first()
    return None if row is None else _Words(row.prompt, row.end_user)


async def _said(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[tuple[bool, float]]]:
    query = select(labels.c.request_id, labels.c.right, labels.c.created_at)
    found: dict[str, list[tuple[bool, float]]] = {}
    for row in await connection.execute(query.where(labels.c.request_id.in_(ids), labels.c.source == "client").order_by(labels.c.id)):
        found.setdefault(row.request_id, []).append((row.right, row.created_at))
    return found


def _kept(row: Row[Any], said: Sequence[tuple[bool, float]]) -> KeptRequest:
    return KeptRequest(request_of(row), row.deleted_at, row.url, row.state, said)
