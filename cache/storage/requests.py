"""Requests at rest. A row is committed before its answer leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import NotFound
from cache.ids import is_id
from cache.recipe import Recipe
from cache.request import Request
from cache.storage.database import Database
from cache.storage.group_commit import GroupCommit
from cache.storage.rows import insert_ignoring, keep_recipe
from cache.storage.tables import clips, idempotency, now, recipes, requests
from cache.verdict import Refusal

_INSERT = insert(requests)
_ALIVE = select(clips.c.id).where(clips.c.id.in_(bindparam("named", expanding=True)), clips.c.state == "live")
_COUNT_HITS = (
    update(clips).where(clips.c.id == bindparam("clip")).values(hits=clips.c.hits + bindparam("count"), last_hit_at=bindparam("at"))
)


class Requests:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._hits: GroupCommit[Request, bool] = GroupCommit(self._commit_hits)

    async def record_hit(self, request: Request) -> bool:
        """Commit an exact or near hit together with others. False, and no row: its clip went out of service meanwhile."""
        return await self._hits.add(request)

    async def _commit_hits(self, batch: list[Request]) -> list[bool]:
        alive = await self._database.transact(lambda connection: _commit(connection, batch))
        return [request.clip_id in alive for request in batch]

    async def insert(self, connection: AsyncConnection, request: Request) -> None:
        """Inside the caller's transaction."""
        await keep_recipe(connection, request.recipe)
        await connection.execute(_INSERT, row_of(request))

    async def count_hit(self, connection: AsyncConnection, request: Request) -> None:
        """Inside the caller's transaction; group commit counts its own."""
        await connection.execute(_COUNT_HITS, {"clip": request.clip_id, "count": 1, "at": request.created_at})

    async def by_id(self, tenant: str, request_id: str) -> Request:
        """NotFound for another tenant's id, as for one that never was."""
        if not is_id("video", request_id):
            raise NotFound(f"no video has the id {request_id[:64]!r}", "video_id")
        query = _ALL.where(requests.c.id == request_id, requests.c.tenant == tenant, requests.c.deleted_at.is_(None))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"no video has the id {request_id!r}", "video_id")
        return request_of(row)

    async def page(self, tenant: str, after: str | None, limit: int, order: Literal["asc", "desc"]) -> tuple[list[Request], bool]:
        """One page, and whether more follow. Ids sort by their making, so the cursor is an id, deleted or not."""
        query = _ALL.where(requests.c.tenant == tenant, requests.c.deleted_at.is_(None))
        if after is not None:
            query = query.where(requests.c.id < after if order == "desc" else requests.c.id > after)
        query = query.order_by(requests.c.id.desc() if order == "desc" else requests.c.id.asc()).limit(limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [request_of(row) for row in rows[:limit]], len(rows) > limit

    async def orphans(self, limit: int) -> list[Request]:
        """Requests that wait for no job: the one that they had joined by nearness failed or was cancelled."""
        waiting = (requests.c.clip_id.is_(None), requests.c.error_code.is_(None), requests.c.deleted_at.is_(None))
        query = _ALL.where(*waiting, requests.c.job_id.is_(None)).order_by(requests.c.id).limit(limit)
        async with self._database.read() as connection:
            return [request_of(row) for row in await connection.execute(query)]

    async def mark_downloaded(self, request_id: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(requests).where(requests.c.id == request_id, requests.c.downloaded_at.is_(None)).values(downloaded_at=now())
            )

    async def remembered(self, connection: AsyncConnection, tenant: str, key: str) -> tuple[str, str] | None:
        """The body digest and request id that an Idempotency-Key stands for."""
        query = select(idempotency.c.body, idempotency.c.request_id).where(idempotency.c.tenant == tenant, idempotency.c.key == key)
        row = (await connection.execute(query)).one_or_none()
        return None if row is None else (row.body, row.request_id)

    async def remember(self, connection: AsyncConnection, tenant: str, key: str, body: str, request_id: str) -> bool:
        """False where another request took the key first."""
        row = {"tenant": tenant, "key": key, "body": body, "request_id": request_id, "created_at": now()}
        taken = await connection.execute(insert_ignoring(connection, idempotency).values(**row))
        return bool(taken.rowcount)

    async def close(self) -> None:
        await self._hits.close()


def _commit(connection: Connection, batch: list[Request]) -> set[str]:
    """Rows for all whose clip still answers; returns those clips."""
    alive = set(connection.scalars(_ALIVE, {"named": list({request.clip_id for request in batch})}))
    kept = [request for request in batch if request.clip_id in alive]
    if kept:
        connection.execute(_INSERT, [row_of(request) for request in kept])
        counts = Counter(str(request.clip_id) for request in kept)
        at = kept[-1].created_at
        # In the order of ids: two gateways that count the same clips must not wait for each other in a circle.
        connection.execute(_COUNT_HITS, [{"clip": clip, "count": count, "at": at} for clip, count in sorted(counts.items())])
    return alive


_ALL = select(requests, recipes.c.fields).join(recipes, recipes.c.key == requests.c.recipe_key)


def row_of(request: Request) -> dict[str, object]:
    return {
        "id": request.id,
        "tenant": request.tenant,
        "scope": request.scope,
        "created_at": request.created_at,
        "completed_at": request.completed_at,
        "expires_at": request.expires_at,
        "prompt": request.prompt,
        "film_key": request.film_key,
        "recipe_key": request.recipe.key,
        "quality": request.recipe.quality,
        "pinned_seed": request.pinned_seed,
        "take": request.take,
        "priority": request.priority,
        "tags": request.tags,
        "no_store": request.no_store,
        "verdict": request.verdict,
        "reason": request.reason,
        "similarity": request.similarity,
        "confidence": request.confidence,
        "refused": [asdict(refusal) for refusal in request.refused],
        "notes": request.notes,
        "clip_id": request.clip_id,
        "job_id": request.job_id,
        "gpu_seconds_saved": request.gpu_seconds_saved,
        "error_code": request.error_code,
        "error_message": request.error_message,
    }


def request_of(row: Row[Any]) -> Request:
    refused: list[Mapping[str, Any]] = row.refused
    return Request(
        id=row.id,
        tenant=row.tenant,
        scope=row.scope,
        created_at=row.created_at,
        prompt=row.prompt,
        film_key=row.film_key,
        recipe=Recipe.from_fields(row.fields),
        pinned_seed=row.pinned_seed,
        take=row.take,
        priority=row.priority,
        verdict=row.verdict,
        tags=tuple(row.tags),
        no_store=row.no_store,
        reason=row.reason,
        similarity=row.similarity,
        confidence=row.confidence,
        refused=tuple(Refusal(**fields) for fields in refused),
        notes=tuple(row.notes),
        clip_id=row.clip_id,
        job_id=row.job_id,
        gpu_seconds_saved=row.gpu_seconds_saved,
        error_code=row.error_code,
        error_message=row.error_message,
        completed_at=row.completed_at,
        expires_at=row.expires_at,
    )
