"""Ghosts: evicted clips, remembered by their vectors, to count what a bigger cache would have hit. The newest are kept.

A miss that a ghost would have answered is counted once, in the background, after the fact: no answer waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.recipe import Recipe
from cache.storage.database.database import Database
from cache.storage.database.rows import insert_ignoring
from cache.storage.tables import clip_vectors, clips, counters, ghosts, recipes, requests

_CURSOR = "ghosts"  # milliseconds: misses before that are counted


@dataclass(frozen=True)
class Ghost:
    """An evicted clip. `vector` is float16, by `embedder`; None if its prompt was not stored."""

    clip_id: str
    prompt: str | None
    embedder: str | None
    vector: bytes | None
    evicted_at: float


@dataclass(frozen=True)
class Missed:
    """A miss: a request that no clip answered."""

    id: str
    created_at: float
    scope: str
    spec_key: str
    prompt: str | None
    recipe: Recipe


@dataclass(frozen=True)
class GhostSummary:
    """The effect of a bigger cache: the `clips` and `bytes` it would have kept, and the later misses it would have hit."""

    clips: int
    bytes: int
    would_hit: int
    gpu_seconds: float  # the cost of those misses


async def remember(connection: AsyncConnection, values: dict[str, float], now: float, most: int) -> None:
    """Records evicted clips, by id with their value, in the transaction that withdraws them; forgets the oldest beyond `most`."""
    if most:
        query = select(clips).where(clips.c.id.in_(sorted(values)))
        found = (await connection.execute(query)).all()
        vectors = {
            row.clip_id: row
            for row in await connection.execute(select(clip_vectors).where(clip_vectors.c.clip_id.in_(sorted(values))))
        }  # fmt: skip
        rows = []
        for row in found:
            vector = vectors.get(row.id)
            rows.append(
                {
                    "clip_id": row.id, "tenant": row.tenant, "scope": row.scope, "spec_key": row.spec_key, "recipe_key": row.recipe_key,
                    "prompt": row.prompt, "length": row.length, "gpu_seconds": row.gpu_seconds, "value": values[row.id],
                    "embedder": None if vector is None else vector.embedder, "vector": None if vector is None else vector.vector,
                    "evicted_at": now, "would_hit": 0,
                }
            )  # fmt: skip
        if rows:
            await connection.execute(insert(ghosts), rows)
    newest = select(ghosts.c.clip_id).order_by(ghosts.c.evicted_at.desc(), ghosts.c.clip_id.desc()).limit(most)
    await connection.execute(delete(ghosts).where(ghosts.c.clip_id.not_in(newest)))


class Ghosts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def cursor(self, start: int) -> int:
        """The time up to which misses are counted, Unix milliseconds; `start` if none are."""
        async with self._database.read() as connection:
            found = (await connection.execute(select(counters.c.value).where(counters.c.name == _CURSOR))).scalar_one_or_none()
        if found is not None:
            return int(found)
        async with self._database.write() as connection:
            await connection.execute(insert_ignoring(connection, counters).values(name=_CURSOR, value=start))
        return start

    async def oldest(self) -> float | None:
        """The eviction time of the oldest ghost, Unix seconds."""
        async with self._database.read() as connection:
            found: float | None = (await connection.execute(select(func.min(ghosts.c.evicted_at)))).scalar_one()
        return found

    async def misses(self, after: float, until: float, limit: int) -> list[Missed]:
        """Misses after `after` and up to `until` (Unix seconds), oldest first."""
        query = (
            select(requests, recipes.c.fields)
            .join(recipes, recipes.c.key == requests.c.recipe_key)
            .where(requests.c.created_at > after, requests.c.created_at <= until, requests.c.verdict == "miss")
            .where(requests.c.pinned_seed.is_(None), requests.c.no_store.is_(False))
            .order_by(requests.c.created_at)
            .limit(limit)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Missed(row.id, row.created_at, row.scope, row.spec_key, row.prompt, Recipe.from_fields(row.fields)) for row in rows]

    async def same(self, miss: Missed) -> str | None:
        """The ghost with exactly these words and settings, by id."""
        query = select(ghosts.c.clip_id).where(ghosts.c.spec_key == miss.spec_key, ghosts.c.evicted_at <= miss.created_at)
        async with self._database.read() as connection:
            found: str | None = (await connection.execute(query.order_by(ghosts.c.evicted_at.desc()).limit(1))).scalar_one_or_none()
        return found

    async def like(self, miss: Missed, embedder: str) -> list[Ghost]:
        """Ghosts of the miss's Partition, for the judge."""
        here = (ghosts.c.scope == miss.scope, ghosts.c.recipe_key == miss.recipe.key, ghosts.c.embedder == embedder)
        query = select(ghosts).where(*here, ghosts.c.evicted_at <= miss.created_at, ghosts.c.prompt.is_not(None))
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [Ghost(row.clip_id, row.prompt, row.embedder, row.vector, row.evicted_at) for row in rows]

    async def count(self, counted: Sequence[str], before: int, after: int) -> bool:
        """Adds one for each of `counted` (clip ids, with repeats) and moves the cursor from `before` to `after`, together.
        False, and nothing changes, if another gateway moved it first.
        """
        moved = update(counters).where(counters.c.name == _CURSOR, counters.c.value == before)
        async with self._database.write() as connection:
            if not (await connection.execute(moved.values(value=after))).rowcount:
                return False
            for clip_id in counted:
                await connection.execute(update(ghosts).where(ghosts.c.clip_id == clip_id).values(would_hit=ghosts.c.would_hit + 1))
        return True

    async def summary(self) -> list[GhostSummary]:
        """The effect of a cache bigger by the newest quarter, half and all of the ghosts."""
        spent = (ghosts.c.would_hit * ghosts.c.gpu_seconds).label("spent")
        query = select(ghosts.c.length, ghosts.c.would_hit, spent).order_by(ghosts.c.evicted_at.desc(), ghosts.c.clip_id.desc())
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found: list[GhostSummary] = []
        for share in (0.25, 0.5, 1.0):
            some = rows[: max(1, round(share * len(rows)))]
            if some and (not found or len(some) > found[-1].clips):
                hits = sum(row.would_hit for row in some)
                found.append(GhostSummary(len(some), sum(row.length for row in some), hits, sum(row.spent for row in some)))
        return found

    async def evicted(self) -> int:
        """The number of ghosts."""
        async with self._database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(ghosts))).scalar_one())
