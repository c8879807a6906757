"""Tickets on PostgreSQL: Procrastinate carries the ids of jobs to workers of the right model revision.

A ticket is enqueued inside the transaction that made its job leasable. It is a turn at the queue and no more: which job
the worker leases, the rows decide (priority, fairness, order), and a ticket that finds none is dropped. One that dies with its
worker before a row was leased is not missed: a worker that hears nothing for a second polls the rows. One that dies later
is followed by a new one when the lease expires.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

import procrastinate
import structlog
from procrastinate.exceptions import AppNotOpen, ConnectorException
from procrastinate.jobs import Status
from sqlalchemy import URL, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import DatabaseAway
from cache.storage.tables import jobs
from generator.job import Priority
from generator.queue.dispatch import Flags

log = structlog.get_logger(__name__)

_TASK = "render"
_PRIORITY = {Priority.INTERACTIVE: 10, Priority.BACKGROUND: 0}
_AGAIN = 2.0  # seconds until the next try when the database is away
_BEAT, _DEAD = 5.0, 30.0  # seconds between heartbeats of a ticket fetcher; without one for so long its tickets are dropped
_TIDY = 60.0  # seconds between checks for them


class ProcrastinateDispatch(Flags):
    """Dispatch by Procrastinate. A gateway only announces; `serve` is for processes that render. One ticket at a time: fetching the next
    ends the last.
    """

    def __init__(self, url: URL) -> None:
        super().__init__()
        conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        connector = procrastinate.PsycopgConnector(conninfo=conninfo, min_size=1, max_size=3, timeout=5, kwargs={"connect_timeout": 3})
        self._app = procrastinate.App(connector=connector)
        self._task = self._app.task(name=_TASK)(self._taken)
        self._tickets: deque[asyncio.Event] = deque()
        self._came = asyncio.Event()
        self._at_hand: asyncio.Event | None = None
        self._closing = asyncio.Event()

    async def announce(self, connection: AsyncConnection, job_id: str, priority: Priority) -> None:
        revision = (await connection.execute(select(jobs.c.revision).where(jobs.c.id == job_id))).scalar_one()
        raw = await connection.get_raw_connection()
        ticket = self._task.configure(queue=queue_of(revision), priority=_PRIORITY[priority], connection=raw.driver_connection)
        try:
            await ticket.defer_async(job_id=job_id)
        except ConnectorException as error:
            raise DatabaseAway("the database does not answer") from error

    def wake(self) -> None:
        """Does nothing: the commit notified the workers that wait for tickets."""

    async def wait(self, timeout: float, *, worked: bool = False) -> None:
        if self._at_hand is not None:
            self._at_hand.set()
            self._at_hand = None
        if not self._tickets:
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._came.wait()
        if self._tickets:
            self._at_hand = self._tickets.popleft()

    async def _taken(self, job_id: str) -> None:
        """A turn at the queue; whose it is, the rows decide, so that no tenant waits behind all that another one asked for.
        Runs as long as the worker is busy with this ticket: so long Procrastinate gives it no other."""
        ended = asyncio.Event()
        self._tickets.append(ended)
        self._came.set()
        waits = [asyncio.create_task(event.wait()) for event in (ended, self._closing)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def serve(self, revision: str) -> None:
        tidying = asyncio.create_task(self._tidy())
        try:
            while True:
                try:
                    async with self._app.open_async():
                        await self._take(queue_of(revision))
                except Exception as error:
                    log.warning("cannot fetch tickets", reason=type(error).__name__)
                await asyncio.sleep(_AGAIN)
        finally:
            self._closing.set()
            tidying.cancel()
            await asyncio.gather(tidying, return_exceptions=True)

    async def _take(self, queue: str) -> None:
        """Fetches tickets until the database goes away or it is cancelled; open tickets end first, or it would wait for them."""
        taking = asyncio.create_task(
            self._app.run_worker_async(
                queues=[queue], concurrency=1, install_signal_handlers=False, delete_jobs="always",
                update_heartbeat_interval=_BEAT, stalled_worker_timeout=_DEAD,
            )
        )  # fmt: skip
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._closing.set()
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            raise

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY)
            # AppNotOpen: between two tries to reach a database that is away.
            with contextlib.suppress(ConnectorException, AppNotOpen):
                for ticket in await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_DEAD):
                    await self._app.job_manager.finish_job(ticket, status=Status.FAILED, delete_job=True)

    async def tickets(self) -> list[dict[str, Any]]:
        """The open and waiting tickets, for tests."""
        async with self._app.open_async():
            found = await self._app.job_manager.list_jobs_async()
        return [{"job": job.task_kwargs["job_id"], "queue": job.queue, "priority": job.priority, "status": job.status} for job in found]


def queue_of(revision: str) -> str:
    """PostgreSQL cuts channel names at 63 bytes, and Procrastinate puts 23 of its own before the queue's."""
    return f"render-{revision[:32]}"
