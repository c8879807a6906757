"""The loop that makes clips: lease, render, film, store, finish. In the gateway's process or in one of its own.

While one render is made into a film and stored, the next one is already under way: the tail holds one turn at the most.
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
from generator.queueing.dispatch import Dispatch
from generator.queueing.leases import Leases
from generator.queueing.signals import Signals
from generator.renderer import Renderer
from generator.working.attempt import Attempt
from generator.working.filing import Filing
from generator.working.fitting import Fitting, Outcome
from generator.working.memory_peaks import MemoryPeaks

log = structlog.get_logger(__name__)

_LOOK = 1.0  # seconds between looks for work that nobody announced
_PAUSE = 5.0  # seconds after a failure that is not the job's
_HAND_BACK = 10.0  # seconds that a render gets to stop and its job to return to the queue


class Worker:
    """One renderer, one turn at a time: an interactive job, or background jobs of one Recipe. No failure of a job ends the
    loop; `stop` does.

    `trouble` says why no clip can be made at present, for health; None when all is well. `loaded` is set once the model is.
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
        min_free_bytes: int = 0,
        peaks: MemoryPeaks | None = None,
        overlap: bool = True,
    ) -> None:
        """`folder` is for films in the making. Without `overlap` a render waits until the one before is stored."""
        self._leases, self._dispatch, self._signals = leases, dispatch, signals
        self._renderer, self._objects = renderer, objects
        self._min_free_bytes, self._overlap = min_free_bytes, overlap
        self._fitting, self._filing = Fitting(renderer, leases, peaks), Filing(leases, objects, folder)
        self.id = new_id("worker")
        self.loaded = asyncio.Event()
        self.trouble: str | None = None
        self._stopping = asyncio.Event()
        self._handing_back = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._under_way: set[Attempt] = set()
        self._tail: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until `stop`. Cancelled, it leaves its leases to expire."""
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
        """Takes no more work. What is rendering or being stored gets `grace` seconds to finish, then goes back into the queue."""
        self._stopping.set()
        self._dispatch.wake()
        if not self.loaded.is_set() or await _within(self._ended, grace):
            return  # a model that still loads holds no lease; its load cannot be cut short
        self._handing_back.set()
        for attempt in self._under_way:
            attempt.flag.set()
        if not await _within(self._ended, _HAND_BACK):
            log.warning("the renderer does not stop; its lease will run out", worker=self.id)

    async def _load(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._renderer.load()
            except Exception as error:
                self.trouble = error.message if isinstance(error, RenderFailed) else "the model cannot be loaded; the log has the trace"
                log.exception("the model cannot be loaded")
                await self._pause(_PAUSE)
            else:
                await self._fitting.learn()
                self.trouble = None
                self.loaded.set()
                return

    async def _ready(self) -> bool:
        """Whether a clip could be kept; jobs wait in the queue until it can."""
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
            log.exception("no lease could be taken", worker=self.id)
            self.trouble = "the queue fails"
        return []

    async def _turn(self, leases: list[Lease]) -> None:
        """Rendered when it returns; film and store may still be under way."""
        if {lease.job.id for lease in leases} & {attempt.job.id for attempt in self._under_way}:
            # A lease that ran out in the tail came back to us. One job has one flag in a process: first it has to be dropped.
            await self._tail_stored()
        attempts = [Attempt(lease, self._leases, self._dispatch, self._signals, self._handing_back) for lease in leases]
        self._under_way.update(attempts)
        for attempt in attempts:
            attempt.begin()
        outcomes = await self._fitting.render(attempts)
        await self._tail_stored()
        self._tail = asyncio.create_task(self._file(outcomes), name="film and store")
        if not self._overlap:
            await self._tail_stored()

    async def _tail_stored(self) -> None:
        if self._tail is not None:
            await self._tail
            self._tail = None

    async def _file(self, outcomes: list[Outcome]) -> None:
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
            log.warning("no render starts", reason=reason)
        self.trouble = reason


async def _within(event: asyncio.Event, timeout: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
    return event.is_set()
