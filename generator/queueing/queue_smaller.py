"""How a job steps down: from here on it is one for a smaller Variant, or its askers wait for that Variant's own job."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.storage.requests import WAITING
from cache.storage.rows import keep_recipe, next_sequence
from cache.storage.tables import jobs, requests
from cache.variant import Film, Variant
from generator.job import Lease, Move, Priority
from generator.queueing.queue_rows import OPEN_STATES, NewJob, held, made_meanwhile, moved
from generator.queueing.withdrawal import answer_all, free_near

SMALLER = "smaller"


class Step(Enum):
    """What became of the step: the job goes on as the smaller one; others make that one, or it is there already; the lease
    was lost; somebody waits for this very size.
    """

    DOWN = "down"
    ELSEWHERE = "elsewhere"
    LOST = "lost"
    REFUSED = "refused"


async def step_down(connection: AsyncConnection, lease: Lease, recipe: Recipe, note: str) -> Step:
    """In the caller's transaction. `note` is put on every request that will get the smaller clip."""
    sequence = await next_sequence(connection)
    job, fence = lease.job, held(lease.job, lease.worker)
    row = (await connection.execute(select(jobs.c.priority, jobs.c.allow_smaller).where(fence))).one_or_none()
    if row is None:
        return Step.LOST
    if row.priority != Priority.BACKGROUND.value or not row.allow_smaller:
        return Step.REFUSED
    variant = _variant(lease, recipe)
    new = NewJob(job.tenant, variant, joinable=job.joinable, id=job.id)
    # Who joined by nearness asked for another film: it becomes a miss of its own, and so a job that may step down or not.
    await free_near(connection, job.id)
    await _tell(connection, job.id, note)
    if job.joinable and (clip_id := await made_meanwhile(connection, new)) is not None:
        await answer_all(connection, job.id, clip_id, 0.0)
        await moved(connection, job.id, Move.CANCEL, fence, error_code=SMALLER, error_message=note)
        return Step.ELSEWHERE
    other = (await connection.scalars(select(jobs.c.id).where(jobs.c.variant_key == new.key, OPEN_STATES))).one_or_none()
    if other is not None:
        claim = {"job_id": other, "verdict": "joined"}
        await connection.execute(update(requests).where(requests.c.job_id == job.id, WAITING).values(**claim))
        await moved(connection, job.id, Move.CANCEL, fence, error_code=SMALLER, error_message=note)
        return Step.ELSEWHERE
    await keep_recipe(connection, recipe)
    keys = {"variant_key": new.key, "film_key": variant.film.key, "recipe_key": recipe.key, "seed": variant.seed}
    await connection.execute(update(jobs).where(fence).values(sequence=sequence, **keys))
    return Step.DOWN


def _variant(lease: Lease, recipe: Recipe) -> Variant:
    job = lease.job
    film = Film(job.scope, Prompt.parse(job.prompt), recipe)
    return Variant(film, pinned_seed=job.seed) if job.take is None else Variant(film, take=job.take)


async def _tell(connection: AsyncConnection, job_id: str, note: str) -> None:
    waiting = await connection.execute(select(requests.c.id, requests.c.notes).where(requests.c.job_id == job_id, WAITING))
    for row in waiting.all():
        await connection.execute(update(requests).where(requests.c.id == row.id).values(notes=[*row.notes, note]))
