"""Sessions of the admin pages at rest. Only the SHA-256 of a cookie's secret is stored."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database.database import Database
from cache.storage.fleet.accounts import Key, key_of, sha256_of
from cache.storage.tables import keys, now, sessions, tenants

_MOST = 50  # sessions per key at a time; the oldest ends when another begins


class Sessions:
    def __init__(self, database: Database, hours: float = 12.0) -> None:
        self._database, self._seconds = database, hours * 3600

    @property
    def seconds(self) -> float:
        return self._seconds

    async def begin(self, key_id: str) -> str:
        """Begins a session and deletes expired ones; returns its secret, which cannot be recovered."""
        secret = secrets.token_urlsafe(32)
        row = {"sha256": sha256_of(secret), "key_id": key_id, "created_at": now(), "expires_at": now() + literal(self._seconds)}
        async with self._database.write() as connection:
            await connection.execute(delete(sessions).where(sessions.c.expires_at <= now()))
            await connection.execute(insert(sessions).values(**row))
            await _keep_newest(connection, key_id)
        return secret

    async def key_of(self, secret: str) -> Key | None:
        """The key of a session; None once the session expired or ended, or its key was revoked."""
        query = (
            select(keys, tenants.c.share)
            .join(tenants, tenants.c.name == keys.c.tenant)
            .join(sessions, sessions.c.key_id == keys.c.id)
            .where(sessions.c.sha256 == sha256_of(secret), sessions.c.expires_at > now(), keys.c.revoked_at.is_(None))
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else key_of(row)

    async def end(self, secret: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(delete(sessions).where(sessions.c.sha256 == sha256_of(secret)))

    async def end_all(self, key_id: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(delete(sessions).where(sessions.c.key_id == key_id))


async def _keep_newest(connection: AsyncConnection, key_id: str) -> None:
    older = select(sessions.c.sha256).where(sessions.c.key_id == key_id).order_by(sessions.c.created_at.desc()).offset(_MOST)
    gone = (await connection.scalars(older)).all()
    if gone:
        await connection.execute(delete(sessions).where(sessions.c.sha256.in_(gone)))
