"""What is done with a render: made into a film, put into the store, and told to the job's row."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import structlog

from cache.clip import ObjectKind, StoredObject
from cache.errors import DatabaseAway, RenderFailed, RenderStopped, StoreAway, Unavailable
from cache.ids import new_id
from cache.storage.bytes.objects import Objects
from generator import film
from generator.job import Job
from generator.queueing.leases import Leases, Made
from generator.renderer import Rendered
from generator.working.attempt import Attempt

log = structlog.get_logger(__name__)


class Filing:
    """`folder` is for films in the making; each attempt has a folder of its own in it, removed with the attempt."""

    def __init__(self, leases: Leases, objects: Objects, folder: Path) -> None:
        self._leases, self._objects, self._folder = leases, objects, folder

    async def file(self, attempt: Attempt, rendered: Rendered) -> None:
        """The job is done after this. Raises what went wrong, with nothing left behind that is not named by a row."""
        stages: dict[str, float] = {"queue": _queued_ms(attempt.job), **rendered.stages_ms}
        folder = self._folder / f"{attempt.job.id}-{attempt.lease.attempt}"
        try:
            with _measured(stages, "film"):
                attempt.beat.enter("film")
                files = await self._film(attempt.job, rendered, folder)
            if attempt.flag.is_set():
                raise RenderStopped("told to stop")
            bodies: list[tuple[ObjectKind, Path | bytes, str]] = [
                ("video", files.video, film.VIDEO_TYPE),
                ("thumbnail", files.thumbnail, film.THUMBNAIL_TYPE),
                ("spritesheet", files.spritesheet, film.SPRITESHEET_TYPE),
            ]
            if rendered.latent is not None:
                bodies.append(("latent", rendered.latent, film.LATENT_TYPE))
            await self._store(attempt, rendered, bodies, stages)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _store(
        self, attempt: Attempt, rendered: Rendered, bodies: list[tuple[ObjectKind, Path | bytes, str]], stages: dict[str, float]
    ) -> None:
        clip_id, stored = new_id("clip"), list[StoredObject]()
        try:
            with _measured(stages, "store"):
                attempt.beat.enter("store")
                for kind, body, content_type in bodies:
                    put = partial(self._objects.put, clip_id, kind, body, content_type)
                    stored.append(await attempt.insist(put, StoreAway))
            made = Made(clip_id, stored, rendered.gpu_seconds, stages, rendered.notes, rendered.steps_ms, rendered.peak_bytes)
            await attempt.insist(partial(self._leases.finish, attempt.lease, made), DatabaseAway)
        except DatabaseAway:
            raise  # the commit may have come through: what nobody names is found by `reprise doctor`
        except Exception:
            await self._drop(stored)
            raise
        log.info(
            "clip made",
            clip=clip_id,
            size=attempt.job.recipe.size,
            frames=attempt.job.recipe.frames,
            seconds=round(rendered.gpu_seconds, 3),
            stages_ms={stage: round(took) for stage, took in stages.items()},
        )

    async def _film(self, job: Job, rendered: Rendered, folder: Path) -> film.FilmFiles:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        if rendered.frames is not None:
            return await film.encode(rendered.frames, job.recipe.fps, folder)
        if rendered.video is None:
            raise RenderFailed("the renderer returned neither frames nor a film", "invalid_film")
        try:
            return await film.adopt(rendered.video, folder)
        finally:
            await asyncio.to_thread(rendered.video.unlink, missing_ok=True)

    async def _drop(self, stored: list[StoredObject]) -> None:
        for one in stored:
            with suppress(Unavailable):
                await self._objects.delete(one.name)


def _queued_ms(job: Job) -> float:
    return max(0.0, ((job.started_at or job.created_at) - job.created_at) * 1000)


@contextmanager
def _measured(stages: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    stages[stage] = (time.perf_counter() - began) * 1000
