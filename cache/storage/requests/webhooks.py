"""Webhooks at rest: which requests somebody wants to be called about, and how far each call is.

A row is written with its request and goes with it. It is claimed by moving `due_at` past the claim's lease, so a process that
dies in the middle only delays it; the attempt number is the fence, as in the queue of jobs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import and_, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database.database import Database
from cache.storage.tables import now, requests, webhooks

WebhookState = Literal["waiting", "delivered", "failed"]
_LONGEST_TROUBLE = 200  # characters

# A request that ended and was not deleted: there is something to tell.
_TOLD = and_(or_(requests.c.clip_id.is_not(None), requests.c.error_code.is_not(None)), requests.c.deleted_at.is_(None))


@dataclass(frozen=True)
class Webhook:
    """A claimed call. `attempt` counts from 1."""

    request_id: str
    tenant: str
    url: str
    attempt: int


@dataclass(frozen=True)
class WebhookRow:
    """A call as operators see it; check may_read before showing `url`. Times are Unix seconds."""

    request_id: str
    tenant: str
    url: str
    state: WebhookState
    attempts: int
    due_at: float
    status: int | None
    trouble: str | None
    created_at: float
    ended_at: float | None


async def add_webhook(connection: AsyncConnection, tenant: str, request_id: str, url: str) -> None:
    """In the transaction that writes the request down."""
    row = {"request_id": request_id, "tenant": tenant, "url": url, "state": "waiting", "due_at": now(), "created_at": now()}
    await connection.execute(insert(webhooks).values(**row))


class Webhooks:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease: float, without: Collection[str] = ()) -> Webhook | None:
        """The call that is due for longest, now this process's for `lease` seconds; none of the tenants in `without`."""
        w = webhooks.c
        due = select(w.request_id, w.tenant, w.url, w.attempts).join(requests, requests.c.id == w.request_id)
        due = due.where(w.state == "waiting", w.due_at <= now(), _TOLD, w.tenant.not_in(list(without))).order_by(w.due_at).limit(1)
        async with self._database.read() as connection:
            row = (await connection.execute(due)).one_or_none()
        if row is None:
            return None
        mine = update(webhooks).where(w.request_id == row.request_id, w.attempts == row.attempts, w.state == "waiting")
        async with self._database.write() as connection:
            claimed = await connection.execute(mine.values(attempts=w.attempts + 1, due_at=now() + literal(lease)))
        # Another gateway was faster: the next look finds another row, or none.
        return Webhook(row.request_id, row.tenant, row.url, row.attempts + 1) if claimed.rowcount else await self.claim(lease, without)

    async def delivered(self, webhook: Webhook, status: int) -> None:
        await self._end(webhook, {"state": "delivered", "status": status, "trouble": None, "ended_at": now()})

    async def gave_up(self, webhook: Webhook, status: int | None, trouble: str) -> None:
        told = {"status": status, "trouble": trouble[:_LONGEST_TROUBLE]}
        await self._end(webhook, {"state": "failed", "ended_at": now(), **told})

    async def again(self, webhook: Webhook, status: int | None, trouble: str, seconds: float) -> None:
        """It is due again in so many seconds."""
        told = {"status": status, "trouble": trouble[:_LONGEST_TROUBLE]}
        await self._end(webhook, {"due_at": now() + literal(seconds), **told})

    async def _end(self, webhook: Webhook, changes: dict[str, object]) -> None:
        """Changes nothing where the row is gone, or the lease ran out and another process has claimed it since."""
        mine = and_(webhooks.c.request_id == webhook.request_id, webhooks.c.attempts == webhook.attempt, webhooks.c.state == "waiting")
        async with self._database.write() as connection:
            await connection.execute(update(webhooks).where(mine).values(**changes))

    async def page(self, before: str | None, limit: int) -> tuple[list[WebhookRow], bool]:
        """A page of all tenants' webhooks, newest request first, and whether more follow."""
        query = select(webhooks).order_by(webhooks.c.request_id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(webhooks.c.request_id < before)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found = [
            WebhookRow(
                row.request_id, row.tenant, row.url, cast(WebhookState, row.state), row.attempts, row.due_at, row.status, row.trouble,
                row.created_at, row.ended_at,
            )
            for row in rows[:limit]
        ]  # fmt: skip
        return found, len(rows) > limit
