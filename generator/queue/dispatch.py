"""Dispatch: it tells workers that there is work, or that a render is no longer wanted. The job's row decides; this only saves time.

Everything here may be lost, doubled or late without harm: a worker that hears nothing polls the rows, and the
lease is a compare-and-set.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database.database import Database
from generator.job import Priority


class Dispatch(Protocol):
    async def announce(self, connection: AsyncConnection, job_id: str, priority: Priority) -> None:
        """Announces a job in the transaction that made it leasable (again): workers see it only if that commits. Raises DatabaseAway."""

    def wake(self) -> None:
        """Wakes workers of this process, after a commit that announced something."""

    async def wait(self, timeout: float, *, worked: bool = False) -> None:
        """Waits until there may be work, at most `timeout` seconds. `worked`: the last poll found some, so there may be more."""

    async def serve(self, revision: str) -> None:
        """Brings `wait` the tickets of this model revision, until cancelled; returns at once where there are no tickets."""

    def stop_signal(self, job_id: str) -> threading.Event:
        """The flag that the renderer of this job looks at; one and the same until `forget`."""

    def stop(self, job_id: str) -> None:
        """Sets the job's flag if it is rendering in this process."""

    def forget(self, job_id: str) -> None:
        """The job left this process: its flag is dropped."""


class Flags:
    """The stop flags of the renders in this process."""

    def __init__(self) -> None:
        self._flags: dict[str, threading.Event] = {}

    def stop_signal(self, job_id: str) -> threading.Event:
        return self._flags.setdefault(job_id, threading.Event())

    def stop(self, job_id: str) -> None:
        flag = self._flags.get(job_id)
        if flag is not None:
            flag.set()

    def forget(self, job_id: str) -> None:
        self._flags.pop(job_id, None)


class LocalDispatch(Flags):
    """Gateway and worker share an event loop. Announcing needs nothing: the row itself is the ticket."""

    def __init__(self) -> None:
        super().__init__()
        self._work = asyncio.Event()

    async def announce(self, connection: AsyncConnection, job_id: str, priority: Priority) -> None:
        """Does nothing: the row itself is the ticket."""

    def wake(self) -> None:
        self._work.set()

    async def wait(self, timeout: float, *, worked: bool = False) -> None:
        # A wake that came while the worker was busy is kept: it looks once in vain, which is cheaper than too late.
        if not worked:
            try:
                async with asyncio.timeout(timeout):
                    await self._work.wait()
            except TimeoutError:
                return
            self._work.clear()

    async def serve(self, revision: str) -> None:
        """Whoever shares the event loop needs no tickets."""


def open_dispatch(database: Database) -> Dispatch:
    """Tickets where processes share a PostgreSQL, else nothing but this process's own ear."""
    if database.sqlite:
        return LocalDispatch()
    from generator.queue.procrastinate_dispatch import ProcrastinateDispatch  # noqa: PLC0415  # it imports this file

    return ProcrastinateDispatch(database.url)
