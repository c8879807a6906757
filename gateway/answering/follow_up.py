"""The follow-up of a request: read it, wait for it, withdraw it, and get the bytes that it has a claim on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

from cache.clip import Clip, ObjectKind, StoredObject
from cache.errors import ClipGone, Invalid, NotFound, NotReady
from cache.request import Request
from cache.storage.clips.shelf import ERASED, Shelf
from cache.storage.database.database import Database
from cache.storage.requests.erasure import Erasure, Scrubbing
from cache.storage.requests.labels import Labels
from cache.storage.requests.requests import Requests
from gateway.answering.ask import Answered, Caller, PageOrder
from gateway.answering.disclosure import Disclosure
from generator.job import Job
from generator.queue.queue import Queue
from generator.queue.signals import Signals
from generator.queue.times import QueuePosition

_REST = 0.1  # seconds between two looks at a job that changes all the time
_POLL = 0.5  # seconds between polls of a job that another process renders
_POLL_AFTER_MS = 1000


class FollowUp:
    """The calls with a request's id. Raises NotFound for another tenant's id."""

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        requests: Requests,
        labels: Labels,
        queue: Queue,
        signals: Signals,
        erasure: Erasure,
        scrubbing: Scrubbing,
        disclosure: Disclosure,
    ) -> None:
        self._database, self._shelf, self._requests, self._labels = database, shelf, requests, labels
        self._queue, self._signals, self._erasure, self._scrubbing = queue, signals, erasure, scrubbing
        self._disclosure = disclosure

    async def describe(self, request: Request, *, waited: bool = False) -> Answered:
        """`request` with its current clip or job."""
        return (await self._described([request], waited=waited))[0]

    async def _described(self, found: list[Request], *, waited: bool = False) -> list[Answered]:
        held = {request.clip_id for request in found if request.clip_id is not None}
        clips: dict[str, Clip] = {}
        if held:
            async with self._database.read() as connection:
                clips = {clip.id: clip for clip in await self._shelf.by_ids(connection, held)}
                donors = {clip.assistance.start.donor for clip in clips.values() if clip.assistance is not None} - held
                clips |= {clip.id: clip for clip in await self._shelf.by_ids(connection, donors)} if donors else {}
        waiting = {request.job_id for request in found if request.clip_id is None and request.open and request.job_id is not None}
        jobs = await self._queue.look(waiting)
        return await self._disclosure.of([self._answered(request, clips, jobs, waited) for request in found])

    def _answered(self, request: Request, clips: dict[str, Clip], jobs: dict[str, tuple[Job, QueuePosition]], waited: bool) -> Answered:
        if request.clip_id is not None:
            return self._with_donor(answered_with(request, clips.get(request.clip_id), waited=waited), clips)
        job, standing = jobs.get(request.job_id or "", (None, QueuePosition(None, None)))
        return Answered(
            request,
            job=None if job is None else self._fresher(job),
            queue_position=standing.position,
            eta_ms=None if standing.eta_seconds is None else round(standing.eta_seconds * 1000),
            collapsed=request.verdict == "joined",
            waited=waited,
        )

    def _with_donor(self, answered: Answered, clips: dict[str, Clip]) -> Answered:
        request, clip = answered.request, answered.clip
        donor = None if clip is None or clip.assistance is None else clips.get(clip.assistance.start.donor)
        if donor is None or donor.tenant != request.tenant or not self._disclosure.tells(request, donor.asker):
            return answered
        return replace(answered, donor_prompt=donor.prompt)

    def _fresher(self, job: Job) -> Job:
        """A job that renders in this process has gone further than its row says."""
        progress = self._signals.progress(job.id)
        if progress is None or progress.percent < job.progress:
            return job
        return replace(job, progress=min(progress.percent, 99), stage=progress.stage)

    async def wait(self, request: Request, seconds: float) -> Answered:
        """Waits until the request is completed or failed, at most `seconds`."""
        until = time.monotonic() + seconds
        while request.open and request.job_id is not None and (left := until - time.monotonic()) > 0:
            with self._signals.watch(request.job_id) as watch:
                request = await self._requests.by_id(request.tenant, request.id)
                if request.open:
                    await watch.changed(min(left, _POLL))
                    request = await self._requests.by_id(request.tenant, request.id)
        return await self.describe(request, waited=not request.open)

    async def changes(self, caller: Caller, video_id: str) -> AsyncGenerator[Answered]:
        request = await self._requests.by_id(caller.tenant, video_id)
        while request.open:
            # One without a job waits for a sweep to give it one, which nobody tells of.
            with self._signals.watch(request.job_id or request.id) as watch:
                yield await self.describe(request)
                await watch.changed(_POLL)
            await asyncio.sleep(_REST)
            request = await self._requests.by_id(caller.tenant, video_id)
        yield await self.describe(request)

    async def retrieve(self, caller: Caller, video_id: str) -> Answered:
        return await self.describe(await self._requests.by_id(caller.tenant, video_id))

    async def page(self, caller: Caller, after: str | None, limit: int, order: PageOrder) -> tuple[list[Answered], bool]:
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
            raise NotReady("there is no clip to rate yet", _POLL_AFTER_MS)
        async with self._database.write() as connection:
            await self._labels.add(connection, request, satisfied, "client")

    async def content(self, caller: Caller, video_id: str, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        if kind == "latent":
            raise Invalid("variant", "variant is video, thumbnail or spritesheet")
        request = await self._requests.by_id(caller.tenant, video_id)
        if request.open:
            raise NotReady("the clip is still being rendered", _POLL_AFTER_MS)
        if request.clip_id is None:
            raise NotFound(f"this video has no clip: {request.error_message or request.error_code}", code="no_clip")
        if request.expired(time.time()):
            raise ClipGone("this video has expired; request it again")
        async with self._database.read() as connection:
            clip = await self._shelf.by_id(connection, request.clip_id)
        if clip is None or clip.state == "withdrawn":
            raise ClipGone("this clip was evicted, erased or withdrawn; request it again")
        return clip, clip.objects[kind]

    async def refused_content(self, caller: Caller, video_id: str, place: int, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        """The bytes of the clip in this place, from 1, of those that were refused for a request. NotFound unless it is the tenant's own."""
        request = await self._requests.by_id(caller.tenant, video_id)
        clip_id = request.refused[place - 1].clip_id if place <= len(request.refused) else None
        async with self._database.read() as connection:
            clip = None if clip_id is None else await self._shelf.by_id(connection, clip_id)
        if clip is None or clip.scope != request.scope or clip.private or not self._disclosure.tells(request, clip.asker):
            raise NotFound(f"{video_id} has no refused clip {place} to show", code="no_clip")
        if clip.state == "withdrawn":
            raise ClipGone("this clip was evicted, erased or withdrawn")
        return clip, clip.objects[kind]

    async def owner(self, video_id: str) -> Caller:
        return Caller(await self._requests.tenant_of(video_id))

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
    # The prompt of a clip of the shared pool belongs to another tenant and is not shown.
    own = clip is not None and clip.scope == request.scope
    matched = clip.prompt if clip is not None and own and request.verdict == "near" else None
    return Answered(request, clip=clip, matched_prompt=matched, collapsed=request.verdict == "joined", waited=waited)
