"""Tallies: the counts of requests, stored and pruned, and the pruning.

A request is in exactly one of the two tables: it moves in one transaction. A count reads both in one
statement, which sees one state of the database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.recipe import Recipe
from cache.storage.database.database import Database
from cache.storage.database.rows import forget_recipe, insert_into, keep_recipe, next_sequence
from cache.storage.operators.buckets import sql_bucket
from cache.storage.tables import JUDGED, audits, idempotency, jobs, now, plan_prompts, recipes, requests, tallies, webhooks

HOUR = 3600
SUMS = ("count", "failed", "made", "saved", "nearness", "nearness_saved", "assisted", "assist_saved")
KEY: ColumnElement[str] = func.coalesce(requests.c.key_id, "")
_BATCH = 500  # requests pruned per transaction

# Nobody waits for it any more. A client that asks for its id later gets 404.
SETTLED = or_(
    requests.c.clip_id.is_not(None),
    requests.c.error_code.is_not(None),
    requests.c.cancelled_at.is_not(None),
    requests.c.deleted_at.is_not(None),
)
# Of a hit what was measured, after its commit; of others from the request to its clip. A hit whose time is not written yet has none:
# its `completed_at` is from before its commit.
_TOOK = "coalesce(requests.answer_ms / 1000.0, requests.completed_at - requests.created_at)"
_ANSWERED = "requests.completed_at IS NOT NULL AND requests.clip_id IS NOT NULL"
_TIMED = f"{_ANSWERED} AND (requests.answer_ms IS NOT NULL OR requests.verdict NOT IN ('exact', 'near'))"
# Answered by nearness, with words that were new: a cache of exact matches would have had to render these.
# It would have had repeats of such words, too.
_NEARNESS = and_(literal_column(f"({JUDGED})"), requests.c.asked_before.is_(False), literal_column(f"({_ANSWERED})"))
_FAILED = and_(requests.c.error_code.is_not(None), requests.c.error_code != "cancelled")
_BUCKET: ColumnElement[int] = literal_column(sql_bucket(_TOOK, _TIMED), BigInteger)


def slot_of(database: Database, seconds: ColumnElement[Any], size: int, offset: int = 0) -> ColumnElement[int]:
    """The number of the slot of `size` seconds that a time is in; slots start `offset` seconds late."""
    parted = (seconds - literal_column(f"{offset}.0")) / literal_column(f"{size}.0")
    # A cast truncates on SQLite and rounds on PostgreSQL.
    return cast(parted if database.sqlite else func.floor(parted), BigInteger)


def sums_of_requests() -> tuple[ColumnElement[Any], ...]:
    """The columns of SUMS, over rows of `requests`."""
    return (
        func.count().label("count"),
        func.coalesce(func.sum(case((_FAILED, 1), else_=0)), 0).label("failed"),
        func.coalesce(func.sum(requests.c.gpu_seconds), 0.0).label("made"),
        func.coalesce(func.sum(requests.c.gpu_seconds_saved), 0.0).label("saved"),
        func.coalesce(func.sum(case((_NEARNESS, 1), else_=0)), 0).label("nearness"),
        func.coalesce(func.sum(case((_NEARNESS, requests.c.gpu_seconds_saved), else_=0.0)), 0.0).label("nearness_saved"),
        func.coalesce(func.sum(case((requests.c.assist_saved > 0, 1), else_=0)), 0).label("assisted"),
        func.coalesce(func.sum(requests.c.assist_saved), 0.0).label("assist_saved"),
    )


def counted(database: Database, since: float, until: float, size: int, offset: int = 0) -> Select[Any]:
    """SUMS over both tables by slot, verdict, priority and bucket, in one statement. A group may have two rows, one
    from each table. Pruned requests count by the start of their hour against `since` and `until`.
    """
    here = slot_of(database, requests.c.created_at, size, offset).label("slot")
    rows = select(here, requests.c.verdict, requests.c.priority, _BUCKET.label("bucket"), *sums_of_requests())
    rows = rows.where(requests.c.created_at >= since, requests.c.created_at < until)
    there = slot_of(database, cast(tallies.c.hour, requests.c.created_at.type), size, offset).label("slot")
    sums = (func.sum(tallies.c[name]).label(name) for name in SUMS)
    pruned = select(there, tallies.c.verdict, tallies.c.priority, tallies.c.bucket, *sums)
    pruned = pruned.where(tallies.c.hour >= since, tallies.c.hour < until)
    both = rows.group_by("slot", "verdict", "priority", "bucket").union_all(pruned.group_by("slot", "verdict", "priority", "bucket"))
    return select(both.subquery())


class Tally:
    """The pruning of old requests. Several gateways may prune at once: a row locked by one is skipped by the others."""

    def __init__(self, database: Database, keep_days: float) -> None:
        self._database, self._keep = database, keep_days * 86_400.0

    async def prune(self, most: int = 20) -> int:
        """Moves requests from rows to tallies, in at most `most` transactions, returning their number: older than the keep time, and nobody
        waits for them. Their Idempotency-Keys and jobs go with them; labels stay, for they are what people said.
        """
        if not self._keep:
            return 0
        gone = 0
        for _ in range(most):
            async with self._database.write() as connection:
                moved, worded = await self._move(connection)
            if worded:
                async with self._database.write() as connection:
                    await next_sequence(connection)
                    for recipe in worded:
                        await forget_recipe(connection, recipe)
            gone += moved
            if moved < _BATCH:
                break
        return gone

    async def _move(self, connection: AsyncConnection) -> tuple[int, list[Recipe]]:
        """Moves one batch; returns its size and the negative prompts that it named."""
        old = select(requests.c.id).where(requests.c.created_at < now() - literal(self._keep), SETTLED)
        old = old.order_by(requests.c.created_at).limit(_BATCH).with_for_update(skip_locked=True)
        ids = list((await connection.scalars(old)).all())
        if not ids:
            return 0, []
        worded = await _leave_words(connection, ids)
        hour = (slot_of(self._database, requests.c.created_at, HOUR) * HOUR).label("hour")
        key = (
            hour,
            requests.c.tenant,
            KEY.label("key_id"),
            requests.c.verdict,
            requests.c.priority,
            requests.c.recipe_key,
            _BUCKET.label("bucket"),
        )
        named = select(*key, *sums_of_requests()).where(requests.c.id.in_(ids))
        named = named.group_by("hour", "tenant", "key_id", "verdict", "priority", "recipe_key", "bucket")
        names = ["hour", "tenant", "key_id", "verdict", "priority", "recipe_key", "bucket"]
        adding = insert_into(connection, tallies).from_select([*names, *SUMS], named)
        more = {name: tallies.c[name] + adding.excluded[name] for name in SUMS}
        await connection.execute(adding.on_conflict_do_update(index_elements=names, set_=more))
        await connection.execute(delete(idempotency).where(idempotency.c.request_id.in_(ids)))
        began = list((await connection.scalars(select(requests.c.job_id).distinct().where(requests.c.id.in_(ids)))).all())
        await connection.execute(delete(webhooks).where(webhooks.c.request_id.in_(ids)))
        await connection.execute(delete(requests).where(requests.c.id.in_(ids)))
        await _forget_jobs(connection, [job_id for job_id in began if job_id is not None])
        return len(ids), worded


async def _forget_jobs(connection: AsyncConnection, ids: list[str]) -> None:
    """Deletes the finished jobs that no other request, plan or audit names."""
    named = [exists().where(table.c.job_id == jobs.c.id) for table in (requests, plan_prompts, audits)]
    over = jobs.c.state.not_in(("queued", "leased"))
    await connection.execute(delete(jobs).where(jobs.c.id.in_(ids), over, *(~one for one in named)))


async def _leave_words(connection: AsyncConnection, ids: list[str]) -> list[Recipe]:
    """Lets tallied rows name their Recipes without words; returns the Recipes with words that they named before."""
    named = select(recipes.c.fields).where(recipes.c.key.in_(select(requests.c.recipe_key).where(requests.c.id.in_(ids))))
    found = [Recipe.from_fields(row.fields) for row in (await connection.execute(named)).all()]
    worded = [recipe for recipe in found if recipe.worded]
    for recipe in worded:
        await keep_recipe(connection, recipe.without_words)
        change = update(requests).where(requests.c.id.in_(ids), requests.c.recipe_key == recipe.key)
        await connection.execute(change.values(recipe_key=recipe.without_words.key))
    return worded
