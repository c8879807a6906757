"""Tenants and their keys at rest. Only the SHA-256 of a key is stored: whoever reads the database cannot call with it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import Invalid, NotFound
from cache.ids import is_id, new_id
from cache.storage.database.database import Database
from cache.storage.database.rows import insert_ignoring
from cache.storage.tables import keys, now, tenants

Role = Literal["user", "admin"]
Share = Literal["tenant", "all"]

FIRST_TENANT = "local"  # of the first admin key: clips made in open mode stay with the operator
_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_RATE = re.compile(r"([1-9][0-9]{0,8})/([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PREFIX = "reprise_"  # so that a leaked key can be recognised


@dataclass(frozen=True)
class Rate:
    """A rate limit: a number of calls per number of seconds."""

    calls: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        found = _RATE.fullmatch(text)
        if found is None:
            raise Invalid("rate", f"a rate is a number and s, m, h or d, such as 60/m, not {text[:40]!r}")
        return cls(int(found[1]), _SECONDS[found[2]])

    def __str__(self) -> str:
        units = {seconds: unit for unit, seconds in _SECONDS.items()}
        return f"{self.calls}/{units.get(self.seconds, f'{self.seconds}s')}"


@dataclass(frozen=True)
class Key:
    """A key's permissions, never the key itself. Times are Unix seconds. Without `rate` or `concurrency`: unlimited."""

    id: str
    tenant: str
    role: Role
    share: Share
    rate: Rate | None = None
    concurrency: int | None = None
    label: str = ""
    created_at: float = 0.0
    revoked_at: float | None = None
    last_used_at: float | None = None


@dataclass(frozen=True)
class KeyTerms:
    """The terms of a new key. `share` None leaves the tenant as it is (a new tenant does not share)."""

    tenant: str
    role: Role = "user"
    rate: Rate | None = None
    concurrency: int | None = None
    share: Share | None = None
    label: str = ""


def sha256_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, terms: KeyTerms, secret: str | None = None) -> tuple[Key, str]:
        """Creates a key; returns it with its secret, which cannot be recovered. Raises Invalid for bad terms."""
        if _TENANT.fullmatch(terms.tenant) is None:
            raise Invalid("tenant", "a tenant's name is made of a-z, 0-9, '.', '_' and '-', at most 63 of them")
        if terms.concurrency is not None and terms.concurrency < 1:
            raise Invalid("concurrency", "concurrency is at least 1")
        secret = secret or _PREFIX + secrets.token_urlsafe(32)
        async with self._database.write() as connection:
            await _keep_tenant(connection, terms.tenant, terms.share)
            row = _row_of(new_id("key"), sha256_of(secret), terms)
            await connection.execute(insert_ignoring(connection, keys).values(**row))
            found = await _one(connection, sha256_of(secret))
        assert found is not None, "it was there or is now"
        return found, secret

    async def find(self, digest: str) -> Key | None:
        """The key with this SHA-256, unless it is revoked."""
        async with self._database.read() as connection:
            key = await _one(connection, digest)
        return key if key is not None and key.revoked_at is None else None

    async def list(self) -> list[Key]:
        async with self._database.read() as connection:
            return [key_of(row) for row in await connection.execute(_ALL.order_by(keys.c.id))]

    async def any(self) -> bool:
        """True if there is a valid key."""
        async with self._database.read() as connection:
            return (await connection.execute(select(keys.c.id).where(keys.c.revoked_at.is_(None)).limit(1))).first() is not None

    async def revoke(self, key_id: str) -> None:
        """Revokes a key permanently, which may be done twice. Raises NotFound for an unknown id."""
        if not is_id("key", key_id):
            raise NotFound(f"no key has the id {key_id[:64]!r}")
        async with self._database.write() as connection:
            change = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=now())
            if (await connection.execute(change)).rowcount:
                return
            if (await connection.execute(select(keys.c.id).where(keys.c.id == key_id))).first() is None:
                raise NotFound(f"no key has the id {key_id!r}")

    async def used(self, at: Mapping[str, float]) -> None:
        """Records the last use of keys, by id; a later time from another process stays."""
        async with self._database.write() as connection:
            # In the order of ids: two gateways that record the same keys must not deadlock.
            for key_id, seconds in sorted(at.items()):
                older = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < seconds)
                await connection.execute(update(keys).where(keys.c.id == key_id, older).values(last_used_at=seconds))


async def _keep_tenant(connection: AsyncConnection, name: str, share: Share | None) -> None:
    new = {"name": name, "share": share or "tenant", "created_at": now()}
    await connection.execute(insert_ignoring(connection, tenants).values(**new))
    if share is not None:
        await connection.execute(update(tenants).where(tenants.c.name == name).values(share=share))


_ALL = select(keys, tenants.c.share).join(tenants, tenants.c.name == keys.c.tenant)


async def _one(connection: AsyncConnection, digest: str) -> Key | None:
    row = (await connection.execute(_ALL.where(keys.c.sha256 == digest))).one_or_none()
    return key_of(row) if row is not None and hmac.compare_digest(row.sha256, digest) else None


def key_of(row: Row[Any]) -> Key:
    rate = None if row.rate is None else Rate(row.rate, row.rate_window)
    return Key(
        id=row.id,
        tenant=row.tenant,
        role=row.role,
        share=row.share,
        rate=rate,
        concurrency=row.concurrency,
        label=row.label,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _row_of(key_id: str, digest: str, terms: KeyTerms) -> dict[str, object]:
    return {
        "id": key_id,
        "tenant": terms.tenant,
        "sha256": digest,
        "role": terms.role,
        "rate": None if terms.rate is None else terms.rate.calls,
        "rate_window": None if terms.rate is None else terms.rate.seconds,
        "concurrency": terms.concurrency,
        "label": terms.label[:80],
        "created_at": now(),
    }
