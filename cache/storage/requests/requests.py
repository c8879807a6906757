"""Requests at rest. A row is committed before its answer is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Row, and_, bindparam, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import NotFound
from cache.ids import is_id
from cache.recipe import Recipe
from cache.request import Request
from cache.storage.database.database import Database
from cache.storage.database.rows import insert_ignoring, keep_recipe, request_row
from cache.storage.requests.hits import Hits, was_judged
from cache.storage.requests.webhooks import add_webhook
from cache.storage.tables import JUDGED, clips, idempotency, now, recipes, requests
from cache.verdict import Refusal

# Neither answered nor given up. In exactly this form: it is the condition of the index of waiting requests.
WAITING = and_(
    requests.c.clip_id.is_(None), requests.c.error_code.is_(None), requests.c.cancelled_at.is_(None), requests.c.deleted_at.is_(None)
)  # fmt: skip

_INSERT = insert(requests)
_JUDGED_BEFORE = select(requests.c.id).where(requests.c.spec_key == bindparam("key"), literal_column(f"({JUDGED})")).limit(1)
_COUNT_HITS = (
    update(clips).where(clips.c.id == bindparam("clip")).values(hits=clips.c.hits + bindparam("count"), last_hit_at=bindparam("at"))
)


class Requests:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._hits = Hits(database)

    async def record_hit(self, request: Request) -> bool:
        """Commits an exact or near hit together with others. False, and no row, if its clip went out of service in the meantime."""
        return await self._hits.record(request)

    async def insert(self, connection: AsyncConnection, request: Request, webhook_url: str | None = None) -> None:
        """Inside the caller's transaction. `webhook_url`: where the end of the request is told."""
        await keep_recipe(connection, request.recipe)
        # A cache of exact matches would have the prompts that were answered by nearness before.
        before = was_judged(request) and (await connection.execute(_JUDGED_BEFORE, {"key": request.spec_key})).first() is not None
        await connection.execute(_INSERT, request_row(request) | {"asked_before": before})
        if webhook_url is not None:
            await add_webhook(connection, request.tenant, request.id, webhook_url)

    async def count_hit(self, connection: AsyncConnection, request: Request) -> None:
        """Inside the caller's transaction; group commit counts its own."""
        await connection.execute(_COUNT_HITS, {"clip": request.clip_id, "count": 1, "at": request.created_at})

    async def by_id(self, tenant: str, request_id: str) -> Request:
        """A request of the tenant. Raises NotFound for another tenant's id just as for an unknown one."""
        if not is_id("video", request_id):
            raise NotFound(f"no video has the id {request_id[:64]!r}", "video_id")
        query = ALL_REQUESTS.where(requests.c.id == request_id, requests.c.tenant == tenant, requests.c.deleted_at.is_(None))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"no video has the id {request_id!r}", "video_id")
        return request_of(row)

    async def tenant_of(self, request_id: str) -> str:
        """For whoever holds a signed link to it. Raises NotFound also for a deleted request."""
        query = select(requests.c.tenant).where(requests.c.id == request_id, requests.c.deleted_at.is_(None))
        async with self._database.read() as connection:
            tenant: str | None = (await connection.execute(query)).scalar_one_or_none()
        if tenant is None:
            raise NotFound(f"no video has the id {request_id[:64]!r}", "video_id")
        return tenant

    async def page(self, tenant: str, after: str | None, limit: int, order: Literal["asc", "desc"]) -> tuple[list[Request], bool]:
        """One page, and whether more follow. Ids sort by creation time, so the cursor is an id, deleted or not."""
        query = ALL_REQUESTS.where(requests.c.tenant == tenant, requests.c.deleted_at.is_(None))
        if after is not None:
            query = query.where(requests.c.id < after if order == "desc" else requests.c.id > after)
        query = query.order_by(requests.c.id.desc() if order == "desc" else requests.c.id.asc()).limit(limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [request_of(row) for row in rows[:limit]], len(rows) > limit

    async def orphans(self, limit: int) -> list[Request]:
        """Waiting requests without a job, oldest first: the one that they had joined by nearness failed or was cancelled."""
        query = ALL_REQUESTS.where(WAITING, requests.c.job_id.is_(None)).order_by(requests.c.id).limit(limit)
        async with self._database.read() as connection:
            return [request_of(row) for row in await connection.execute(query)]

    async def give_up(self, request_id: str, code: str, message: str) -> None:
        """Fails an orphan that cannot get a job; one that no longer waits, or has a job by now, stays as it is."""
        orphaned = and_(requests.c.id == request_id, requests.c.job_id.is_(None), WAITING)
        async with self._database.write() as connection:
            await connection.execute(update(requests).where(orphaned).values(error_code=code, error_message=message))

    async def mark_downloaded(self, request_id: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(requests).where(requests.c.id == request_id, requests.c.downloaded_at.is_(None)).values(downloaded_at=now())
            )

    async def remembered(self, connection: AsyncConnection, tenant: str, key: str) -> tuple[str, str] | None:
        """The body digest and request id of an Idempotency-Key."""
        query = select(idempotency.c.body, idempotency.c.request_id).where(idempotency.c.tenant == tenant, idempotency.c.key == key)
        row = (await connection.execute(query)).one_or_none()
        return None if row is None else (row.body, row.request_id)

    async def remember(self, connection: AsyncConnection, tenant: str, key: str, body: str, request_id: str) -> bool:
        """Records an Idempotency-Key; False if another request took it first."""
        row = {"tenant": tenant, "key": key, "body": body, "request_id": request_id, "created_at": now()}
        # By RETURNING: on PostgreSQL the driver's row count of an INSERT is -1 in both cases.
        taken = insert_ignoring(connection, idempotency).values(**row).returning(idempotency.c.key)
        return (await connection.execute(taken)).first() is not None

    async def close(self) -> None:
        await self._hits.close()


ALL_REQUESTS = select(requests, recipes.c.fields).join(recipes, recipes.c.key == requests.c.recipe_key)


def request_of(row: Row[Any]) -> Request:
    refused: list[Mapping[str, Any]] = row.refused
    return Request(
        id=row.id,
        tenant=row.tenant,
        scope=row.scope,
        created_at=row.created_at,
        prompt=row.prompt,
        spec_key=row.spec_key,
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
        key_id=row.key_id,
        end_user=row.end_user,
        metadata=row.metadata,
    )
