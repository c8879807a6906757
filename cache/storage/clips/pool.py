"""The shared pool at rest: rows that name clips, never copies of them (decision 0003).

A clip of a tenant that shares is first `asked`: a candidate that answers no other tenant. The tenants that want it are counted, and
an admin or enough tenants make it `pooled`. A clip that is withdrawn, superseded, expired or erased is no longer served from the
pool either, because every look-up joins the clip's own row; nor is a clip of a tenant that no longer shares.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import Clip
from cache.errors import NotFound
from cache.ids import is_id
from cache.storage.clips.answering import answering
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.storage.database.rows import insert_ignoring, next_sequence, read_clips
from cache.storage.requests.labels import disliked
from cache.storage.tables import clip_vectors, clips, keys, now, shared_asks, shared_clips, tenants
from cache.variant import Spec, tenant_scope

_MOST = 5_000  # candidates of one Recipe compared with a new clip, newest first

# What an end user asked for in a scope of their own is offered to nobody.
_TENANT_WIDE = clips.c.scope == literal(tenant_scope("")) + clips.c.tenant
_SHARING = select(tenants.c.name).where(tenants.c.share == "all")


@dataclass(frozen=True)
class AskedClip:
    """A candidate of another tenant, for the judge. `vector` is float16, by the requested embedder."""

    clip_id: str
    prompt: str
    vector: bytes


@dataclass(frozen=True)
class PoolEntry:
    """A clip in the pool, or offered to it, as an admin sees it."""

    clip_id: str
    state: str
    tenant: str
    prompt: str | None
    tenants: int
    changed_at: float


class Pool:
    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database, self._shelf = database, shelf

    # Looking

    async def exact(self, spec_key: str, asker: Spec, max_age: float | None) -> Clip | None:
        """The pooled clip with this exact key, unless the asker's tenant said that it does not fit these words. `spec_key`: under
        Scope `shared`; `max_age`: seconds.
        """
        fits = ~disliked(literal(asker.scope), literal(asker.key), clips.c.id)
        async with self._database.read() as connection:
            found = await self._pooled(connection, shared_clips.c.spec_key == spec_key, _younger(max_age), fits)
        return found[0] if found else None

    async def among(self, ids: list[str], max_age: float | None) -> list[Clip]:
        """The clips of `ids` that may answer a new request."""
        async with self._database.read() as connection:
            return await self._pooled(connection, clips.c.id.in_(ids), _younger(max_age)) if ids else []

    async def answers(self, connection: AsyncConnection, clip_id: str) -> bool:
        """True if the clip is still in the pool, within the transaction that answers with it."""
        return bool(await self._pooled(connection, clips.c.id == clip_id))

    async def _pooled(self, connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Clip]:
        pooled = select(clips.c.id).join(shared_clips, shared_clips.c.clip_id == clips.c.id)
        pooled = pooled.where(*conditions, shared_clips.c.state == "pooled", answering(), _TENANT_WIDE, clips.c.tenant.in_(_SHARING))
        return self._shelf.genuine(await read_clips(connection, clips.c.id.in_(pooled)))

    # Candidates, and the tenants that want them

    async def unseen(self, limit: int) -> list[Clip]:
        """Clips of sharing tenants that have not been considered yet, oldest first. None that was started from a clip of other words: it
        may show a trace of them.
        """
        seen = select(shared_clips.c.clip_id).where(shared_clips.c.clip_id == clips.c.id)
        new = select(clips.c.id).where(answering(), clips.c.prompt.is_not(None), clips.c.tenant.in_(_SHARING), ~seen.exists())
        new = new.where(_TENANT_WIDE, or_(clips.c.assist.is_(None), clips.c.assist != "near"))
        async with self._database.read() as connection:
            ids = (await connection.scalars(new.order_by(clips.c.sequence).limit(limit))).all()
            found = await read_clips(connection, clips.c.id.in_(ids)) if ids else []
        return found[::-1]

    async def like(self, clip: Clip, embedder: str) -> tuple[bytes | None, list[AskedClip]]:
        """The clip's own vector, and the candidates of other tenants that may mean the same."""
        async with self._database.read() as connection:
            mine = select(clip_vectors.c.vector).where(clip_vectors.c.clip_id == clip.id, clip_vectors.c.embedder == embedder)
            vector = (await connection.execute(mine)).scalar_one_or_none()
            if vector is None:
                return None, []
            others = (
                select(clips.c.id, clips.c.prompt, clip_vectors.c.vector)
                .join(shared_clips, shared_clips.c.clip_id == clips.c.id)
                .join(clip_vectors, and_(clip_vectors.c.clip_id == clips.c.id, clip_vectors.c.embedder == embedder))
                .where(
                    shared_clips.c.recipe_key == clip.recipe.key, shared_clips.c.state == "asked", answering(),
                    clips.c.prompt.is_not(None), clips.c.tenant != clip.tenant, clips.c.tenant.in_(_SHARING),
                )
                .order_by(clips.c.sequence.desc())
                .limit(_MOST)
            )  # fmt: skip
            return vector, [AskedClip(*row) for row in await connection.execute(others)]

    async def consider(self, clip: Clip, spec_key: str, near: str | None) -> None:
        """Makes `clip` a candidate and counts its tenant as asking: for it, for every candidate of the same words (`spec_key`
        under Scope `shared`), and for `near`, which the judge takes for the same. Tenants that asked for those words before
        count for this clip, too.
        """
        async with self._database.write() as connection:
            sequence = await next_sequence(connection)
            row = {
                "clip_id": clip.id, "sequence": sequence, "spec_key": spec_key, "recipe_key": clip.recipe.key, "state": "asked",
                "changed_at": now(),
            }  # fmt: skip
            mine = insert_ignoring(connection, shared_clips).values(**row).returning(shared_clips.c.clip_id)
            if (await connection.execute(mine)).first() is None:
                return  # another gateway was first
            same = and_(shared_clips.c.spec_key == spec_key, shared_clips.c.state != "withdrawn")
            wanted = (await connection.scalars(select(shared_clips.c.clip_id).where(same))).all()
            before = select(shared_asks.c.tenant).where(shared_asks.c.clip_id.in_(wanted)).distinct()
            for tenant in (await connection.scalars(before)).all():
                await _ask(connection, clip.id, tenant)
            for clip_id in {*wanted, clip.id, *([near] if near else [])}:
                await _ask(connection, clip_id, clip.tenant)

    # In and out

    async def admit_wanted(self, share_after: int) -> list[str]:
        """Pools the candidates that enough tenants asked for: tenants that share and have a valid key, so that nobody
        counts twice by inventing names. Of the same words only the oldest clip is added.
        """
        holders = select(keys.c.tenant).where(keys.c.revoked_at.is_(None))
        votes = (
            select(shared_asks.c.clip_id)
            .where(shared_asks.c.tenant.in_(_SHARING), shared_asks.c.tenant.in_(holders))
            .group_by(shared_asks.c.clip_id)
            .having(func.count() >= share_after)
        )
        query = (
            select(clips.c.id, shared_clips.c.spec_key)
            .join(shared_clips, shared_clips.c.clip_id == clips.c.id)
            .where(shared_clips.c.state == "asked", clips.c.id.in_(votes), answering(), clips.c.tenant.in_(_SHARING))
            .order_by(clips.c.id)
        )
        async with self._database.read() as connection:
            if (await connection.execute(query.limit(1))).first() is None:
                return []
        admitted: list[str] = []
        async with self._database.write() as connection:
            for clip_id, spec_key in (await connection.execute(query)).all():
                there = await self._pooled(connection, shared_clips.c.spec_key == spec_key)
                if not there and await _turn(connection, clip_id, "pooled", None):
                    admitted.append(clip_id)
        return admitted

    async def approve(self, clip_id: str, key_id: str | None) -> None:
        """Adds a clip on an admin's approval. Raises NotFound unless a sharing tenant offers it."""
        offered = select(clips.c.id).join(shared_clips, shared_clips.c.clip_id == clips.c.id)
        offered = offered.where(clips.c.id == clip_id, shared_clips.c.state != "withdrawn", answering(), clips.c.tenant.in_(_SHARING))
        async with self._database.write() as connection:
            await next_sequence(connection)
            if not is_id("clip", clip_id) or (await connection.execute(offered)).first() is None:
                raise NotFound(f"no clip {clip_id[:64]!r} is offered to the shared pool", "clip_id")
            await _turn(connection, clip_id, "pooled", key_id)

    async def withdraw(self, clip_id: str, key_id: str | None) -> None:
        """Removes a clip from the pool permanently; its own tenant keeps it. Raises NotFound if it is not there."""
        async with self._database.write() as connection:
            if not is_id("clip", clip_id) or not await _turn(connection, clip_id, "withdrawn", key_id):
                raise NotFound(f"no clip {clip_id[:64]!r} is in the shared pool", "clip_id")

    async def standings(self, limit: int) -> list[PoolEntry]:
        """The pooled clips and candidates, the most requested first."""
        votes = select(func.count()).select_from(shared_asks).where(shared_asks.c.clip_id == clips.c.id).scalar_subquery()
        query = (
            select(clips.c.id, shared_clips.c.state, clips.c.tenant, clips.c.prompt, votes.label("votes"), shared_clips.c.changed_at)
            .join(shared_clips, shared_clips.c.clip_id == clips.c.id)
            .where(shared_clips.c.state != "withdrawn", answering(), clips.c.tenant.in_(_SHARING))
            .order_by(votes.desc(), clips.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [PoolEntry(*row) for row in await connection.execute(query)]


def _younger(max_age: float | None) -> ColumnElement[bool]:
    return true() if max_age is None else clips.c.created_at >= now() - literal(max_age)


async def _ask(connection: AsyncConnection, clip_id: str, tenant: str) -> None:
    row = {"clip_id": clip_id, "tenant": tenant, "asked_at": now()}
    await connection.execute(insert_ignoring(connection, shared_asks).values(**row))


async def _turn(connection: AsyncConnection, clip_id: str, state: str, key_id: str | None) -> bool:
    sequence = await next_sequence(connection)
    change = update(shared_clips).where(shared_clips.c.clip_id == clip_id, shared_clips.c.state.not_in((state, "withdrawn")))
    values = {"state": state, "sequence": sequence, "admitted_by": key_id, "changed_at": now()}
    return bool((await connection.execute(change.values(**values))).rowcount)


async def withdraw_shared(connection: AsyncConnection, clip_id: str) -> None:
    """Does Pool.withdraw within the transaction that erases the clip's words."""
    await _turn(connection, clip_id, "withdrawn", None)
