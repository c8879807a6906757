"""Shadow audits at rest: near hits and reserved clips whose prompt is rendered again, so that a person can compare both clips."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import and_, delete, exists, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.request import Request
from cache.storage.clips.shelf import ERASED, Shelf
from cache.storage.database.database import Database
from cache.storage.database.rows import insert_ignoring, next_sequence
from cache.storage.tables import audits, clips, jobs, now, requests

_MOST = 1000  # near hits per step


@dataclass(frozen=True)
class Audit:
    request_id: str
    tenant: str
    served_clip_id: str


def chosen(request_id: str, share: float) -> bool:
    """True for this share of all requests, the same ones at every gateway and after every restart."""
    return int.from_bytes(sha256(request_id.encode()).digest()[:8]) < share * 2**64


class Audits:
    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database, self._shelf = database, shelf

    async def choose(self, share: float, seconds: float) -> int:
        """Records the chosen near hits and reserved clips of the last `seconds`; returns how many are new. Several gateways may do this
        at once.
        """
        noted, after = 0, ""
        clip = and_(clips.c.id == requests.c.clip_id, clips.c.scope == requests.c.scope)
        known = exists().where(audits.c.request_id == requests.c.id)
        # Pairs that cannot be compared are left out: prompts that are not stored, and pooled clips, which are another tenant's.
        query = select(requests.c.id, requests.c.tenant, requests.c.clip_id).join(clips, clip).where(
            or_(requests.c.verdict == "near", clips.c.reserved), requests.c.created_at >= now() - literal(seconds),
            requests.c.prompt.is_not(None),
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
        """The oldest waiting audit."""
        query = select(audits.c.request_id, audits.c.tenant, audits.c.served_clip_id).where(audits.c.state == "waiting")
        async with self._database.read() as connection:
            row = (await connection.execute(query.order_by(audits.c.created_at, audits.c.request_id).limit(1))).one_or_none()
        return None if row is None else Audit(*row)

    async def claim(self, connection: AsyncConnection, request_id: str, job_id: str | None, clip_id: str | None) -> bool:
        """Claims an audit in the transaction that submitted its job or found its clip. False if another gateway was first."""
        made = {"state": "asked" if clip_id is None else "made", "job_id": job_id, "clip_id": clip_id}
        waits = and_(audits.c.request_id == request_id, audits.c.state == "waiting")
        return bool((await connection.execute(update(audits).where(waits).values(**made))).rowcount)

    async def begin(self, connection: AsyncConnection, request: Request, job_id: str | None) -> bool:
        """An audit of the clip that a miss got, against one from a donor, which the job makes. False if there is one already."""
        row = {"request_id": request.id, "tenant": request.tenant, "served_clip_id": request.clip_id, "job_id": job_id, "state": "asked"}
        adding = insert_ignoring(connection, audits).values(**row, created_at=now()).returning(audits.c.request_id)
        return (await connection.execute(adding)).first() is not None

    async def give_up(self, request_id: str) -> None:
        async with self._database.write() as connection:
            waits = and_(audits.c.request_id == request_id, audits.c.state == "waiting")
            await connection.execute(update(audits).where(waits).values(state="failed"))

    async def settle(self) -> int:
        """Gives audits the clips of their finished renders; deletes audits whose prompts were erased. Returns their number."""
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
        """Deletes audits of deleted requests, except those being rendered. Returns their number."""
        there = exists().where(requests.c.id == audits.c.request_id)
        gone = and_(~there, or_(audits.c.state != "asked", audits.c.job_id.is_(None)))
        async with self._database.write() as connection:
            return int((await connection.execute(delete(audits).where(gone))).rowcount)
