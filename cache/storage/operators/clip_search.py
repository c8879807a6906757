"""The search of clips for operators: filtered, sorted, page by page, with their use.

Clips made under no-store are private: they are in no list and no total here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, exists, func, literal, select, tuple_, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import Clip, ClipState
from cache.recipe import Recipe
from cache.storage.database.database import Database
from cache.storage.database.rows import read_clips
from cache.storage.tables import clips, recipes, requests

ClipSort = Literal["created", "hits", "size", "gpu_seconds"]
SORTS: tuple[ClipSort, ...] = ("created", "hits", "size", "gpu_seconds")
STATES: tuple[ClipState, ...] = ("live", "superseded", "withdrawn")
_BY: Mapping[ClipSort, ColumnElement[Any]] = {
    "created": clips.c.created_at,
    "hits": clips.c.hits,
    "size": clips.c.length,
    "gpu_seconds": clips.c.gpu_seconds,
}
_MOST_RECIPES = 200


@dataclass(frozen=True)
class ClipFilter:
    """A filter of clips; all fields that are set must match. `since` and `until`: Unix seconds of creation, `until` excluded.

    `text` is searched only in prompts of `readable`, the tenant whose prompts may be read (None: all tenants).
    An empty `state` means in service: live or superseded.
    """

    tenant: str = ""
    model: str = ""
    size: str = ""
    quality: str = ""
    recipe_key: str = ""
    tag: str = ""
    state: ClipState | Literal[""] = "live"
    pinned: bool | None = None
    since: float | None = None
    until: float | None = None
    text: str = ""
    readable: str | None = None
    removal: str = ""


@dataclass(frozen=True)
class Totals:
    """The totals of a filter: clips, their bytes in the object store, and the GPU-seconds of their renders."""

    count: int
    length: int
    gpu_seconds: float
    pinned: int


@dataclass(frozen=True)
class FoundClip:
    """A clip with the facts of its row. `hits` counts exact and near hits since it was made."""

    clip: Clip
    hits: int
    last_hit_at: float | None
    withdrawn_at: float | None
    withdrawn_reason: str | None


@dataclass(frozen=True)
class Reuse:
    """The requests of one tenant that hold the clip by one verdict: their number, and the time of the last."""

    tenant: str
    verdict: str
    count: int
    last_at: float


@dataclass(frozen=True)
class RecipeCount:
    recipe: Recipe
    count: int


class ClipSearch:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, wanted: ClipFilter, sort: ClipSort, ascending: bool, after: str | None, limit: int
    ) -> tuple[list[FoundClip], bool]:
        """One page, and whether more follow. `after`: the last clip's id; the page continues after its current position."""
        by = _BY[sort]
        condition = self.condition(wanted)
        if after is not None:
            place = select(by, clips.c.id).where(clips.c.id == after)
            async with self._database.read() as connection:
                stands = (await connection.execute(place)).one_or_none()
            if stands is None:
                return [], False
            here = tuple_(by, clips.c.id)
            edge = tuple_(literal(stands[0]), literal(stands[1]))
            condition = and_(condition, here > edge if ascending else here < edge)
        query = select(clips.c.id).where(condition)
        query = query.order_by(by.asc() if ascending else by.desc(), clips.c.id.asc() if ascending else clips.c.id.desc())
        async with self._database.read() as connection:
            ids = list((await connection.scalars(query.limit(limit + 1))).all())
            found = await found_clips(connection, ids[:limit])
        return found, len(ids) > limit

    async def totals(self, wanted: ClipFilter) -> Totals:
        async with self._database.read() as connection:
            return await self.totals_in(connection, wanted)

    async def totals_in(self, connection: AsyncConnection, wanted: ClipFilter) -> Totals:
        query = select(
            func.count(), func.coalesce(func.sum(clips.c.length), 0), func.coalesce(func.sum(clips.c.gpu_seconds), 0.0),
            func.count().filter(clips.c.pinned),
        ).where(self.condition(wanted))  # fmt: skip
        count, length, gpu_seconds, pinned = (await connection.execute(query)).one()
        return Totals(int(count), int(length), float(gpu_seconds), int(pinned))

    async def by_id(self, clip_id: str) -> FoundClip | None:
        async with self._database.read() as connection:
            found = await found_clips(connection, [clip_id])
        return found[0] if found else None

    async def reuse(self, clip_id: str) -> list[Reuse]:
        """Counts of the stored requests by tenant and verdict, without their prompts."""
        query = select(requests.c.tenant, requests.c.verdict, func.count(), func.max(requests.c.created_at))
        query = query.where(requests.c.clip_id == clip_id).group_by(requests.c.tenant, requests.c.verdict)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(func.count().desc(), requests.c.tenant))).all()
        return [Reuse(row[0], row[1], int(row[2]), float(row[3])) for row in rows]

    async def held_by(self, clip_id: str, tenant: str) -> bool:
        """True if a request of this tenant was answered with the clip, so that the tenant has seen it."""
        holds = exists().where(requests.c.clip_id == clip_id, requests.c.tenant == tenant)
        async with self._database.read() as connection:
            return bool((await connection.execute(select(holds))).scalar_one())

    async def recipes(self, tenant: str = "") -> list[RecipeCount]:
        """Recipes of live clips, those with most clips first."""
        live = and_(clips.c.state == "live", clips.c.private.is_(False))
        if tenant:
            live = and_(live, clips.c.tenant == tenant)
        counted = select(clips.c.recipe_key, func.count().label("count")).where(live).group_by(clips.c.recipe_key)
        most = counted.order_by(func.count().desc(), clips.c.recipe_key).limit(_MOST_RECIPES).subquery()
        query = select(recipes.c.fields, most.c.count).join(most, most.c.recipe_key == recipes.c.key)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(most.c.count.desc(), recipes.c.key))).all()
        return [RecipeCount(Recipe.from_fields(row.fields), int(row[1])) for row in rows]

    async def tenants(self) -> list[str]:
        """The tenants of all clips, withdrawn ones too."""
        async with self._database.read() as connection:
            return list((await connection.scalars(select(clips.c.tenant).distinct().order_by(clips.c.tenant).limit(1000))).all())

    def condition(self, wanted: ClipFilter) -> ColumnElement[bool]:
        found: list[ColumnElement[bool]] = [clips.c.private.is_(False)]
        for column, value in ((clips.c.tenant, wanted.tenant), (clips.c.quality, wanted.quality), (clips.c.recipe_key, wanted.recipe_key)):
            if value:
                found.append(column == value)
        if wanted.model or wanted.size:
            found.append(clips.c.recipe_key.in_(_recipe_keys(wanted)))
        found.append(clips.c.state == wanted.state if wanted.state else clips.c.state != "withdrawn")
        if wanted.removal:
            found.append(clips.c.withdrawn_reason.startswith(f"invalidated {wanted.removal}", autoescape=True))
        if wanted.tag:
            found.append(self._tagged(wanted.tag))
        if wanted.pinned is not None:
            found.append(clips.c.pinned.is_(wanted.pinned))
        if wanted.since is not None:
            found.append(clips.c.created_at >= wanted.since)
        if wanted.until is not None:
            found.append(clips.c.created_at < wanted.until)
        if wanted.text:
            found.append(clips.c.prompt.icontains(wanted.text, autoescape=True))
            if wanted.readable is not None:
                found.append(clips.c.tenant == wanted.readable)
        return and_(*found)

    def _tagged(self, tag: str) -> ColumnElement[bool]:
        if not self._database.sqlite:
            return type_coerce(clips.c.tags, JSONB).contains([tag])
        each = func.json_each(clips.c.tags).table_valued("value")
        return select(literal(1)).select_from(each).where(each.c.value == tag).exists()


def _recipe_keys(wanted: ClipFilter) -> Any:
    """A subquery: the keys of Recipes of this model and size."""
    query = select(recipes.c.key)
    if wanted.model:
        query = query.where(recipes.c.fields["model"].as_string() == wanted.model)
    if wanted.size:
        width, _, height = wanted.size.partition("x")
        sides = (int(side) if side.isdecimal() and len(side) < 6 else -1 for side in (width, height))
        for name, side in zip(("width", "height"), sides, strict=True):
            query = query.where(recipes.c.fields[name].as_integer() == side)
    return query


async def found_clips(connection: AsyncConnection, ids: list[str]) -> list[FoundClip]:
    """The clips of `ids`, in their order, without deleted and private ones."""
    if not ids:
        return []
    query = select(clips.c.id, clips.c.hits, clips.c.last_hit_at, clips.c.withdrawn_at, clips.c.withdrawn_reason)
    query = query.where(clips.c.id.in_(ids), clips.c.private.is_(False))
    rows: list[Row[Any]] = list(await connection.execute(query))
    beside = {row.id: row for row in rows}
    there = {clip.id: clip for clip in await read_clips(connection, clips.c.id.in_(list(beside)))}
    return [
        FoundClip(there[one], int(beside[one].hits), beside[one].last_hit_at, beside[one].withdrawn_at, beside[one].withdrawn_reason)
        for one in ids
        if one in there
    ]
