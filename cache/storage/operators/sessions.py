"""People at the admin page, at rest. Of a cookie's secret only the SHA-256 is kept."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.accounts import Key, key_of, sha256_of
from cache.storage.database import Database
from cache.storage.tables import keys, now, tenants
from cache.storage.tables_for_operators import sessions

_MOST = 50  # sessions of one key at a time; the oldest ends when one more begins


class Sessions:
    def __init__(self, database: Database, hours: float = 12.0) -> None:
        self._database, self._seconds = database, hours * 3600

    @property
    def seconds(self) -> float:
        return self._seconds

    async def begin(self, key_id: str) -> str:
        """The secret of a new session, which nobody can find out again. Old ones are cleared away on the way."""
        secret = secrets.token_urlsafe(32)
        row = {"sha256": sha256_of(secret), "key_id": key_id, "created_at": now(), "expires_at": now() + literal(self._seconds)}
        async with self._database.write() as connection:
            await connection.execute(delete(sessions).where(sessions.c.expires_at <= now()))
            await connection.execute(insert(sessions).values(**row))
            await _keep_newest(connection, key_id)
        return secret

    async def key_of(self, secret: str) -> Key | None:
        """Whose session it is. None once it expired, was ended, or its key was revoked."""
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
