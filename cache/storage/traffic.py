"""The recorded requests as a planner reads them: who asked for which film, how often, and when."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.planning import Asks
from cache.recipe import Recipe
from cache.storage.shelf import answering
from cache.storage.tables import clips, jobs, recipes, requests

_HOUR = 3600.0
_RECENT = 200  # clips of a Recipe that its costs are read from


@dataclass(frozen=True)
class AskedFilm:
    """One film that one tenant asked for, `asks` by the hour."""

    film_key: str
    prompt: str
    recipe: Recipe
    asks: tuple[Asks, ...]


@dataclass(frozen=True)
class Traffic:
    """`since`: the oldest request that was counted, Unix seconds; `films` the latest asked first."""

    films: list[AskedFilm]
    since: float | None


async def tenants_asking(connection: AsyncConnection, since: float) -> list[str]:
    query = select(requests.c.tenant).where(requests.c.created_at >= since).distinct().order_by(requests.c.tenant)
    return list((await connection.scalars(query)).all())


async def traffic(connection: AsyncConnection, tenant: str, since: float, limit: int) -> Traffic:
    """What `tenant` asked for after `since` (Unix seconds), from at most `limit` rows of film and hour.

    All verdicts count, misses too: what was never made is what a plan is for. Left out are requests whose words are not
    kept, those that a cache could not have answered (pinned seeds, another take, no cache), that failed or were deleted.
    """
    hour = cast(requests.c.created_at / _HOUR, BigInteger)
    query = (
        select(
            requests.c.film_key,
            requests.c.recipe_key,
            func.max(requests.c.prompt).label("prompt"),
            func.avg(requests.c.created_at).label("at"),
            func.min(requests.c.created_at).label("first"),
            func.count().label("times"),
        )
        .where(
            requests.c.tenant == tenant,
            requests.c.created_at >= since,
            requests.c.prompt.is_not(None),
            requests.c.no_store.is_(False),
            requests.c.pinned_seed.is_(None),
            requests.c.verdict != "bypass",
            requests.c.deleted_at.is_(None),
            or_(requests.c.error_code.is_(None), requests.c.error_code == "cancelled"),
        )
        .group_by(requests.c.film_key, requests.c.recipe_key, hour)
        .order_by(func.max(requests.c.created_at).desc())
        .limit(limit)
    )
    words: dict[tuple[str, str], str] = {}
    asks: dict[tuple[str, str], list[Asks]] = {}
    oldest: float | None = None
    for row in await connection.execute(query):
        key = (row.film_key, row.recipe_key)
        words.setdefault(key, row.prompt)
        asks.setdefault(key, []).append(Asks(float(row.at), int(row.times)))
        oldest = row.first if oldest is None else min(oldest, row.first)
    named = await _recipes(connection, {recipe_key for _, recipe_key in asks})
    films = [AskedFilm(key[0], words[key], named[key[1]], tuple(found)) for key, found in asks.items() if key[1] in named]
    return Traffic(films, oldest)


async def _recipes(connection: AsyncConnection, keys: set[str]) -> dict[str, Recipe]:
    rows = await connection.execute(select(recipes.c.key, recipes.c.fields).where(recipes.c.key.in_(sorted(keys))))
    return {row.key: Recipe.from_fields(row.fields) for row in rows}


async def at_hand(connection: AsyncConnection, film_keys: list[str]) -> set[str]:
    """Those of `film_keys` that a clip answers, or that are being made."""
    found: set[str] = set()
    for start in range(0, len(film_keys), 500):
        some = film_keys[start : start + 500]
        made = select(clips.c.film_key).where(clips.c.film_key.in_(some), answering())
        coming = select(jobs.c.film_key).where(jobs.c.film_key.in_(some), jobs.c.joinable, jobs.c.state.in_(("queued", "leased")))
        found |= set((await connection.scalars(made)).all()) | set((await connection.scalars(coming)).all())
    return found


async def gpu_seconds(connection: AsyncConnection, recipe_key: str | None) -> float | None:
    """What a clip of this Recipe (None: of any) took lately, on average; None where there is none."""
    recent = select(clips.c.gpu_seconds)
    if recipe_key is not None:
        recent = recent.where(clips.c.recipe_key == recipe_key)
    lately = recent.order_by(clips.c.sequence.desc()).limit(_RECENT).subquery()
    found = (await connection.execute(select(func.avg(lately.c.gpu_seconds)))).scalar_one()
    return None if found is None else float(found)
