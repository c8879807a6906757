"""Jobs as the people see them who run the place: what is open, in the order of leasing, and what ended lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database import Database
from cache.storage.requests import WAITING
from cache.storage.tables import clips, jobs, now, requests
from generator.job import Job, State
from generator.queueing.queue_rows import ALL_JOBS, job_of
from generator.queueing.queue_times import read_waiting

Ended = Literal["all", "done", "failed", "cancelled"]
ENDED: tuple[Ended, ...] = ("all", "done", "failed", "cancelled")


@dataclass(frozen=True)
class BoardJob:
    """`prompt` is None where it is not kept. `waited` and `worked` in seconds, so far or in all; `lease_left`, too, negative
    once it ran out. `position` counts from 1 among those queued. `lost` are leases that ran out.
    """

    job: Job
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
        """Those at work first, then the queue in its order; and how many are open in all."""
        async with self._database.read() as connection:
            turns = await read_waiting(connection)
            queued = [one.id for one in turns if one.state is State.QUEUED]
            shown = [one.id for one in turns if one.state is State.LEASED] + queued
            found = await _read(connection, jobs.c.id.in_(shown[:limit]), {name: at + 1 for at, name in enumerate(queued)})
        order = {name: at for at, name in enumerate(shown)}
        return sorted(found, key=lambda one: order[one.job.id]), len(shown)

    async def ended(self, which: Ended, limit: int) -> list[BoardJob]:
        """Newest first."""
        states = [State.DONE, State.FAILED, State.CANCELLED] if which == "all" else [State(which)]
        newest = select(jobs.c.id).where(jobs.c.state.in_([state.value for state in states]))
        newest = newest.order_by(jobs.c.finished_at.desc()).limit(limit)
        async with self._database.read() as connection:
            found = await _read(connection, jobs.c.id.in_(list((await connection.scalars(newest)).all())), {})
        return sorted(found, key=lambda one: one.job.finished_at or 0.0, reverse=True)

    async def one(self, job_id: str) -> BoardJob | None:
        async with self._database.read() as connection:
            queued = [one.id for one in await read_waiting(connection) if one.state is State.QUEUED]
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
    films: list[Row[Any]] = list(await connection.execute(made))
    by_id = {film.id: film for film in films}
    return [_of(row, by_id.get(row.clip_id or ""), words.get(row.id), asking.get(row.id, 0), positions.get(row.id), at) for row in rows]


def _of(row: Row[Any], film: Row[Any] | None, asked: str | None, asking: int, position: int | None, at: float) -> BoardJob:
    job = job_of(row)
    began = job.started_at if job.state is not State.QUEUED else None
    prompt = (job.prompt or (film.prompt if film is not None else None) or asked) if row.keep_words else None
    return BoardJob(
        job=job,
        prompt=prompt,
        position=position,
        asking=asking,
        waited=max(0.0, (began or job.finished_at or at) - job.created_at),
        worked=None if began is None else max(0.0, (job.finished_at or at) - began),
        lease_left=None if job.lease_until is None else job.lease_until - at,
        lost=int(row.lost),
        clip_id=row.clip_id,
        stages_ms=film.stages_ms if film is not None else {},
    )
