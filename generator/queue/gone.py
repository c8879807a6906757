"""Jobs of a model that is gone: no worker will lease them, so they end, and who can be served by the model that is there asks that.

Who pinned a seed asked for that model's very clip, and ends with `model_gone`. So does who asked for `no-store`, or whose words are not
kept: from their rows no second job can be made. All others wait for no job from then on, with the recipe of the model that is there, and
the sweep of orphaned requests makes them hits or misses of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.storage.database.rows import keep_recipe
from cache.storage.requests.requests import WAITING
from cache.storage.tables import jobs, models, now, recipes, requests
from cache.variant import Spec
from generator.job import JobState, Move
from generator.queue.rows import move_job

MODEL_GONE = "model_gone"
SILENT = 600.0  # seconds without any worker of a revision after which it is gone, where workers render


@dataclass(frozen=True)
class SetAside:
    """The counts of one job: requests that ask the model that is there, and those that ended."""

    remade: list[str]
    failed: list[str]


def no_worker(seconds: float) -> ColumnElement[bool]:
    """Queued for so long, and in that time no worker of its revision gave a sign of life."""
    edge = now() - literal(seconds)
    lives = exists().where(models.c.revision == jobs.c.revision, models.c.seen_at > edge)
    return and_(jobs.c.state == JobState.QUEUED.value, jobs.c.created_at < edge, ~lives)


def other_than(revision: str) -> ColumnElement[bool]:
    """For a process that renders itself: nobody else will."""
    return and_(jobs.c.state == JobState.QUEUED.value, jobs.c.revision != revision)


async def gone(connection: AsyncConnection, which: ColumnElement[bool], limit: int) -> list[str]:
    return list((await connection.scalars(select(jobs.c.id).where(which).order_by(jobs.c.place).limit(limit))).all())


async def set_aside(
    connection: AsyncConnection, job_id: str, which: ColumnElement[bool], again: Callable[[Recipe], Recipe | None]
) -> SetAside | None:
    """`again` is the same recipe by the model that is there, None where that cannot make it. None: the job is no such job any more."""
    job = (await connection.execute(select(jobs.c.model, jobs.c.revision, jobs.c.joinable).where(jobs.c.id == job_id))).one_or_none()
    message = "" if job is None else f"the model {job.model}, revision {job.revision[:12]}, is gone: no worker renders with it"
    if job is None or not await move_job(connection, job_id, Move.FAIL, which, error_code=MODEL_GONE, error_message=message):
        return None
    asked = select(requests, recipes.c.fields).join(recipes, recipes.c.key == requests.c.recipe_key)
    done = SetAside([], [])
    for row in (await connection.execute(asked.where(requests.c.job_id == job_id, WAITING))).all():
        free = row.pinned_seed is None and row.prompt is not None and not row.no_store and job.joinable
        recipe = again(Recipe.from_fields(row.fields)) if free else None
        if recipe is None:
            values: dict[str, object] = {"error_code": MODEL_GONE, "error_message": message}
            done.failed.append(row.id)
        else:
            await keep_recipe(connection, recipe)
            spec = Spec(row.scope, Prompt(row.prompt), recipe)
            note = f"made by revision {recipe.revision[:12]}: the one asked for is gone"
            values = {"recipe_key": recipe.key, "spec_key": spec.key, "quality": recipe.quality, "job_id": None}
            values |= {"similarity": None, "confidence": None, "notes": [*row.notes, note]}
            done.remade.append(row.id)
        await connection.execute(update(requests).where(requests.c.id == row.id).values(**values))
    return done
