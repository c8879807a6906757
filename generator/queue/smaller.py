"""The step down of a job: it becomes one for a smaller Variant, or its requests join that Variant's own job."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.storage.database.rows import keep_recipe, next_sequence, start_row
from cache.storage.requests.requests import WAITING
from cache.storage.tables import jobs, requests
from cache.variant import Spec, Variant
from generator.job import Lease, Move, Priority
from generator.queue.rows import OPEN_STATES, NewJob, held, made_meanwhile, move_job
from generator.queue.withdrawal import answer_all, free_near

SMALLER = "smaller"


class Step(Enum):
    """The outcome of a step: the job continues as the smaller one; another job renders that one, or its clip exists; the lease
    was lost; a request needs the original size.
    """

    DOWN = "down"
    ELSEWHERE = "elsewhere"
    LOST = "lost"
    REFUSED = "refused"


async def step_down(connection: AsyncConnection, lease: Lease, recipe: Recipe, note: str) -> Step:
    """Steps down in the caller's transaction. `note` is added to every request that will get the smaller clip."""
    sequence = await next_sequence(connection)
    job, fence = lease.job, held(lease.job, lease.worker)
    row = (await connection.execute(select(jobs.c.priority, jobs.c.allow_smaller).where(fence))).one_or_none()
    if row is None:
        return Step.LOST
    if row.priority != Priority.BACKGROUND.value or not row.allow_smaller:
        return Step.REFUSED
    variant = _variant(lease, recipe)
    new = NewJob(job.tenant, variant, joinable=job.joinable, id=job.id)
    # Who joined by nearness asked for another clip: it becomes a miss of its own, and so a job that may step down or not.
    await free_near(connection, job.id)
    await _tell(connection, job.id, note)
    if job.joinable and (clip_id := await made_meanwhile(connection, new)) is not None:
        await answer_all(connection, job.id, clip_id, 0.0)
        await move_job(connection, job.id, Move.CANCEL, fence, error_code=SMALLER, error_message=note)
        return Step.ELSEWHERE
    other = (await connection.scalars(select(jobs.c.id).where(jobs.c.variant_key == new.key, OPEN_STATES))).one_or_none()
    if other is not None:
        claim = {"job_id": other, "verdict": "joined"}
        await connection.execute(update(requests).where(requests.c.job_id == job.id, WAITING).values(**claim))
        await move_job(connection, job.id, Move.CANCEL, fence, error_code=SMALLER, error_message=note)
        return Step.ELSEWHERE
    await keep_recipe(connection, recipe)
    keys = {"variant_key": new.key, "spec_key": variant.spec.key, "recipe_key": recipe.key, "seed": variant.seed}
    # No donor is of that size; what it makes by itself may answer everyone.
    keys |= {**start_row(None), "reserved": False}
    await connection.execute(update(jobs).where(fence).values(sequence=sequence, **keys))
    return Step.DOWN


def _variant(lease: Lease, recipe: Recipe) -> Variant:
    job = lease.job
    spec = Spec(job.scope, Prompt.parse(job.prompt), recipe)
    return Variant(spec, pinned_seed=job.seed) if job.take is None else Variant(spec, take=job.take)


async def _tell(connection: AsyncConnection, job_id: str, note: str) -> None:
    waiting = await connection.execute(select(requests.c.id, requests.c.notes).where(requests.c.job_id == job_id, WAITING))
    for row in waiting.all():
        await connection.execute(update(requests).where(requests.c.id == row.id).values(notes=[*row.notes, note]))
