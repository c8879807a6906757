"""The heartbeat of one lease, in its own task, so that it continues while the renderer is busy."""

from __future__ import annotations

import asyncio
import threading
import time

import structlog

from cache.errors import LeaseLost, Unavailable
from generator.job import Lease
from generator.queue.leases import TIMED_OUT, Leases
from generator.queue.signals import Signals
from generator.renderer import Progress

log = structlog.get_logger(__name__)

_PACE = 0.25  # seconds: at most four writes a second, and a cancel from elsewhere is seen within two of them
_UNFINISHED = 99  # percent; only the committed clip makes it 100


class Heartbeat:
    """Writes progress when there is some, renews when it is time, else only looks whether the lease still holds.

    Sets `stop` once the lease is lost: cancelled, expired, or over its time, which this beat ends itself.
    """

    def __init__(self, leases: Leases, signals: Signals, lease: Lease, stop: threading.Event) -> None:
        self._leases, self._signals, self._lease, self._stop = leases, signals, lease, stop
        self._latest = Progress(lease.job.stage, lease.job.progress)
        self._news = asyncio.Event()
        self._pace = min(_PACE, leases.terms.lease / 8)
        self.lost = False

    def note(self, progress: Progress) -> None:
        """Records progress; call it on the event loop. The percentage never goes back, not even in a second attempt at the job."""
        percent = min(max(progress.percent, self._latest.percent), _UNFINISHED)
        self._latest = Progress(progress.stage, percent)
        self._signals.progressed(self._lease.job.id, self._latest)
        self._news.set()

    def enter(self, stage: str) -> None:
        self.note(Progress(stage, self._latest.percent))

    async def run(self) -> None:
        """Beats until cancelled, or until the lease is lost."""
        began = renewed = time.monotonic()
        while not self.lost:
            news = await self._news_within(self._pace)
            try:
                if time.monotonic() - began > self._leases.terms.job:
                    await self._leases.fail(self._lease, TIMED_OUT, f"the render took longer than {self._leases.terms.job:g} seconds")
                    self._end("over its time")
                elif news or time.monotonic() - renewed >= self._leases.terms.lease / 3:
                    renewed = time.monotonic()
                    await self._leases.renew(self._lease, self._latest if news else None)
                elif not await self._leases.holds(self._lease):
                    self._end("taken away")
            except LeaseLost:
                self._end("taken away")
            except Unavailable as error:
                # The render goes on: if the database comes back before the sweep, nothing is lost.
                log.warning("heartbeat not written", job=self._lease.job.id, reason=error.message)
            except Exception:
                log.exception("heartbeat failed", job=self._lease.job.id)
            await asyncio.sleep(self._pace)

    async def _news_within(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    def _end(self, reason: str) -> None:
        self.lost = True
        self._stop.set()
        log.info("lease ended", job=self._lease.job.id, attempt=self._lease.attempt, reason=reason)
