"""The worker: a loop of lease, render, encode, store, finish. In the gateway's process or in one of its own.

While one render is made into a video and stored, the next one is already under way: the tail holds one turn at the most.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from cache.errors import RenderFailed, Unavailable
from cache.ids import new_id
from cache.storage.bytes.objects import Objects
from generator.job import Lease
from generator.queue.dispatch import Dispatch
from generator.queue.leases import Leases
from generator.queue.signals import Signals
from generator.queue.starts import Starts
from generator.renderer import Renderer
from generator.worker.attempt import Attempt
from generator.worker.filing import Filing
from generator.worker.fitting import AttemptResult, Fitting
from generator.worker.memory_peaks import MemoryPeaks

log = structlog.get_logger(__name__)

_LOOK = 1.0  # seconds between polls for work that was not announced
_PAUSE = 5.0  # seconds after a failure that is not the job's
_HAND_BACK = 10.0  # seconds that a render gets to stop and its job to return to the queue


class Worker:
    """A worker with one renderer, one turn at a time: an interactive job, or background jobs of one Recipe. No failure of a job ends the
    loop; `stop` does.

    `trouble`: why nothing can be rendered at present, for health; None if all is well. `loaded` is set once the model is.
    """

    def __init__(
        self,
        *,
        leases: Leases,
        dispatch: Dispatch,
        signals: Signals,
        renderer: Renderer,
        objects: Objects,
        folder: Path,
        starts: Starts,
        min_free_bytes: int = 0,
        peaks: MemoryPeaks | None = None,
        overlap: bool = True,
    ) -> None:
        """`folder`: for unfinished videos. Without `overlap` a render waits until the one before is stored."""
        self._leases, self._dispatch, self._signals = leases, dispatch, signals
        self._renderer, self._objects = renderer, objects
        self._min_free_bytes, self._overlap = min_free_bytes, overlap
        self._fitting, self._filing = Fitting(renderer, leases, peaks, starts), Filing(leases, objects, folder)
        self.id = new_id("worker")
        self.loaded = asyncio.Event()
        self.trouble: str | None = None
        self.failed_loads = 0
        self._stopping = asyncio.Event()
        self._handing_back = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._under_way: set[Attempt] = set()
        self._tail: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Works until `stop`. If cancelled, it leaves its leases to expire."""
        self._ended.clear()
        serving: asyncio.Task[None] | None = None
        try:
            await self._load()
            serving = asyncio.create_task(self._dispatch.serve(self._renderer.served.revision))
            await self._serve()
            await self._tail_stored()
        finally:
            for task in (serving, self._tail):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            for attempt in list(self._under_way):
                await attempt.end()
            self._ended.set()

    async def _serve(self) -> None:
        worked = True
        while not self._stopping.is_set():
            if not await self._ready():
                await self._pause(_PAUSE)
                continue
            await self._dispatch.wait(_LOOK, worked=worked)
            leases = [] if self._stopping.is_set() else await self._next()
            worked = bool(leases)
            if leases:
                with structlog.contextvars.bound_contextvars(**leases[0].job.named):
                    await self._turn(leases)
            elif self.trouble is not None:
                await self._pause(_PAUSE)

    async def stop(self, grace: float) -> None:
        """Stops taking work. Renders and uploads in progress get `grace` seconds to finish, then their jobs return to the queue."""
        self._stopping.set()
        self._dispatch.wake()
        if not self.loaded.is_set() or await _within(self._ended, grace):
            return  # a model that still loads holds no lease; its load cannot be cut short
        self._handing_back.set()
        for attempt in self._under_way:
            attempt.flag.set()
        if not await _within(self._ended, _HAND_BACK):
            log.warning("renderer does not stop; its lease will expire", worker=self.id)

    async def _load(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._renderer.load()
            except Exception as error:
                self.failed_loads += 1
                why = f"{type(error).__name__}: {error}"
                if self.failed_loads == 1:
                    log.exception("the model cannot be loaded", reason=why)
                else:
                    log.warning("the model cannot be loaded", reason=why, tries=self.failed_loads)
                self.trouble = error.message if isinstance(error, RenderFailed) else f"the model cannot be loaded: {why}"
                await self._pause(_PAUSE)
            else:
                await self._fitting.learn()
                self.trouble = None
                self.loaded.set()
                return

    async def _ready(self) -> bool:
        """True if a clip could be stored; until then jobs wait in the queue."""
        try:
            if self.trouble is not None:
                await self._objects.check()
            free = await self._objects.free_bytes()
        except Unavailable as error:
            self._in_trouble(error.message)
            return False
        if free is not None and free < self._min_free_bytes:
            self._in_trouble(f"{free / 1e9:.1f} GB are free; no render starts under {self._min_free_bytes / 1e9:.1f} GB")
            return False
        self.trouble = None
        return True

    async def _next(self) -> list[Lease]:
        try:
            return await self._leases.lease(self.id, self._renderer.served.revision, self._fitting.at_once)
        except Unavailable as error:
            self._in_trouble(error.message)
        except Exception:
            log.exception("could not take a lease", worker=self.id)
            self.trouble = "the queue fails"
        return []

    async def _turn(self, leases: list[Lease]) -> None:
        """Rendered when it returns; video and store may still be under way."""
        if {lease.job.id for lease in leases} & {attempt.job.id for attempt in self._under_way}:
            # A lease that expired while being stored came back to us. A job has one flag per process, which must be dropped first.
            await self._tail_stored()
        attempts = [Attempt(lease, self._leases, self._dispatch, self._signals, self._handing_back) for lease in leases]
        self._under_way.update(attempts)
        for attempt in attempts:
            attempt.begin()
        outcomes = await self._fitting.render(attempts)
        await self._tail_stored()
        self._tail = asyncio.create_task(self._file(outcomes), name="video and store")
        if not self._overlap:
            await self._tail_stored()

    async def _tail_stored(self) -> None:
        if self._tail is not None:
            await self._tail
            self._tail = None

    async def _file(self, outcomes: list[AttemptResult]) -> None:
        for attempt, outcome in outcomes:
            with structlog.contextvars.bound_contextvars(**attempt.job.named):
                error = outcome if isinstance(outcome, Exception) else None
                if not isinstance(outcome, Exception):
                    try:
                        await self._filing.file(attempt, outcome)
                    except Exception as fault:
                        error = fault
                if isinstance(error, Unavailable):
                    self._in_trouble(error.message)
                await attempt.end(error)
            self._under_way.discard(attempt)

    async def _pause(self, seconds: float) -> None:
        await _within(self._stopping, seconds)

    def _in_trouble(self, reason: str) -> None:
        if self.trouble != reason:
            log.warning("rendering paused", reason=reason)
        self.trouble = reason


async def _within(event: asyncio.Event, timeout: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
    return event.is_set()
