"""The shared pool at rest: rows that name clips, never copies of them. See docs/decisions/ for why.

A clip of a tenant that shares is first `asked`: a candidate that answers nobody else. Whose asks it fits is counted, and
an admin or enough tenants turn it `pooled`. What is withdrawn, superseded, expired or erased as a clip answers in the
pool no longer either, because every look joins the clip's own row; so does what belongs to a tenant that shares no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, literal, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import Clip
from cache.errors import NotFound
from cache.ids import is_id
from cache.storage.database import Database
from cache.storage.rows import insert_ignoring, next_sequence, read_clips
from cache.storage.shelf import Shelf, answering
from cache.storage.tables import clip_vectors, clips, keys, now, shared_asks, shared_clips, tenants

_MOST = 5_000  # candidates of one Recipe that a new clip is compared with, newest first

_SHARING = select(tenants.c.name).where(tenants.c.share == "all")


@dataclass(frozen=True)
class AskedClip:
    """A candidate of another tenant, for the judge. `vector` is float16, by the embedder asked for."""

    clip_id: str
    prompt: str
    vector: bytes


@dataclass(frozen=True)
class Standing:
    """What an admin sees of one clip of the pool or on its way there."""

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

    async def exact(self, film_key: str, max_age: float | None) -> Clip | None:
        """`film_key` under Scope `shared`; `max_age` in seconds."""
        async with self._database.read() as connection:
            return await self._exact(connection, film_key, max_age)

    async def among(self, ids: list[str], max_age: float | None) -> list[Clip]:
        """Those of `ids` that may answer a new ask."""
        async with self._database.read() as connection:
            return await self._pooled(connection, clips.c.id.in_(ids), _younger(max_age)) if ids else []

    async def _exact(self, connection: AsyncConnection, film_key: str, max_age: float | None = None) -> Clip | None:
        found = await self._pooled(connection, shared_clips.c.film_key == film_key, _younger(max_age))
        return found[0] if found else None

    async def answers(self, connection: AsyncConnection, clip_id: str) -> bool:
        """Whether it still is in the pool, in the transaction that gives it away."""
        return bool(await self._pooled(connection, clips.c.id == clip_id))

    async def _pooled(self, connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Clip]:
        pooled = select(clips.c.id).join(shared_clips, shared_clips.c.clip_id == clips.c.id)
        pooled = pooled.where(*conditions, shared_clips.c.state == "pooled", answering(), clips.c.tenant.in_(_SHARING))
        return self._shelf.genuine(await read_clips(connection, clips.c.id.in_(pooled)))

    # Asking: candidates, and who wants them

    async def unseen(self, limit: int) -> list[Clip]:
        """Clips of tenants that share which nobody has considered yet, oldest first."""
        seen = select(shared_clips.c.clip_id).where(shared_clips.c.clip_id == clips.c.id)
        new = select(clips.c.id).where(answering(), clips.c.prompt.is_not(None), clips.c.tenant.in_(_SHARING), ~seen.exists())
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

    async def consider(self, clip: Clip, film_key: str, near: str | None) -> None:
        """`clip` becomes a candidate, its tenant one who asked: for it, for every candidate of the same words (`film_key`
        under Scope `shared`), and for `near`, the one that the judge takes for the same. Who asked for those words before
        asked for this clip, too.
        """
        async with self._database.write() as connection:
            sequence = await next_sequence(connection)
            row = {
                "clip_id": clip.id, "sequence": sequence, "film_key": film_key, "recipe_key": clip.recipe.key, "state": "asked",
                "changed_at": now(),
            }  # fmt: skip
            mine = insert_ignoring(connection, shared_clips).values(**row).returning(shared_clips.c.clip_id)
            if (await connection.execute(mine)).first() is None:
                return  # another gateway was first
            same = and_(shared_clips.c.film_key == film_key, shared_clips.c.state != "withdrawn")
            wanted = (await connection.scalars(select(shared_clips.c.clip_id).where(same))).all()
            before = select(shared_asks.c.tenant).where(shared_asks.c.clip_id.in_(wanted)).distinct()
            for tenant in (await connection.scalars(before)).all():
                await _ask(connection, clip.id, tenant)
            for clip_id in {*wanted, clip.id, *([near] if near else [])}:
                await _ask(connection, clip_id, clip.tenant)

    # In and out

    async def admit_wanted(self, share_after: int) -> list[str]:
        """Pools the candidates that enough tenants asked for: tenants that share and hold a key that works, so that nobody
        counts twice by taking names. Of the same words only the oldest clip comes in.
        """
        holders = select(keys.c.tenant).where(keys.c.revoked_at.is_(None))
        votes = (
            select(shared_asks.c.clip_id)
            .where(shared_asks.c.tenant.in_(_SHARING), shared_asks.c.tenant.in_(holders))
            .group_by(shared_asks.c.clip_id)
            .having(func.count() >= share_after)
        )
        query = (
            select(clips.c.id, shared_clips.c.film_key)
            .join(shared_clips, shared_clips.c.clip_id == clips.c.id)
            .where(shared_clips.c.state == "asked", clips.c.id.in_(votes), answering(), clips.c.tenant.in_(_SHARING))
            .order_by(clips.c.id)
        )
        async with self._database.read() as connection:
            if (await connection.execute(query.limit(1))).first() is None:
                return []
        admitted: list[str] = []
        async with self._database.write() as connection:
            for clip_id, film_key in (await connection.execute(query)).all():
                if await self._exact(connection, film_key) is None and await _turn(connection, clip_id, "pooled", None):
                    admitted.append(clip_id)
        return admitted

    async def approve(self, clip_id: str, key_id: str | None) -> None:
        """An admin's word. NotFound for what no sharing tenant offers: an admin cannot publish a private clip either."""
        offered = select(clips.c.id).join(shared_clips, shared_clips.c.clip_id == clips.c.id)
        offered = offered.where(clips.c.id == clip_id, shared_clips.c.state != "withdrawn", answering(), clips.c.tenant.in_(_SHARING))
        async with self._database.write() as connection:
            await next_sequence(connection)
            if not is_id("clip", clip_id) or (await connection.execute(offered)).first() is None:
                raise NotFound(f"no clip {clip_id[:64]!r} is offered to the shared pool", "clip_id")
            await _turn(connection, clip_id, "pooled", key_id)

    async def withdraw(self, clip_id: str, key_id: str | None) -> None:
        """Out, and never in again; its own tenant keeps it."""
        async with self._database.write() as connection:
            if not is_id("clip", clip_id) or not await _turn(connection, clip_id, "withdrawn", key_id):
                raise NotFound(f"no clip {clip_id[:64]!r} is in the shared pool", "clip_id")

    async def standings(self, limit: int) -> list[Standing]:
        """What is pooled or may be, the most asked for first."""
        votes = select(func.count()).select_from(shared_asks).where(shared_asks.c.clip_id == clips.c.id).scalar_subquery()
        query = (
            select(clips.c.id, shared_clips.c.state, clips.c.tenant, clips.c.prompt, votes.label("votes"), shared_clips.c.changed_at)
            .join(shared_clips, shared_clips.c.clip_id == clips.c.id)
            .where(shared_clips.c.state != "withdrawn", answering(), clips.c.tenant.in_(_SHARING))
            .order_by(votes.desc(), clips.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [Standing(*row) for row in await connection.execute(query)]


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
    """As Pool.withdraw, in the transaction that erases the clip's words."""
    await _turn(connection, clip_id, "withdrawn", None)
