"""Shadow audits at rest: near hits whose prompt is rendered anew, so that a person sees both films side by side."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import and_, delete, exists, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database import Database
from cache.storage.rows import insert_ignoring, next_sequence
from cache.storage.shelf import ERASED, Shelf
from cache.storage.tables import clips, jobs, now, requests
from cache.storage.tables_for_operators import audits

_MOST = 1000  # near hits looked at in one step


@dataclass(frozen=True)
class Audit:
    request_id: str
    tenant: str
    served_clip_id: str


def chosen(request_id: str, share: float) -> bool:
    """Of all requests this share, the same ones at every gateway and after every restart."""
    return int.from_bytes(sha256(request_id.encode()).digest()[:8]) < share * 2**64


class Audits:
    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database, self._shelf = database, shelf

    async def choose(self, share: float, seconds: float) -> int:
        """Notes the chosen near hits of the last `seconds`; how many are new. Any number of gateways may do it at once."""
        noted, after = 0, ""
        clip = and_(clips.c.id == requests.c.clip_id, clips.c.scope == requests.c.scope)
        known = exists().where(audits.c.request_id == requests.c.id)
        # What cannot be looked at is not rendered: words that are not kept, and clips of the shared pool, which are another's.
        query = select(requests.c.id, requests.c.tenant, requests.c.clip_id).join(clips, clip).where(
            requests.c.verdict == "near", requests.c.created_at >= now() - literal(seconds), requests.c.prompt.is_not(None),
            requests.c.no_store.is_(False), requests.c.deleted_at.is_(None), ~known,
        )  # fmt: skip
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(query.where(requests.c.id > after).order_by(requests.c.id).limit(_MOST))).all()
            fresh = [
                {"request_id": row.id, "tenant": row.tenant, "served_clip_id": row.clip_id, "state": "waiting", "created_at": now()}
                for row in rows
                if chosen(row.id, share)
            ]
            if fresh:
                async with self._database.write() as connection:
                    for row in fresh:
                        noting = insert_ignoring(connection, audits).values(**row).returning(audits.c.request_id)
                        noted += len((await connection.execute(noting)).all())
            if len(rows) < _MOST:
                return noted
            after = rows[-1].id

    async def next(self) -> Audit | None:
        """The oldest that waits."""
        query = select(audits.c.request_id, audits.c.tenant, audits.c.served_clip_id).where(audits.c.state == "waiting")
        async with self._database.read() as connection:
            row = (await connection.execute(query.order_by(audits.c.created_at, audits.c.request_id).limit(1))).one_or_none()
        return None if row is None else Audit(*row)

    async def claim(self, connection: AsyncConnection, request_id: str, job_id: str | None, clip_id: str | None) -> bool:
        """In the transaction that submitted its job, or found its film made already. False: another gateway was first."""
        made = {"state": "asked" if clip_id is None else "made", "job_id": job_id, "clip_id": clip_id}
        waits = and_(audits.c.request_id == request_id, audits.c.state == "waiting")
        return bool((await connection.execute(update(audits).where(waits).values(**made))).rowcount)

    async def give_up(self, request_id: str) -> None:
        async with self._database.write() as connection:
            waits = and_(audits.c.request_id == request_id, audits.c.state == "waiting")
            await connection.execute(update(audits).where(waits).values(state="failed"))

    async def settle(self) -> int:
        """Audits whose render ended take its clip. Of a request whose words were erased meanwhile nothing stays."""
        over = and_(jobs.c.id == audits.c.job_id, jobs.c.state.not_in(("queued", "leased")))
        query = select(audits.c.request_id, jobs.c.clip_id, requests.c.prompt).join(jobs, over)
        query = query.join(requests, requests.c.id == audits.c.request_id, isouter=True).where(audits.c.state == "asked").limit(_MOST)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            async with self._database.write() as connection:
                await next_sequence(connection)
                mine = audits.c.request_id == row.request_id
                if row.prompt is None and row.clip_id is not None:
                    await self._erase(connection, row.clip_id)
                if row.prompt is None:
                    await connection.execute(delete(audits).where(mine))
                else:
                    state = "failed" if row.clip_id is None else "made"
                    await connection.execute(update(audits).where(mine, audits.c.state == "asked").values(state=state, clip_id=row.clip_id))
        return len(rows)

    async def _erase(self, connection: AsyncConnection, clip_id: str) -> None:
        held = exists().where(requests.c.clip_id == clip_id, requests.c.deleted_at.is_(None))
        if not (await connection.execute(select(held))).scalar_one():
            await self._shelf.withdraw_in(connection, [clip_id], ERASED)

    async def prune(self) -> int:
        """Rows of requests that are gone, but for those that are being rendered."""
        there = exists().where(requests.c.id == audits.c.request_id)
        gone = and_(~there, or_(audits.c.state != "asked", audits.c.job_id.is_(None)))
        async with self._database.write() as connection:
            return int((await connection.execute(delete(audits).where(gone))).rowcount)
