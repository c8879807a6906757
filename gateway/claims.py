"""What follows a request: reading it, waiting for it, withdrawing it, and the bytes that it has a claim on."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from cache.clip import Clip, ObjectKind, StoredObject
from cache.errors import ClipGone, Invalid, NotFound, NotReady
from cache.request import Request
from cache.storage.database import Database
from cache.storage.erasure import Erasure, Scrubbing
from cache.storage.labels import Labels
from cache.storage.requests import Requests
from cache.storage.shelf import ERASED, Shelf
from gateway.ask import Answered, Order
from gateway.entry.access import Caller
from generator.job import Job
from generator.queueing.queue import Queue
from generator.queueing.queue_times import Standing
from generator.queueing.signals import Signals

_POLL = 0.5  # seconds between looks at a job that another process renders
_POLL_AFTER_MS = 1000


@dataclass(frozen=True)
class Rows:
    """What requests stand on."""

    database: Database
    shelf: Shelf
    requests: Requests
    labels: Labels
    queue: Queue
    signals: Signals
    erasure: Erasure
    scrubbing: Scrubbing


class Claims:
    def __init__(self, rows: Rows) -> None:
        self._database, self._shelf, self._requests = rows.database, rows.shelf, rows.requests
        self._labels, self._queue, self._signals = rows.labels, rows.queue, rows.signals
        self._erasure, self._scrubbing = rows.erasure, rows.scrubbing

    async def describe(self, request: Request, *, waited: bool = False) -> Answered:
        """`request` with what it stands on now."""
        return (await self._described([request], waited=waited))[0]

    async def _described(self, found: list[Request], *, waited: bool = False) -> list[Answered]:
        held = {request.clip_id for request in found if request.clip_id is not None}
        clips: dict[str, Clip] = {}
        if held:
            async with self._database.read() as connection:
                clips = {clip.id: clip for clip in await self._shelf.by_ids(connection, held)}
        waiting = {request.job_id for request in found if request.clip_id is None and request.open and request.job_id is not None}
        jobs = await self._queue.look(waiting)
        return [self._answered(request, clips, jobs, waited) for request in found]

    def _answered(self, request: Request, clips: dict[str, Clip], jobs: dict[str, tuple[Job, Standing]], waited: bool) -> Answered:
        if request.clip_id is not None:
            return answered_with(request, clips.get(request.clip_id), waited=waited)
        job, standing = jobs.get(request.job_id or "", (None, Standing(None, None)))
        return Answered(
            request,
            job=None if job is None else self._fresher(job),
            queue_position=standing.position,
            eta_ms=None if standing.eta_seconds is None else round(standing.eta_seconds * 1000),
            collapsed=request.verdict == "joined",
            waited=waited,
        )

    def _fresher(self, job: Job) -> Job:
        """A job that renders in this process has gone further than its row says."""
        progress = self._signals.progress(job.id)
        if progress is None or progress.percent < job.progress:
            return job
        return replace(job, progress=min(progress.percent, 99), stage=progress.stage)

    async def wait(self, request: Request, seconds: float) -> Answered:
        """Until the request is answered or failed, at most `seconds`."""
        until = time.monotonic() + seconds
        while request.open and request.job_id is not None and (left := until - time.monotonic()) > 0:
            with self._signals.watch(request.job_id) as watch:
                request = await self._requests.by_id(request.tenant, request.id)
                if request.open:
                    await watch.changed(min(left, _POLL))
                    request = await self._requests.by_id(request.tenant, request.id)
        return await self.describe(request, waited=not request.open)

    async def retrieve(self, caller: Caller, video_id: str) -> Answered:
        return await self.describe(await self._requests.by_id(caller.tenant, video_id))

    async def page(self, caller: Caller, after: str | None, limit: int, order: Order) -> tuple[list[Answered], bool]:
        found, more = await self._requests.page(caller.tenant, after, limit, order)
        return await self._described(found), more

    async def cancel(self, caller: Caller, video_id: str) -> Answered:
        """Cancelling what is finished, failed or cancelled already changes nothing."""
        request = await self._requests.by_id(caller.tenant, video_id)
        if request.open:
            await self._queue.withdraw(request.id)
            self._scrubbing.due()
        return await self.retrieve(caller, video_id)

    async def delete(self, caller: Caller, video_id: str, erase: bool) -> None:
        """The request is gone for its client. `erase`: its words too, and its clip if nobody else holds it."""
        request = await self._requests.by_id(caller.tenant, video_id)
        await self._queue.withdraw(request.id, deleted=True)
        self._scrubbing.due()
        if erase:
            await self._erasure.erase(request)
            self._scrubbing.due()
            await self._scrubbing.run_once()

    async def feedback(self, caller: Caller, video_id: str, satisfied: bool) -> None:
        request = await self._requests.by_id(caller.tenant, video_id)
        if request.clip_id is None:
            raise NotReady("there is no clip to judge yet", _POLL_AFTER_MS)
        async with self._database.write() as connection:
            await self._labels.add(connection, request, satisfied, "client")

    async def content(self, caller: Caller, video_id: str, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        if kind == "latent":
            raise Invalid("variant", "variant is video, thumbnail or spritesheet")
        request = await self._requests.by_id(caller.tenant, video_id)
        if request.open:
            raise NotReady("the clip is still being made", _POLL_AFTER_MS)
        if request.clip_id is None:
            raise NotFound(f"this video has no clip: {request.error_message or request.error_code}", code="no_clip")
        async with self._database.read() as connection:
            clip = await self._shelf.by_id(connection, request.clip_id)
        if clip is None or clip.state == "withdrawn":
            raise ClipGone("this clip was evicted, erased or taken out of service; ask for it again")
        return clip, clip.objects[kind]

    async def downloaded(self, caller: Caller, video_id: str) -> bool:
        request = await self._requests.by_id(caller.tenant, video_id)
        await self._requests.mark_downloaded(request.id)
        if not request.no_store or request.clip_id is None or request.verdict in {"exact", "near"}:
            return False
        await self._shelf.withdraw([request.clip_id], ERASED)
        await self._shelf.collect(grace=float("inf"))
        self._scrubbing.due()
        await self._scrubbing.run_once()
        return True

    async def broken(self, clip: Clip, stored: StoredObject) -> None:
        await self._shelf.withdraw([clip.id], f"corrupt: {stored.kind}")


def answered_with(request: Request, clip: Clip | None, *, waited: bool = False) -> Answered:
    # A clip of the shared pool came from somewhere else: whose words it was made for is nobody's business.
    own = clip is not None and clip.scope == request.scope
    matched = clip.prompt if clip is not None and own and request.verdict == "near" else None
    return Answered(request, clip=clip, matched_prompt=matched, collapsed=request.verdict == "joined", waited=waited)
