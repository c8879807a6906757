"""The answer times of hits, written down after their commit: a row cannot hold the time of its own transaction."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from cache.storage.database.database import Database
from cache.storage.tables import requests
from cache.supervision import Supervisor

_EVERY = 1.0  # seconds
_MOST = 20_000  # times that wait to be written; with the database away longer than that the oldest are lost

_WRITE = update(requests).where(requests.c.id == bindparam("request")).values(answer_ms=bindparam("milliseconds"))


class AnswerTimes:
    """Gathers times and writes them together, once a second. A crash loses the last second of them, and nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, float] = {}

    def note(self, request_id: str, milliseconds: float) -> None:
        self._waiting[request_id] = milliseconds
        if len(self._waiting) > _MOST:
            del self._waiting[next(iter(self._waiting))]

    def start(self, supervisor: Supervisor) -> None:
        supervisor.every(_EVERY, "answer times", self.write)

    async def write(self) -> None:
        """Raises Unavailable where the database is away; then they wait for the next round."""
        if not self._waiting:
            return
        times = dict(self._waiting)
        async with self._database.write() as connection:
            await connection.execute(_WRITE, [{"request": one, "milliseconds": took} for one, took in times.items()])
        for one in times:
            self._waiting.pop(one, None)
