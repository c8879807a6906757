"""The log of changes of clips, for projections of them (the vector index of each gateway)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import ClipState
from cache.storage.database.rows import next_sequence
from cache.storage.tables import clip_vectors, clips, counters, shared_clips
from cache.variant import SHARED


@dataclass(frozen=True)
class ClipChange:
    """A clip after its latest change. `vector` is None unless the clip is live and has one by the requested embedder."""

    sequence: int
    clip_id: str
    scope: str
    recipe_key: str
    state: ClipState
    expires_at: float | None
    prompt: str | None
    vector: bytes | None


async def latest(connection: AsyncConnection) -> int:
    """The sequence number of the last committed change; a projection that has read up to it has seen everything."""
    return int((await connection.execute(select(counters.c.value).where(counters.c.name == "sequence"))).scalar_one())


async def identity(connection: AsyncConnection) -> str:
    """The identity of this database, made with it, which tells it from any other."""
    return str((await connection.execute(select(counters.c.value).where(counters.c.name == "identity"))).scalar_one())


async def changes_since(connection: AsyncConnection, sequence: int, embedder: str, limit: int) -> list[ClipChange]:
    """Changes after `sequence`, oldest first; continue from the last one's number. Private clips never appear.

    A clip that changed twice appears once, in its current state: a projection needs no more.
    """
    own = await _read(connection, sequence, embedder, limit, only_vectors=False)
    return sorted([*own, *await _pooled(connection, sequence, embedder, limit)], key=lambda change: change.sequence)[:limit]


async def vectors_since(connection: AsyncConnection, sequence: int, embedder: str, limit: int) -> list[ClipChange]:
    """Like changes_since, but only live clips with a vector: the source of an index that starts empty."""
    own = await _read(connection, sequence, embedder, limit, only_vectors=True)
    pooled = [change for change in await _pooled(connection, sequence, embedder, limit) if change.vector is not None]
    return sorted([*own, *pooled], key=lambda change: change.sequence)[:limit]


async def _read(connection: AsyncConnection, sequence: int, embedder: str, limit: int, *, only_vectors: bool) -> list[ClipChange]:
    live = and_(clip_vectors.c.clip_id == clips.c.id, clip_vectors.c.embedder == embedder, clips.c.state == "live")
    query = (
        select(
            clips.c.sequence, clips.c.id, clips.c.scope, clips.c.recipe_key, clips.c.state, clips.c.expires_at, clips.c.prompt,
            clip_vectors.c.vector,
        )
        .join(clip_vectors, live, isouter=not only_vectors)
        .where(clips.c.sequence > sequence, clips.c.private.is_(False))
        .order_by(clips.c.sequence)
        .limit(limit)
    )  # fmt: skip
    return [ClipChange(*row) for row in await connection.execute(query)]


def name_in_pool(clip_id: str) -> str:
    """The name of a clip of the shared pool in an index, where it appears next to itself in its tenant's Scope."""
    return f"pooled_{clip_id}"


def clip_of_pooled(name: str) -> str:
    return name.removeprefix("pooled_")


async def _pooled(connection: AsyncConnection, sequence: int, embedder: str, limit: int) -> list[ClipChange]:
    """Changes of the shared pool, each as a clip of Scope `shared`."""
    serving = and_(shared_clips.c.state == "pooled", clips.c.state == "live")
    query = (
        select(
            shared_clips.c.sequence, clips.c.id, clips.c.recipe_key, case((serving, "live"), else_="withdrawn"), clips.c.expires_at,
            clips.c.prompt, clip_vectors.c.vector,
        )
        .join(clips, clips.c.id == shared_clips.c.clip_id)
        .join(clip_vectors, and_(clip_vectors.c.clip_id == clips.c.id, clip_vectors.c.embedder == embedder, serving), isouter=True)
        .where(shared_clips.c.sequence > sequence, shared_clips.c.state != "asked")
        .order_by(shared_clips.c.sequence)
        .limit(limit)
    )  # fmt: skip
    return [ClipChange(row[0], name_in_pool(row[1]), SHARED, *row[2:]) for row in await connection.execute(query)]


async def touch_pooled(connection: AsyncConnection, clip_id: str) -> None:
    """Records a change of the clip for its entry in the pool, too, so that followers of the log see it there as well."""
    pooled = and_(shared_clips.c.clip_id == clip_id, shared_clips.c.state == "pooled")
    if (await connection.execute(select(shared_clips.c.clip_id).where(pooled))).first() is not None:
        await connection.execute(update(shared_clips).where(pooled).values(sequence=await next_sequence(connection)))


async def without_vector(connection: AsyncConnection, embedder: str, limit: int, after: str = "") -> list[tuple[str, str]]:
    """Live clips (id, prompt) without a vector by this embedder, ordered by id; continue `after` the last one."""
    theirs = select(clip_vectors.c.clip_id).where(clip_vectors.c.clip_id == clips.c.id, clip_vectors.c.embedder == embedder)
    query = select(clips.c.id, clips.c.prompt).where(
        clips.c.state == "live",
        clips.c.private.is_(False),
        clips.c.prompt.is_not(None),
        ~theirs.exists(),
        clips.c.id > after,
    )
    return [(row.id, row.prompt) for row in await connection.execute(query.order_by(clips.c.id).limit(limit))]


async def add_vectors(connection: AsyncConnection, embedder: str, vectors: Mapping[str, bytes]) -> int:
    """Adds vectors by this embedder to clips without one; each is a change. Clips that are gone are skipped. Returns their number."""
    added = 0
    for clip_id, vector in vectors.items():
        sequence = await next_sequence(connection)
        held = select(func.count()).select_from(clip_vectors).where(clip_vectors.c.clip_id == clip_id, clip_vectors.c.embedder == embedder)
        if (await connection.execute(held)).scalar_one():
            continue
        change = update(clips).where(clips.c.id == clip_id, clips.c.state != "withdrawn", clips.c.private.is_(False))
        if (await connection.execute(change.values(sequence=sequence))).rowcount:
            await connection.execute(insert(clip_vectors).values(clip_id=clip_id, embedder=embedder, vector=vector))
            await touch_pooled(connection, clip_id)
            added += 1
    return added
