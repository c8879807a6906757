"""Filing of a render: encode the video, store the objects, finish the job."""

from __future__ import annotations

import asyncio
import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from cache.assist import Assistance
from cache.clip import ObjectKind, StoredObject
from cache.errors import DatabaseAway, DiskFull, RenderFailed, RenderStopped, StoreAway, Unavailable
from cache.ids import new_id
from cache.matching.donors.curves import has_donors
from cache.storage.bytes.objects import Objects
from generator import video_encoding
from generator.job import Job
from generator.queue.leases import Leases, Made
from generator.renderer import Rendered
from generator.worker.attempt import Attempt

log = structlog.get_logger(__name__)


class Filing:
    """The filing. `folder`: for unfinished videos; each attempt has its own folder in it, removed with the attempt."""

    def __init__(self, leases: Leases, objects: Objects, folder: Path) -> None:
        self._leases, self._objects, self._folder = leases, objects, folder

    async def file(self, attempt: Attempt, rendered: Rendered) -> None:
        """The job is done after this. Raises what went wrong, with nothing left behind that is not named by a row."""
        stages: dict[str, float] = {"queue": _queued_ms(attempt.job), **rendered.stages_ms}
        folder = self._folder / f"{attempt.job.id}-{attempt.lease.attempt}"
        try:
            with _measured(stages, "video_encode"):
                attempt.beat.enter("video_encode")
                files = await attempt.insist(partial(self._video, attempt.job, rendered, folder), DiskFull)
            if attempt.flag.is_set():
                raise RenderStopped("told to stop")
            bodies: list[tuple[ObjectKind, Path | bytes, str]] = [
                ("video", files.video, video_encoding.VIDEO_TYPE),
                ("thumbnail", files.thumbnail, video_encoding.THUMBNAIL_TYPE),
                ("spritesheet", files.spritesheet, video_encoding.SPRITESHEET_TYPE),
            ]
            if rendered.latent is not None and _may_donate(attempt.job):
                bodies.append(("latent", rendered.latent, video_encoding.LATENT_TYPE))
            await self._store(attempt, rendered, bodies, stages)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            if rendered.video is not None:
                await asyncio.to_thread(rendered.video.unlink, missing_ok=True)

    async def _store(
        self, attempt: Attempt, rendered: Rendered, bodies: list[tuple[ObjectKind, Path | bytes, str]], stages: dict[str, float]
    ) -> None:
        clip_id, stored = new_id("clip"), list[StoredObject]()
        try:
            with _measured(stages, "store"):
                attempt.beat.enter("store")
                for kind, body, content_type in bodies:
                    put = partial(self._objects.put, clip_id, kind, body, content_type)
                    stored.append(await attempt.insist(put, StoreAway, DiskFull))
            made = Made(clip_id, stored, rendered.gpu_seconds, stages, rendered.notes, rendered.steps_ms, rendered.peak_bytes)
            made = replace(made, assistance=_assistance(attempt.job, rendered))
            await attempt.insist(partial(self._leases.finish, attempt.lease, made), DatabaseAway, DiskFull)
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

    async def _video(self, job: Job, rendered: Rendered, folder: Path) -> video_encoding.VideoFiles:
        """DiskFull where the data folder has no room for it: then what was begun gives back its own."""
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            if rendered.frames is not None:
                return await video_encoding.encode_video(rendered.frames, job.recipe.fps, folder)
            if rendered.video is None:
                raise RenderFailed("the renderer returned neither frames nor a video", "invalid_video")
            return await video_encoding.adopt_video(rendered.video, folder)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise DiskFull("the disk under the data folder is full") from error

    async def _drop(self, stored: list[StoredObject]) -> None:
        for one in stored:
            with suppress(Unavailable):
                await self._objects.delete(one.name)


def _may_donate(job: Job) -> bool:
    """True if the clip may be a donor: what was made from a donor is none itself, no-store is read by nobody else, and some Recipes
    have no donors at all: their latents would lie there for nothing.
    """
    return job.start is None and job.joinable and has_donors(job.recipe)


def _assistance(job: Job, rendered: Rendered) -> Assistance | None:
    if job.start is None or not rendered.steps_skipped:
        return None
    mean = sum(rendered.steps_ms) / len(rendered.steps_ms) if rendered.steps_ms else 0.0
    return Assistance(job.start, rendered.steps_skipped, rendered.steps_skipped * mean)


def _queued_ms(job: Job) -> float:
    return max(0.0, ((job.started_at or job.created_at) - job.created_at) * 1000)


@contextmanager
def _measured(stages: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    stages[stage] = (time.perf_counter() - began) * 1000
