"""Plans at rest: their prompts, progress and hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import Conflict, NotFound
from cache.ids import is_id, new_id
from cache.plan import NewPrompt, Plan, PlanCounts, PlanCover, PlanPrompt, PlanSource, PlanState, PromptState
from cache.recipe import Recipe
from cache.storage.database.database import Database
from cache.storage.database.rows import forget_recipe, keep_recipe
from cache.storage.tables import jobs, now, plan_covers, plan_prompts, plans, recipes, requests

_KEPT = 100  # plans per tenant; the oldest that are not running are deleted
_ROWS = 500  # rows per insert


class Plans:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tenant: str, source: PlanSource, prompts: Sequence[NewPrompt], budget: int, horizon: float, *, start: bool) -> str:
        """Adds a plan with its prompts in order; returns its id."""
        plan_id = new_id("plan")
        row = {
            "id": plan_id, "tenant": tenant, "source": source, "state": "running" if start else "proposed", "budget": budget,
            "created_at": now(), "started_at": now() if start else None, "horizon": horizon,
            "expected_hits": sum(one.expected_hits for one in prompts),
        }  # fmt: skip
        async with self._database.write() as connection:
            for recipe in {one.recipe.key: one.recipe for one in prompts}.values():
                await keep_recipe(connection, recipe)
            await connection.execute(insert(plans).values(**row))
            named = [_prompt_row(plan_id, rank, one) for rank, one in enumerate(prompts, 1)]
            covers = [_cover_row(plan_id, rank, cover) for rank, one in enumerate(prompts, 1) for cover in one.covers]
            for table, rows in ((plan_prompts, named), (plan_covers, covers)):
                for at in range(0, len(rows), _ROWS):
                    await connection.execute(insert(table), rows[at : at + _ROWS])
            await self._trim(connection, tenant)
        return plan_id

    async def _trim(self, connection: AsyncConnection, tenant: str) -> None:
        newest = select(plans.c.id).where(plans.c.tenant == tenant).order_by(plans.c.id.desc()).limit(_KEPT)
        old = and_(plans.c.tenant == tenant, plans.c.state != "running", plans.c.id.not_in(newest))
        await connection.execute(delete(plans).where(old))  # the cascade deletes prompts and covers

    # Reading

    async def newest(self, limit: int, tenant: str | None = None) -> list[Plan]:
        query = select(plans) if tenant is None else select(plans).where(plans.c.tenant == tenant)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(plans.c.id.desc()).limit(limit))).all()
            return await _with_counts(connection, rows)

    async def by_id(self, plan_id: str) -> Plan:
        async with self._database.read() as connection:
            rows = (await connection.execute(select(plans).where(plans.c.id == plan_id))).all() if is_id("plan", plan_id) else []
            if not rows:
                raise NotFound(f"no plan has the id {plan_id[:64]!r}", "plan_id")
            return (await _with_counts(connection, rows))[0]

    async def prompts(self, plan_id: str, after: int, limit: int) -> list[PlanPrompt]:
        """Prompts in order of rank, after the rank `after`, with their covers and hits."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_PROMPTS.where(_of(plan_id), plan_prompts.c.rank > after).limit(limit))).all()
            ranks = [row.rank for row in rows]
            covers: dict[int, list[PlanCover]] = {}
            query = select(plan_covers).where(plan_covers.c.plan_id == plan_id, plan_covers.c.rank.in_(ranks))
            for row in await connection.execute(query.order_by(plan_covers.c.asks.desc(), plan_covers.c.spec_key)):
                covers.setdefault(row.rank, []).append(PlanCover(row.spec_key, row.prompt, row.asks, row.confidence))
            hits = {row.rank: row.hits for row in await connection.execute(_hits(plan_id))}
        return [_prompt_of(row, hits.get(row.rank, 0), tuple(covers.get(row.rank, ()))) for row in rows]

    async def latest_mined(self, connection: AsyncConnection, tenant: str) -> float | None:
        """The time of the last plan mined for `tenant`."""
        query = select(func.max(plans.c.created_at)).where(plans.c.tenant == tenant, plans.c.source == "mined")
        found: float | None = (await connection.execute(query)).scalar_one()
        return found

    # Changing

    async def start(self, plan_id: str) -> None:
        """Starts a proposed or cancelled plan. Raises NotFound, or Conflict if it is running or done."""
        starting = {"state": "running", "started_at": func.coalesce(plans.c.started_at, now()), "finished_at": None, "error": None}
        await self._turn(plan_id, ("proposed", "cancelled"), starting)

    async def cancel(self, plan_id: str) -> None:
        """Cancels a plan: nothing more is submitted, current renders finish. Raises NotFound, or Conflict if it is done or cancelled."""
        await self._turn(plan_id, ("proposed", "running"), {"state": "cancelled", "finished_at": now(), "error": None})

    async def _turn(self, plan_id: str, before: tuple[PlanState, ...], values: dict[str, Any]) -> None:
        plan = await self.by_id(plan_id)
        async with self._database.write() as connection:
            changed = await connection.execute(update(plans).where(plans.c.id == plan_id, plans.c.state.in_(before)).values(**values))
            if not changed.rowcount:
                raise Conflict(f"this plan is {plan.state}")

    # Running

    async def running(self, limit: int) -> list[Plan]:
        """Plans with prompts to submit or renders to wait for, oldest first; cancelled ones, too, while a render of theirs continues."""
        left = select(plan_prompts.c.plan_id).where(plan_prompts.c.plan_id == plans.c.id, plan_prompts.c.state == "asked")
        query = select(plans).where(or_(plans.c.state == "running", and_(plans.c.state == "cancelled", left.exists())))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(plans.c.id).limit(limit))).all()
            return await _with_counts(connection, rows)

    async def in_state(self, plan_id: str, state: PromptState, limit: int) -> list[PlanPrompt]:
        async with self._database.read() as connection:
            rows = await connection.execute(_PROMPTS.where(_of(plan_id), plan_prompts.c.state == state).limit(limit))
            return [_prompt_of(row, 0, ()) for row in rows]

    async def claim(self, connection: AsyncConnection, one: PlanPrompt, job_id: str | None, joined: bool, clip_id: str | None) -> bool:
        """Claims a prompt in the transaction that submitted its job or found its clip. False if it no longer waits."""
        state = "asked" if clip_id is None else "hit"
        waits = and_(_of(one.plan_id), plan_prompts.c.rank == one.rank, plan_prompts.c.state == "waiting")
        change = update(plan_prompts).where(waits).values(state=state, job_id=job_id, joined=joined, clip_id=clip_id)
        return bool((await connection.execute(change)).rowcount)

    async def ended(self, plan_id: str, limit: int) -> list[tuple[PlanPrompt, str | None, str | None]]:
        """Prompts whose job has ended or is gone, each with its clip or its error."""
        over = or_(jobs.c.id.is_(None), jobs.c.state.not_in(("queued", "leased")))
        query = _PROMPTS.add_columns(jobs.c.clip_id.label("made"), jobs.c.error_message, jobs.c.error_code)
        query = query.join(jobs, jobs.c.id == plan_prompts.c.job_id, isouter=True)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.where(_of(plan_id), plan_prompts.c.state == "asked", over).limit(limit))).all()
        return [(_prompt_of(row, 0, ()), row.made, row.error_message or row.error_code) for row in rows]

    async def mark(self, one: PlanPrompt, state: PromptState, *, keep_words: bool = True, **values: Any) -> None:
        """Sets the state of `one`. Without `keep_words` its prompt is removed once it is no longer needed."""
        forgets = not keep_words and state in {"made", "hit", "failed"}
        if forgets:
            values |= {"prompt": None, "recipe_key": one.recipe.without_words.key}
        if "error" in values and values["error"] is not None:
            values["error"] = values["error"][:500]
        change = update(plan_prompts).where(_of(one.plan_id), plan_prompts.c.rank == one.rank)
        async with self._database.write() as connection:
            if forgets:
                await keep_recipe(connection, one.recipe.without_words)
            await connection.execute(change.values(state=state, **values))
            if forgets and one.recipe.worded:
                await forget_recipe(connection, one.recipe)

    async def told(self, plan_id: str, error: str | None) -> None:
        """Records why nothing is submitted at present; None if all is well."""
        differs = plans.c.error.is_distinct_from(literal(error)) if error is not None else plans.c.error.is_not(None)
        async with self._database.write() as connection:
            await connection.execute(update(plans).where(plans.c.id == plan_id, differs).values(error=error))

    async def finish(self, plan_id: str) -> None:
        async with self._database.write() as connection:
            done = update(plans).where(plans.c.id == plan_id, plans.c.state == "running")
            await connection.execute(done.values(state="done", finished_at=now(), error=None))

    async def settle(self, limit: int) -> None:
        """Stores the hits of plans whose horizon is over, before the requests behind them are pruned."""
        over = and_(plans.c.realised_hits.is_(None), plans.c.started_at + plans.c.horizon <= now())
        async with self._database.read() as connection:
            ids = (await connection.scalars(select(plans.c.id).where(over).limit(limit))).all()
        for plan_id in ids:
            async with self._database.write() as connection:
                hits = sum(row.hits for row in await connection.execute(_hits(plan_id)))
                await connection.execute(update(plans).where(plans.c.id == plan_id).values(realised_hits=hits))


_PROMPTS = select(plan_prompts, recipes.c.fields).join(recipes, recipes.c.key == plan_prompts.c.recipe_key).order_by(plan_prompts.c.rank)


def _of(plan_id: str) -> Any:
    return plan_prompts.c.plan_id == plan_id


def _hits(plan_id: str) -> Any:
    """Requests that the clips of this plan answered within its horizon, by rank."""
    return (
        select(plan_prompts.c.rank, func.count().label("hits"))
        .join(plans, plans.c.id == plan_prompts.c.plan_id)
        .join(requests, requests.c.clip_id == plan_prompts.c.clip_id)
        .where(_of(plan_id), plan_prompts.c.state == "made", requests.c.created_at >= plans.c.started_at)
        .where(requests.c.created_at < plans.c.started_at + plans.c.horizon, requests.c.verdict.in_(("exact", "near", "joined")))
        .group_by(plan_prompts.c.rank)
    )


async def _with_counts(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Plan]:
    ids = [row.id for row in rows]
    left = func.sum(case((plan_prompts.c.state.in_(("waiting", "asked")), plan_prompts.c.gpu_seconds), else_=0.0))
    query = select(plan_prompts.c.plan_id, plan_prompts.c.state, func.count().label("times"), left.label("left"))
    found: dict[str, dict[str, int]] = {}
    seconds: dict[str, float] = {}
    for row in await connection.execute(
        query.where(plan_prompts.c.plan_id.in_(ids)).group_by(plan_prompts.c.plan_id, plan_prompts.c.state)
    ):
        found.setdefault(row.plan_id, {})[row.state] = row.times
        seconds[row.plan_id] = seconds.get(row.plan_id, 0.0) + row.left
    told = []
    for row in rows:
        hits = row.realised_hits
        if hits is None:
            hits = sum(one.hits for one in await connection.execute(_hits(row.id))) if row.started_at is not None else 0
        told.append(
            Plan(
                row.id, row.tenant, row.source, row.state, row.budget, row.created_at, row.started_at, row.finished_at,
                row.expected_hits, row.horizon, hits, row.error, PlanCounts(**found.get(row.id, {})), seconds.get(row.id, 0.0),
            )
        )  # fmt: skip
    return told


def _prompt_row(plan_id: str, rank: int, one: NewPrompt) -> dict[str, Any]:
    return {
        "plan_id": plan_id, "rank": rank, "prompt": one.prompt, "spec_key": one.spec_key, "recipe_key": one.recipe.key,
        "expected_hits": one.expected_hits, "gpu_seconds": one.gpu_seconds, "state": "waiting",
    }  # fmt: skip


def _cover_row(plan_id: str, rank: int, cover: PlanCover) -> dict[str, Any]:
    return {
        "plan_id": plan_id, "rank": rank, "spec_key": cover.spec_key, "prompt": cover.prompt, "asks": cover.asks,
        "confidence": cover.confidence,
    }  # fmt: skip


def _prompt_of(row: Row[Any], hits: int, covers: tuple[PlanCover, ...]) -> PlanPrompt:
    return PlanPrompt(
        row.plan_id, row.rank, row.prompt, row.spec_key, Recipe.from_fields(row.fields), row.expected_hits, row.gpu_seconds, row.state,
        row.joined, row.clip_id, row.error, hits, covers,
    )  # fmt: skip
