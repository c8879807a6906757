"""The loop that makes clips: lease, render, film, store, finish. In the gateway's process or in one of its own."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from cache.clip import ObjectKind, StoredObject
from cache.errors import DatabaseAway, DiskFull, LeaseLost, RenderFailed, RenderStopped, StoreAway, Unavailable
from cache.ids import new_id
from cache.storage.objects import Objects
from generator import film
from generator.dispatch import Dispatch
from generator.heartbeat import Heartbeat
from generator.job import Job, Lease
from generator.leases import Leases, Made
from generator.renderer import Order, Progress, Rendered, Renderer
from generator.signals import Signals

log = structlog.get_logger(__name__)

T = TypeVar("T")

_LOOK = 1.0  # seconds between looks for work that nobody announced
_PAUSE = 5.0  # seconds after a failure that is not the job's
_INSIST = 60.0  # seconds that a finished render is offered to a store or database that is away
_HAND_BACK = 10.0  # seconds that a render gets to stop and its job to return to the queue
_INTERNAL = "internal_error"


class Worker:
    """One renderer, one job at a time. No failure of a job ends the loop; `stop` does.

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
    ) -> None:
        """`folder` is for films in the making; each attempt has a folder of its own in it, removed with the attempt."""
        self._leases, self._dispatch, self._signals = leases, dispatch, signals
        self._renderer, self._objects, self._folder = renderer, objects, folder
        self._min_free_bytes = min_free_bytes
        self.id = new_id("worker")
        self.loaded = asyncio.Event()
        self.trouble: str | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._handing_back = False
        self._flag: threading.Event | None = None

    async def run(self) -> None:
        """Until `stop`. Cancelled, it leaves its lease to expire."""
        self._ended.clear()
        serving: asyncio.Task[None] | None = None
        try:
            await self._load()
            serving = asyncio.create_task(self._dispatch.serve(self._renderer.served.revision))
            worked = True
            while not self._stopping.is_set():
                if not await self._ready():
                    await self._pause(_PAUSE)
                    continue
                await self._dispatch.wait(_LOOK, worked=worked)
                lease = None if self._stopping.is_set() else await self._next()
                worked = lease is not None
                if lease is not None:
                    await self._attempt(lease)
                elif self.trouble is not None:
                    await self._pause(_PAUSE)
        finally:
            if serving is not None:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
            self._ended.set()

    async def stop(self, grace: float) -> None:
        """Takes no more work. What is rendering gets `grace` seconds to finish, then goes back into the queue."""
        self._stopping.set()
        self._dispatch.wake()
        if not self.loaded.is_set() or await _within(self._ended, grace):
            return  # a model that still loads holds no lease; its load cannot be cut short
        self._handing_back = True
        if self._flag is not None:
            self._flag.set()
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

    async def _next(self) -> Lease | None:
        try:
            leases = await self._leases.lease(self.id, self._renderer.served.revision)
        except Unavailable as error:
            self._in_trouble(error.message)
            return None
        except Exception:
            log.exception("no lease could be taken", worker=self.id)
            self.trouble = "the queue fails"
            return None
        return leases[0] if leases else None

    async def _attempt(self, lease: Lease) -> None:
        """One lease from its first sign of life to its last; whatever goes wrong ends in the job's row."""
        job = lease.job
        flag = self._flag = self._dispatch.stop_signal(job.id)
        if self._handing_back:
            flag.set()
        beat = Heartbeat(self._leases, self._signals, lease, flag)
        beating = asyncio.create_task(beat.run(), name=f"heartbeat of {job.id}")
        log.info("render begins", job=job.id, attempt=lease.attempt)
        try:
            await self._make(lease, beat, flag)
        except LeaseLost:
            log.info("clip dropped: the lease was lost", job=job.id, attempt=lease.attempt)
        except RenderStopped as error:
            await self._stopped(lease, beat, flag, error)
        except (RenderFailed, DiskFull) as error:
            log.warning("render failed", job=job.id, code=error.code, reason=error.message, exc_info=error.__cause__)
            await self._settle(lease, partial(self._leases.fail, lease, error.code, error.message))
        except Unavailable as error:
            self._in_trouble(error.message)
            await self._settle(lease, partial(self._leases.release, lease))
        except Exception:
            log.exception("render failed unexpectedly", job=job.id, attempt=lease.attempt)
            told = "the worker met an unexpected error; its log has the trace"
            await self._settle(lease, partial(self._leases.fail, lease, _INTERNAL, told))
        finally:
            self._flag = None
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            self._dispatch.forget(job.id)
            self._signals.ended(job.id)
            await asyncio.to_thread(shutil.rmtree, self._attempt_folder(lease), ignore_errors=True)

    async def _make(self, lease: Lease, beat: Heartbeat, flag: threading.Event) -> None:
        stages: dict[str, float] = {"queue": _queued_ms(lease.job)}
        rendered = await self._render(lease.job, beat, flag)
        stages |= rendered.stages_ms
        with _measured(stages, "film"):
            beat.enter("film")
            files = await self._film(lease, rendered)
        if flag.is_set():
            raise RenderStopped("told to stop")
        bodies: list[tuple[ObjectKind, Path | bytes, str]] = [
            ("video", files.video, film.VIDEO_TYPE),
            ("thumbnail", files.thumbnail, film.THUMBNAIL_TYPE),
            ("spritesheet", files.spritesheet, film.SPRITESHEET_TYPE),
        ]
        if rendered.latent is not None:
            bodies.append(("latent", rendered.latent, film.LATENT_TYPE))
        clip_id, stored = new_id("clip"), list[StoredObject]()
        try:
            with _measured(stages, "store"):
                beat.enter("store")
                for kind, body, content_type in bodies:
                    stored.append(await self._put(clip_id, kind, body, content_type))
            made = Made(clip_id, stored, rendered.gpu_seconds, stages, rendered.notes)
            await self._insist(partial(self._leases.finish, lease, made), DatabaseAway)
        except DatabaseAway:
            raise  # the commit may have come through: what nobody names is found by `reprise doctor`
        except Exception:
            await self._drop(stored)
            raise
        log.info("clip made", job=lease.job.id, clip=clip_id, stages_ms={stage: round(took) for stage, took in stages.items()})

    async def _render(self, job: Job, beat: Heartbeat, flag: threading.Event) -> Rendered:
        loop = asyncio.get_running_loop()

        def told(progress: Progress) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(beat.note, progress)

        (rendered,) = await self._renderer.render([Order(job.prompt, job.recipe, job.seed)], told, flag)
        return rendered

    async def _film(self, lease: Lease, rendered: Rendered) -> film.FilmFiles:
        folder = self._attempt_folder(lease)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        if rendered.frames is not None:
            return await film.encode(rendered.frames, lease.job.recipe.fps, folder)
        if rendered.video is None:
            raise RenderFailed("the renderer returned neither frames nor a film", "invalid_film")
        try:
            return await film.adopt(rendered.video, folder)
        finally:
            await asyncio.to_thread(rendered.video.unlink, missing_ok=True)

    async def _put(self, clip_id: str, kind: ObjectKind, body: Path | bytes, content_type: str) -> StoredObject:
        return await self._insist(partial(self._objects.put, clip_id, kind, body, content_type), StoreAway)

    async def _stopped(self, lease: Lease, beat: Heartbeat, flag: threading.Event, error: RenderStopped) -> None:
        if beat.lost:
            return
        if flag.is_set():
            # Handed back, or cancelled a moment ago: then the row says so, and the release changes nothing.
            await self._settle(lease, partial(self._leases.release, lease))
        else:
            await self._settle(lease, partial(self._leases.fail, lease, RenderFailed.code, error.message))

    async def _settle(self, lease: Lease, write: Callable[[], Awaitable[object]]) -> None:
        """The last write of a lease. If it cannot be made the lease runs out, which comes to the same later."""
        try:
            await self._insist(write, DatabaseAway)
        except LeaseLost:
            log.info("nothing to settle: the lease was lost", job=lease.job.id, attempt=lease.attempt)
        except Exception:
            log.exception("the job's end could not be written", job=lease.job.id, attempt=lease.attempt)

    async def _insist(self, act: Callable[[], Awaitable[T]], away: type[Unavailable]) -> T:
        """Again while a part is away, for a minute: what was rendered is worth more than the wait."""
        until, wait = time.monotonic() + _INSIST, 0.2
        while True:
            try:
                return await act()
            except away:
                if time.monotonic() + wait > until or self._handing_back:
                    raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, 5.0)

    async def _drop(self, stored: list[StoredObject]) -> None:
        for one in stored:
            with suppress(Unavailable):
                await self._objects.delete(one.name)

    async def _pause(self, seconds: float) -> None:
        await _within(self._stopping, seconds)

    def _in_trouble(self, reason: str) -> None:
        if self.trouble != reason:
            log.warning("no render starts", reason=reason)
        self.trouble = reason

    def _attempt_folder(self, lease: Lease) -> Path:
        return self._folder / f"{lease.job.id}-{lease.attempt}"


async def _within(event: asyncio.Event, timeout: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
    return event.is_set()


def _queued_ms(job: Job) -> float:
    return max(0.0, ((job.started_at or job.created_at) - job.created_at) * 1000)


@contextmanager
def _measured(stages: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    stages[stage] = (time.perf_counter() - began) * 1000
