"""An attempt at a job: one lease from its first heartbeat to its last. Every failure ends in the job's row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import structlog

from cache.errors import DatabaseAway, DiskFull, LeaseLost, RenderFailed, RenderStopped, Unavailable
from generator.job import Job, Lease
from generator.queue.dispatch import Dispatch
from generator.queue.leases import Leases
from generator.queue.signals import Signals
from generator.renderer import DonorLatent
from generator.worker.heartbeat import Heartbeat

log = structlog.get_logger(__name__)

T = TypeVar("T")

_INSIST = 60.0  # seconds that a finished render is offered to a store or database that is away
_INTERNAL = "internal_error"


class Attempt:
    """An attempt. `flag` tells the renderer to stop; `handing_back` is set once this process returns its leases."""

    def __init__(self, lease: Lease, leases: Leases, dispatch: Dispatch, signals: Signals, handing_back: asyncio.Event) -> None:
        self.lease = lease
        self.donor: DonorLatent | None = None  # what its render starts from, once that was read
        self.picture: bytes | None = None  # what its clip begins with, likewise
        self._leases, self._dispatch, self._signals, self._handing_back = leases, dispatch, signals, handing_back
        self.flag = dispatch.stop_signal(lease.job.id)
        if handing_back.is_set():
            self.flag.set()
        self.beat = Heartbeat(leases, signals, lease, self.flag)
        self._beating: asyncio.Task[None] | None = None

    @property
    def job(self) -> Job:
        return self.lease.job

    def begin(self) -> None:
        self._beating = asyncio.create_task(self.beat.run(), name=f"heartbeat of {self.job.id}")
        log.info("render started", attempt=self.lease.attempt)

    async def end(self, error: Exception | None = None) -> None:
        """The job's row says what became of it, then the signs of life end. Without an error it is settled already, or is
        left to expire."""
        try:
            if error is not None:
                await self._close(error)
        finally:
            if self._beating is not None:
                self._beating.cancel()
                await asyncio.gather(self._beating, return_exceptions=True)
            self._dispatch.forget(self.job.id)
            self._signals.ended(self.job.id)

    async def _close(self, error: Exception) -> None:
        if isinstance(error, LeaseLost):
            log.info("clip dropped: the lease was lost", attempt=self.lease.attempt)
        elif isinstance(error, RenderStopped):
            await self._stopped(error)
        elif isinstance(error, RenderFailed) or (isinstance(error, DiskFull) and self.lease.attempt >= self._leases.terms.attempts):
            log.warning("render failed", code=error.code, reason=error.message, exc_info=error.__cause__)
            await self._settle(partial(self._leases.fail, self.lease, error.code, error.message))
        elif isinstance(error, Unavailable):
            await self._settle(partial(self._leases.release, self.lease))
        else:
            log.error("render failed unexpectedly", attempt=self.lease.attempt, exc_info=error)
            told = "the worker met an unexpected error; its log has the trace"
            await self._settle(partial(self._leases.fail, self.lease, _INTERNAL, told))

    async def _stopped(self, error: RenderStopped) -> None:
        if self.beat.lost:
            return
        if self.flag.is_set():
            # Handed back, or cancelled a moment ago: then the row says so, and the release changes nothing.
            await self._settle(partial(self._leases.release, self.lease))
        else:
            await self._settle(partial(self._leases.fail, self.lease, RenderFailed.code, error.message))

    async def _settle(self, write: Callable[[], Awaitable[object]]) -> None:
        """The last write of a lease. If it cannot be made the lease runs out, which comes to the same later."""
        try:
            await self.insist(write, DatabaseAway, DiskFull)
        except LeaseLost:
            log.info("nothing to settle: the lease was lost", attempt=self.lease.attempt)
        except Exception:
            log.exception("job's outcome could not be written", attempt=self.lease.attempt)

    async def insist(self, act: Callable[[], Awaitable[T]], *away: type[Unavailable]) -> T:
        """Retries for a minute while a part is away, or its disk full: a finished render is worth more than the wait."""
        until, wait, told = time.monotonic() + _INSIST, 0.2, ""
        while True:
            try:
                return await act()
            except away as error:
                if time.monotonic() + wait > until or self._handing_back.is_set():
                    raise
                if error.message != told:
                    told = error.message
                    log.warning("a finished render waits", reason=told)
            await asyncio.sleep(wait)
            wait = min(2 * wait, 5.0)
