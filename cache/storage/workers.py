"""Who renders, and what each does now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, delete, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cache.storage.database import Database
from cache.storage.tables import jobs, now
from cache.storage.tables_for_operators import workers

ALIVE = 30.0  # seconds since the last sign of life, after which a worker is presumed gone
_FORGOTTEN = 86_400.0  # seconds after which one that is gone is no longer listed


@dataclass(frozen=True)
class Hand:
    """One worker. Times are Unix seconds by the database's clock. `job_id` is what it renders now, with its stage and percentage."""

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
        """Once the model is loaded. The id is the one that the worker's leases name."""
        insert = sqlite.insert if self._database.sqlite else postgresql.insert
        facts = {"model": model, "revision": revision, "device": device[:120], "memory": memory, "seen_at": now(), "stopped": False}
        row = insert(workers).values(id=worker_id, started_at=now(), **facts)
        async with self._database.write() as connection:
            await connection.execute(delete(workers).where(workers.c.seen_at < now() - literal(_FORGOTTEN)))
            await connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=facts))

    async def seen(self, worker_id: str) -> None:
        """A sign of life."""
        async with self._database.write() as connection:
            await connection.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=now()))

    async def stopped(self, worker_id: str) -> None:
        """In order: it takes no more work."""
        async with self._database.write() as connection:
            await connection.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=now(), stopped=True))

    async def list(self, stopped_within: float = 3600.0) -> list[Hand]:
        """Those that render or could, and those that went lately; the newest first."""
        silent = (now() - workers.c.seen_at).label("silent")
        query = select(workers, silent, jobs.c.id.label("job_id"), jobs.c.stage, jobs.c.progress)
        query = query.outerjoin(jobs, and_(jobs.c.worker == workers.c.id, jobs.c.state == "leased"))
        lately = or_(
            and_(workers.c.stopped.is_(False), silent < literal(_FORGOTTEN)), and_(workers.c.stopped, silent < literal(stopped_within))
        )
        found: dict[str, Hand] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(query.where(lately).order_by(workers.c.started_at.desc()).limit(200)):
                state = "rendering" if row.job_id is not None else "idle"
                if row.stopped:
                    state = "stopped"
                elif row.silent > ALIVE:
                    state = "silent"
                found[row.id] = Hand(
                    row.id, row.model, row.revision, row.device, row.memory, row.started_at, max(0.0, row.silent), state,
                    row.job_id, row.stage if row.job_id else None, row.progress if row.job_id else None,
                )  # fmt: skip
        return list(found.values())
