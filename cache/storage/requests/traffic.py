"""Traffic for the planner: the Specs requested by a tenant, how often and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Row, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.planning import Asks
from cache.recipe import Recipe
from cache.storage.clips.answering import answering_exactly
from cache.storage.tables import clips, jobs, recipes, requests
from cache.variant import tenant_scope

_HOUR = 3600.0
_RECENT = 200  # clips of a Recipe that its cost is averaged over


@dataclass(frozen=True)
class AskedSpec:
    """A Spec requested by one tenant, with its requests by the hour."""

    spec_key: str
    prompt: str
    recipe: Recipe
    asks: tuple[Asks, ...]


@dataclass(frozen=True)
class Traffic:
    """The traffic. `since`: the oldest request counted, Unix seconds; `specs`: the most recently requested first."""

    specs: list[AskedSpec]
    since: float | None


async def tenants_asking(connection: AsyncConnection, since: float) -> list[str]:
    query = select(requests.c.tenant).where(requests.c.created_at >= since).distinct().order_by(requests.c.tenant)
    return list((await connection.scalars(query)).all())


async def traffic(connection: AsyncConnection, tenant: str, since: float, limit: int) -> Traffic:
    """The requests of `tenant` after `since` (Unix seconds), from at most `limit` rows of Spec and hour.

    All verdicts count, misses too: a plan is for what was never rendered. Left out are requests whose prompts are not
    stored, those that a cache could not have answered (pinned seeds, another take, no cache), that failed or were deleted, those of an
    end user's own scope, since what is made ahead answers the whole tenant, and those with a picture: plans are of words alone.
    A Spec whose only ask was cancelled is left out, too: nobody wants it. Who asks again shows that the wish outlived the wait.
    """
    hour = cast(requests.c.created_at / _HOUR, BigInteger)
    query = (
        select(
            requests.c.spec_key,
            requests.c.recipe_key,
            func.max(requests.c.prompt).label("prompt"),
            func.avg(requests.c.created_at).label("at"),
            func.min(requests.c.created_at).label("first"),
            func.count().label("times"),
            func.count(requests.c.error_code).label("cancelled"),
        )
        .join(recipes, recipes.c.key == requests.c.recipe_key)
        .where(
            requests.c.tenant == tenant,
            requests.c.scope == tenant_scope(tenant),
            requests.c.created_at >= since,
            requests.c.prompt.is_not(None),
            requests.c.no_store.is_(False),
            recipes.c.picture.is_(None),
            requests.c.pinned_seed.is_(None),
            requests.c.verdict != "bypass",
            requests.c.deleted_at.is_(None),
            or_(requests.c.error_code.is_(None), requests.c.error_code == "cancelled"),
        )
        .group_by(requests.c.spec_key, requests.c.recipe_key, hour)
        .order_by(func.max(requests.c.created_at).desc())
        .limit(limit)
    )
    words: dict[tuple[str, str], str] = {}
    asks: dict[tuple[str, str], list[Asks]] = {}
    oldest: float | None = None
    rows = (await connection.execute(query)).all()
    given_up = _given_up(rows)
    for row in rows:
        key = (row.spec_key, row.recipe_key)
        if key in given_up:
            continue
        words.setdefault(key, row.prompt)
        asks.setdefault(key, []).append(Asks(float(row.at), int(row.times)))
        oldest = row.first if oldest is None else min(oldest, row.first)
    named = await _recipes(connection, {recipe_key for _, recipe_key in asks})
    specs = [AskedSpec(key[0], words[key], named[key[1]], tuple(found)) for key, found in asks.items() if key[1] in named]
    return Traffic(specs, oldest)


def _given_up(rows: Sequence[Row[Any]]) -> set[tuple[str, str]]:
    asked: Counter[tuple[str, str]] = Counter()
    cancelled: Counter[tuple[str, str]] = Counter()
    for row in rows:
        asked[row.spec_key, row.recipe_key] += row.times
        cancelled[row.spec_key, row.recipe_key] += row.cancelled
    return {key for key, times in asked.items() if times == cancelled[key] == 1}


async def _recipes(connection: AsyncConnection, keys: set[str]) -> dict[str, Recipe]:
    rows = await connection.execute(select(recipes.c.key, recipes.c.fields).where(recipes.c.key.in_(sorted(keys))))
    return {row.key: Recipe.from_fields(row.fields) for row in rows}


async def at_hand(connection: AsyncConnection, spec_keys: list[str]) -> set[str]:
    """Those of `spec_keys` that a clip answers or that are being rendered."""
    found: set[str] = set()
    for start in range(0, len(spec_keys), 500):
        some = spec_keys[start : start + 500]
        made = select(clips.c.spec_key).where(clips.c.spec_key.in_(some), answering_exactly())
        coming = select(jobs.c.spec_key).where(jobs.c.spec_key.in_(some), jobs.c.joinable, jobs.c.state.in_(("queued", "leased")))
        found |= set((await connection.scalars(made)).all()) | set((await connection.scalars(coming)).all())
    return found


async def gpu_seconds(connection: AsyncConnection, recipe_key: str | None) -> float | None:
    """The average recent cost of a clip of this Recipe (None: of any) in GPU-seconds; None if there are none."""
    recent = select(clips.c.gpu_seconds)
    if recipe_key is not None:
        recent = recent.where(clips.c.recipe_key == recipe_key)
    lately = recent.order_by(clips.c.sequence.desc()).limit(_RECENT).subquery()
    found = (await connection.execute(select(func.avg(lately.c.gpu_seconds)))).scalar_one()
    return None if found is None else float(found)
