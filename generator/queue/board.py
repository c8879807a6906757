"""The board of jobs for operators: open jobs in the order of leasing, and recently finished ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database.database import Database
from cache.storage.requests.requests import WAITING
from cache.storage.tables import audits, clips, jobs, now, plan_prompts, requests
from generator.job import Job, JobState
from generator.queue.gone import SILENT, gone, no_worker
from generator.queue.rows import ALL_JOBS, job_of
from generator.queue.times import read_waiting

Purpose = Literal["request", "plan", "audit"]
EndedFilter = Literal["all", "done", "failed", "cancelled"]
ENDED: tuple[EndedFilter, ...] = ("all", "done", "failed", "cancelled")


@dataclass(frozen=True)
class BoardJob:
    """A job with its queue facts. `prompt` is None if not stored. `waited`, `worked`: seconds so far or in total; `lease_left`: negative
    once expired. `position` counts from 1 among queued jobs. `lost`: expired leases. `purpose`: who wanted it first.
    """

    job: Job
    purpose: Purpose
    prompt: str | None
    position: int | None
    asking: int
    waited: float
    worked: float | None
    lease_left: float | None
    lost: int
    clip_id: str | None
    stages_ms: Mapping[str, float]


class Board:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, limit: int) -> tuple[list[BoardJob], int]:
        """Rendering jobs first, then the queue in its order; and the total number of open jobs."""
        async with self._database.read() as connection:
            turns = await read_waiting(connection)
            queued = [one.id for one in turns if one.state is JobState.QUEUED]
            shown = [one.id for one in turns if one.state is JobState.LEASED] + queued
            found = await _read(connection, jobs.c.id.in_(shown[:limit]), {name: at + 1 for at, name in enumerate(queued)})
        order = {name: at for at, name in enumerate(shown)}
        return sorted(found, key=lambda one: order[one.job.id]), len(shown)

    async def gone(self) -> list[str]:
        """Those whose model no worker has had for ten minutes."""
        async with self._database.read() as connection:
            return await gone(connection, no_worker(SILENT), 1000)

    async def ended(self, which: EndedFilter, limit: int) -> list[BoardJob]:
        """Newest first."""
        states = [JobState.DONE, JobState.FAILED, JobState.CANCELLED] if which == "all" else [JobState(which)]
        newest = select(jobs.c.id).where(jobs.c.state.in_([state.value for state in states]))
        newest = newest.order_by(jobs.c.finished_at.desc()).limit(limit)
        async with self._database.read() as connection:
            found = await _read(connection, jobs.c.id.in_(list((await connection.scalars(newest)).all())), {})
        return sorted(found, key=lambda one: one.job.finished_at or 0.0, reverse=True)

    async def one(self, job_id: str) -> BoardJob | None:
        async with self._database.read() as connection:
            queued = [one.id for one in await read_waiting(connection) if one.state is JobState.QUEUED]
            found = await _read(connection, jobs.c.id == job_id, {name: at + 1 for at, name in enumerate(queued)})
        return found[0] if found else None


async def _read(connection: AsyncConnection, condition: Any, positions: Mapping[str, int]) -> list[BoardJob]:
    at = float((await connection.execute(select(now()))).scalar_one())
    rows = (await connection.execute(ALL_JOBS.where(condition))).all()
    if not rows:
        return []
    ids = [row.id for row in rows]
    counted = select(requests.c.job_id, func.count()).where(requests.c.job_id.in_(ids), WAITING).group_by(requests.c.job_id)
    asking = {row[0]: int(row[1]) for row in await connection.execute(counted)}
    # A closed job keeps no words: its clip has them, or the requests that it failed.
    asked = select(requests.c.job_id, func.min(requests.c.prompt)).where(requests.c.job_id.in_(ids)).group_by(requests.c.job_id)
    words = {row[0]: row[1] for row in await connection.execute(asked)}
    made = select(clips.c.id, clips.c.prompt, clips.c.stages_ms).where(clips.c.id.in_([row.clip_id for row in rows if row.clip_id]))
    specs: list[Row[Any]] = list(await connection.execute(made))
    by_id = {spec.id: spec for spec in specs}
    purposes = await _purposes(connection, ids)
    return [
        _of(
            row,
            purposes.get(row.id, "request"),
            by_id.get(row.clip_id or ""),
            words.get(row.id),
            asking.get(row.id, 0),
            positions.get(row.id),
            at,
        )
        for row in rows
    ]


async def _purposes(connection: AsyncConnection, ids: list[str]) -> dict[str, Purpose]:
    """The purposes of the jobs that a plan or an audit asked for."""
    planned = await connection.scalars(select(plan_prompts.c.job_id).where(plan_prompts.c.job_id.in_(ids)))
    audited = await connection.scalars(select(audits.c.job_id).where(audits.c.job_id.in_(ids)))
    return dict.fromkeys(planned, "plan") | dict.fromkeys(audited, "audit")


def _of(
    row: Row[Any], purpose: Purpose, spec: Row[Any] | None, asked: str | None, asking: int, position: int | None, at: float
) -> BoardJob:
    job = job_of(row)
    began = job.started_at if job.state is not JobState.QUEUED else None
    prompt = (job.prompt or (spec.prompt if spec is not None else None) or asked) if row.keep_words else None
    return BoardJob(
        job=job,
        purpose=purpose,
        prompt=prompt,
        position=position,
        asking=asking,
        waited=max(0.0, (began or job.finished_at or at) - job.created_at),
        worked=None if began is None else max(0.0, (job.finished_at or at) - began),
        lease_left=None if job.lease_until is None else job.lease_until - at,
        lost=int(row.lost),
        clip_id=row.clip_id,
        stages_ms=spec.stages_ms if spec is not None else {},
    )
