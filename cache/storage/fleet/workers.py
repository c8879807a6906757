"""Workers at rest: their models, states and heartbeats."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, delete, literal, or_, select, update

from cache.storage.database.database import Database
from cache.storage.database.rows import upsert
from cache.storage.tables import jobs, now, workers

ALIVE = 30.0  # seconds since the last heartbeat, after which a worker is presumed gone
_FORGOTTEN = 86_400.0  # seconds after which a worker that is gone is no longer listed


@dataclass(frozen=True)
class WorkerStatus:
    """A worker. Times are Unix seconds by the database's clock. `job_id`: the job that it renders now, with stage and percent."""

    id: str
    model: str
    revision: str
    device: str
    memory: int | None
    started_at: float
    silent_seconds: float
    state: str  # rendering, idle, silent, stopped
    job_id: str | None = None
    stage: str | None = None
    progress: int | None = None


class Workers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def loaded(self, worker_id: str, model: str, revision: str, device: str, memory: int | None = None) -> None:
        """Registers a worker once its model is loaded. The id is that of its leases."""
        facts = {"model": model, "revision": revision, "device": device[:120], "memory": memory, "seen_at": now(), "stopped": False}
        async with self._database.write() as connection:
            await connection.execute(delete(workers).where(workers.c.seen_at < now() - literal(_FORGOTTEN)))
            await upsert(connection, workers, {"id": worker_id}, facts, {"started_at": now()})

    async def seen(self, worker_id: str) -> bool:
        """A heartbeat. False: the worker's row is gone, as after a restore of an older state."""
        async with self._database.write() as connection:
            return bool((await connection.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=now()))).rowcount)

    async def stopped(self, worker_id: str) -> None:
        """Records an orderly stop: the worker takes no more work."""
        async with self._database.write() as connection:
            await connection.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=now(), stopped=True))

    async def list(self, stopped_within: float = 3600.0) -> list[WorkerStatus]:
        """The workers that are active, and those that stopped recently; the newest first."""
        silent = (now() - workers.c.seen_at).label("silent")
        query = select(workers, silent, jobs.c.id.label("job_id"), jobs.c.stage, jobs.c.progress)
        query = query.outerjoin(jobs, and_(jobs.c.worker == workers.c.id, jobs.c.state == "leased"))
        lately = or_(
            and_(workers.c.stopped.is_(False), silent < literal(_FORGOTTEN)), and_(workers.c.stopped, silent < literal(stopped_within))
        )
        found: dict[str, WorkerStatus] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(query.where(lately).order_by(workers.c.started_at.desc()).limit(200)):
                state = "rendering" if row.job_id is not None else "idle"
                if row.stopped:
                    state = "stopped"
                elif row.silent > ALIVE:
                    state = "silent"
                found[row.id] = WorkerStatus(
                    row.id, row.model, row.revision, row.device, row.memory, row.started_at, max(0.0, row.silent), state,
                    row.job_id, row.stage if row.job_id else None, row.progress if row.job_id else None,
                )  # fmt: skip
        return list(found.values())
