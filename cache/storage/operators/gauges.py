"""Gauges of the whole instance for a scrape: its current state in the database, by a few small statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import and_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database.changes import latest
from cache.storage.database.database import Database
from cache.storage.tables import audits, jobs, labels, now, workers

_DEAD = 30.0  # seconds without a heartbeat after which a worker is presumed gone


@dataclass(frozen=True)
class QueueGauges:
    """Gauges of jobs: counts by (state, priority), and the age in seconds of the oldest queued job by priority. `sequence`: the
    last change of the log. `busy`: workers that hold a lease.
    """

    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest: Mapping[str, float] = field(default_factory=dict)
    alive: int = 0
    busy: int = 0
    sequence: int = 0


@dataclass(frozen=True)
class Judged:
    """Counts of labels by (source, right) and of audits by state."""

    labels: Mapping[tuple[str, bool], int] = field(default_factory=dict)
    audits: Mapping[str, int] = field(default_factory=dict)


class Gauges:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self) -> QueueGauges:
        """The gauges of jobs. Bounded by the number of open jobs and workers: cheap at any size of the cache."""
        async with self._database.read() as connection:
            waiting = select(jobs.c.state, jobs.c.priority, func.count(), func.max(now() - jobs.c.created_at))
            waiting = waiting.where(jobs.c.state.in_(("queued", "leased"))).group_by(jobs.c.state, jobs.c.priority)
            counted = (await connection.execute(waiting)).all()
            alive, busy = await _workers(connection)
            return QueueGauges(
                {(state, priority): count for state, priority, count, _ in counted},
                {priority: max(0.0, age) for state, priority, _, age in counted if state == "queued"},
                alive,
                busy,
                await latest(connection),
            )

    async def judged(self) -> Judged:
        """The counts of labels and audits. Reads all their rows, so do not call it often."""
        async with self._database.read() as connection:
            said = select(labels.c.source, labels.c.right, func.count()).group_by(labels.c.source, labels.c.right)
            looked = select(audits.c.state, func.count()).group_by(audits.c.state)
            return Judged(
                {(source, bool(right)): count for source, right, count in await connection.execute(said)},
                {row.state: row[1] for row in await connection.execute(looked)},
            )


async def _workers(connection: AsyncConnection) -> tuple[int, int]:
    living = and_(workers.c.stopped.is_(False), workers.c.seen_at > now() - literal(_DEAD))
    alive = select(func.count()).select_from(workers).where(living)
    busy = select(func.count(jobs.c.worker.distinct())).where(jobs.c.state == "leased", jobs.c.lease_until > now())
    return int((await connection.execute(alive)).scalar_one()), int((await connection.execute(busy)).scalar_one())
