"""The models of a deployment as operators look at them: revisions, workers, and the jobs that wait for each."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, literal, select

from cache.storage.database.database import Database
from cache.storage.fleet.workers import ALIVE
from cache.storage.tables import jobs, models, now, workers

_MOST = 200  # models, those heard of last


@dataclass(frozen=True)
class ModelState:
    """A revision of a model. `workers`: those alive that have loaded it; `waiting` and `rendering`: its jobs."""

    name: str
    revision: str
    silent_seconds: float
    workers: int
    waiting: int
    rendering: int


class ModelStates:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> list[ModelState]:
        """Revisions that have workers or open jobs, and the newest revision of each name, by name."""
        silent = (now() - models.c.seen_at).label("silent")
        announced = select(models.c.name, models.c.revision, silent).order_by(models.c.announced_at.desc()).limit(_MOST)
        alive = select(workers.c.revision, func.count()).where(
            workers.c.stopped.is_(False), workers.c.seen_at > now() - literal(ALIVE)
        ).group_by(workers.c.revision)  # fmt: skip
        open_jobs = select(jobs.c.revision, jobs.c.state, func.count()).where(jobs.c.state.in_(["queued", "leased"]))
        async with self._database.read() as connection:
            rows = (await connection.execute(announced)).all()
            at_work = {row[0]: int(row[1]) for row in await connection.execute(alive)}
            counted = {
                (row[0], row[1]): int(row[2]) for row in await connection.execute(open_jobs.group_by(jobs.c.revision, jobs.c.state))
            }  # fmt: skip
        found = []
        named = set[str]()
        for row in rows:
            waiting, rendering = counted.get((row.revision, "queued"), 0), counted.get((row.revision, "leased"), 0)
            at_hand = at_work.get(row.revision, 0)
            if row.name not in named or at_hand or waiting or rendering:
                found.append(ModelState(row.name, row.revision, max(0.0, row.silent), at_hand, waiting, rendering))
            named.add(row.name)
        return sorted(found, key=lambda one: one.name)
