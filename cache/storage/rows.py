"""From rows to words and back: the only place that knows both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import Clip, ObjectKind, StoredObject
from cache.recipe import Recipe
from cache.request import Request
from cache.storage.tables import clip_objects, clips, counters, jobs, recipes, requests
from cache.storage.tables_for_operators import ghosts, plan_prompts, tallies


async def next_sequence(connection: AsyncConnection) -> int:
    """The next number of the log of changes; holds its row lock until the transaction ends (see tables.counters)."""
    bumped = await connection.execute(
        update(counters).where(counters.c.name == "sequence").values(value=counters.c.value + 1).returning(counters.c.value)
    )
    return int(bumped.scalar_one())


async def next_sequences(connection: AsyncConnection, count: int) -> range:
    """As next_sequence, `count` of them in one step."""
    bumped = await connection.execute(
        update(counters).where(counters.c.name == "sequence").values(value=counters.c.value + count).returning(counters.c.value)
    )
    last = int(bumped.scalar_one())
    return range(last - count + 1, last + 1)


def insert_ignoring(connection: AsyncConnection, table: Any) -> Any:
    """INSERT … ON CONFLICT DO NOTHING in the dialect at hand."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


async def keep_recipe(connection: AsyncConnection, recipe: Recipe) -> None:
    """The recipe's row exists after this; rows that name its key may follow in the same transaction."""
    await connection.execute(insert_ignoring(connection, recipes), {"key": recipe.key, "fields": recipe.as_fields()})


async def forget_recipe(connection: AsyncConnection, recipe: Recipe) -> None:
    """Its row, and with it a negative prompt, where no other row names it any more."""
    named = (exists().where(table.c.recipe_key == recipe.key) for table in (jobs, clips, requests, ghosts, plan_prompts, tallies))
    await connection.execute(delete(recipes).where(recipes.c.key == recipe.key, *(~one for one in named)))


async def read_clips(connection: AsyncConnection, condition: Any, limit: int | None = None) -> list[Clip]:
    """Clips that satisfy `condition`, newest change first, with their recipes and objects: two statements in all."""
    query = select(clips, recipes.c.fields).join(recipes, recipes.c.key == clips.c.recipe_key).where(condition)
    query = query.order_by(clips.c.sequence.desc())
    found = (await connection.execute(query if limit is None else query.limit(limit))).all()
    if not found:
        return []
    named = select(clip_objects).where(clip_objects.c.clip_id.in_([row.id for row in found]))
    stored: dict[str, list[Row[Any]]] = {}
    for row in await connection.execute(named):
        stored.setdefault(row.clip_id, []).append(row)
    return [clip_of(row, stored.get(row.id, [])) for row in found]


def clip_of(row: Row[Any], objects: Iterable[Row[Any]]) -> Clip:
    kept: Mapping[ObjectKind, StoredObject] = {
        stored.kind: StoredObject(stored.kind, stored.name, stored.sha256, stored.length, stored.content_type) for stored in objects
    }
    return Clip(
        id=row.id,
        tenant=row.tenant,
        scope=row.scope,
        variant_key=row.variant_key,
        film_key=row.film_key,
        prompt=row.prompt,
        recipe=Recipe.from_fields(row.fields),
        seed=row.seed,
        take=row.take,
        state=row.state,
        sequence=row.sequence,
        created_at=row.created_at,
        expires_at=row.expires_at,
        gpu_seconds=row.gpu_seconds,
        objects=kept,
        stages_ms=row.stages_ms,
        steps_ms=tuple(row.steps_ms or ()),
        peak_bytes=row.peak_bytes,
        notes=tuple(row.notes),
        tags=tuple(row.tags),
        pinned=row.pinned,
        private=row.private,
        provenance=row.provenance,
    )


def request_row(request: Request) -> dict[str, object]:
    return {
        "id": request.id,
        "tenant": request.tenant,
        "scope": request.scope,
        "created_at": request.created_at,
        "completed_at": request.completed_at,
        "expires_at": request.expires_at,
        "prompt": request.prompt,
        "film_key": request.film_key,
        "recipe_key": request.recipe.key,
        "quality": request.recipe.quality,
        "pinned_seed": request.pinned_seed,
        "take": request.take,
        "priority": request.priority,
        "tags": list(request.tags),
        "no_store": request.no_store,
        "verdict": request.verdict,
        "reason": request.reason,
        "similarity": request.similarity,
        "confidence": request.confidence,
        "refused": [asdict(refusal) for refusal in request.refused],
        "notes": list(request.notes),
        "clip_id": request.clip_id,
        "job_id": request.job_id,
        "gpu_seconds_saved": request.gpu_seconds_saved,
        "error_code": request.error_code,
        "error_message": request.error_message,
    }
