"""Sees to jobs of a model that is gone, after a rollout or a restart with another one."""

from __future__ import annotations

import structlog

from cache.storage.database.database import Database
from cache.supervision import Supervisor
from gateway.answering.models import Models
from generator.queue.gone import SILENT, gone, no_worker, other_than, set_aside
from generator.queue.signals import Signals

log = structlog.get_logger(__name__)

_EVERY = 5.0  # seconds
_MOST = 100  # jobs in one round


class GoneModels:
    """`renders`: this process renders, and nobody else does, so jobs of another revision are seen to at once; where workers do, after
    ten minutes without any worker of that revision.
    """

    def __init__(self, database: Database, models: Models, signals: Signals, *, renders: bool) -> None:
        self._database, self._models, self._signals, self._renders = database, models, signals, renders

    def start(self, supervisor: Supervisor) -> None:
        supervisor.every(_EVERY, "jobs of a model that is gone", self.run_once)

    async def run_once(self) -> None:
        if not self._models.served:
            return
        served = self._models.served[0]
        which = other_than(served.revision) if self._renders else no_worker(SILENT)
        async with self._database.read() as connection:
            found = await gone(connection, which, _MOST)
        for job_id in found:
            async with self._database.write() as connection:
                done = await set_aside(connection, job_id, which, self._models.again)
            if done is not None:
                log.warning("job of a model that is gone", job=job_id, remade=done.remade, failed=done.failed)
                self._signals.tell(job_id)
