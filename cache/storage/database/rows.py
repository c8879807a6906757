"""Conversion between rows and words: the only place that knows both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Table, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.assist import Assistance, Start
from cache.clip import Clip, ObjectKind, StoredObject
from cache.recipe import Recipe
from cache.request import Request
from cache.storage.tables import clip_objects, clips, counters, ghosts, jobs, plan_prompts, recipes, requests, tallies


async def next_sequence(connection: AsyncConnection) -> int:
    """The next number of the log of changes; holds its row lock until the transaction ends (see tables.counters)."""
    bumped = await connection.execute(
        update(counters).where(counters.c.name == "sequence").values(value=counters.c.value + 1).returning(counters.c.value)
    )
    return int(bumped.scalar_one())


async def next_sequences(connection: AsyncConnection, count: int) -> range:
    """The next `count` numbers of the log of changes, in one step."""
    bumped = await connection.execute(
        update(counters).where(counters.c.name == "sequence").values(value=counters.c.value + count).returning(counters.c.value)
    )
    last = int(bumped.scalar_one())
    return range(last - count + 1, last + 1)


def insert_into(connection: AsyncConnection, table: Any) -> Any:
    """The dialect's own INSERT, which supports ON CONFLICT."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def insert_ignoring(connection: AsyncConnection, table: Any) -> Any:
    """An INSERT that leaves an existing row as it is."""
    return insert_into(connection, table).on_conflict_do_nothing()


async def upsert(
    connection: AsyncConnection, table: Table, key: Mapping[str, object], facts: Mapping[str, object], first: Mapping[str, object] = {}
) -> None:
    """Inserts or updates the row of `key` with `facts`; `first`: columns that only a new row gets."""
    adding = insert_into(connection, table).values(**key, **facts, **first)
    await connection.execute(adding.on_conflict_do_update(index_elements=list(key), set_=dict(facts)))


async def keep_recipe(connection: AsyncConnection, recipe: Recipe) -> None:
    """Makes sure that the recipe's row exists; rows that name its key may follow in the same transaction."""
    await connection.execute(
        insert_ignoring(connection, recipes), {"key": recipe.key, "fields": recipe.as_fields(), "picture": recipe.picture or None}
    )


async def forget_recipe(connection: AsyncConnection, recipe: Recipe) -> None:
    """Deletes the recipe's row, and its negative prompt and picture with it, if no other row names it any more."""
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
        spec_key=row.spec_key,
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
        assistance=_assistance_of(row),
        reserved=row.reserved,
        asker=row.asker,
    )


def start_row(start: Start | None) -> dict[str, object]:
    """The columns of a start, of a job or a clip."""
    if start is None:
        return {"donor": None, "donor_sigma": None, "assist": None}
    return {"donor": start.donor, "donor_sigma": start.sigma, "assist": start.kind}


def start_of(row: Row[Any]) -> Start | None:
    return None if row.donor is None else Start(row.donor, row.donor_sigma, row.assist)


def assistance_row(assistance: Assistance | None, *, reserved: bool) -> dict[str, object]:
    """The columns of a clip; one made from noise alone has only empty ones."""
    if assistance is None:
        return {"reserved": reserved}
    told = {"steps_skipped": assistance.steps_skipped, "saved_ms": round(assistance.saved_ms, 3), "reserved": reserved}
    return {**start_row(assistance.start), **told}


def _assistance_of(row: Row[Any]) -> Assistance | None:
    start = start_of(row)
    return None if start is None else Assistance(start, row.steps_skipped, row.saved_ms)


def request_row(request: Request) -> dict[str, object]:
    return {
        "id": request.id,
        "tenant": request.tenant,
        "scope": request.scope,
        "key_id": request.key_id,
        "created_at": request.created_at,
        "completed_at": request.completed_at,
        "expires_at": request.expires_at,
        "prompt": request.prompt,
        "spec_key": request.spec_key,
        "recipe_key": request.recipe.key,
        "quality": request.recipe.quality,
        "pinned_seed": request.pinned_seed,
        "take": request.take,
        "priority": request.priority,
        "tags": list(request.tags),
        "end_user": request.end_user,
        "metadata": dict(request.metadata),
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
