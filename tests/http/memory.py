"""The HTTP edge over an answer that keeps everything in a dictionary: enough to see what reaches a client."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import httpx
from litestar import Litestar

from cache.catalog import DEMO, AskedSettings, ServedModel, resolve
from cache.clip import KINDS, Clip, ObjectKind, StoredKind, StoredObject
from cache.errors import ClipGone, NotFound, NotReady, ObjectCorrupt, RepriseError
from cache.ids import new_id
from cache.request import Request
from cache.storage.bytes.objects import CHUNK, Name
from gateway.answering.ask import NONE_SAID, Answered, Caller, PageOrder, VideoAsk
from gateway.answering.byte_cache import ByteCache
from gateway.answering.models import Models
from gateway.api.content import Content
from gateway.api.events import Events
from gateway.api.health import Health, HealthPart
from gateway.api.sync import SyncVideos
from gateway.api.videos import Videos
from gateway.auth.access import LOCAL, OpenAccess
from gateway.http.headers import video_closed
from gateway.http.links import Links
from gateway.http.problems import HANDLERS
from gateway.http.reply import add_request_id, tell_methods
from gateway.webhooks.destinations import Destinations
from generator.job import Job, JobState, Priority

MODEL = ServedModel(DEMO, "0123abc", "pipeline")
MODELS = Models([MODEL], {"sora-2": DEMO.name})
LINKS = Links(["the first key", "an older one"], 900)
RECIPE = resolve(MODEL, AskedSettings())
TYPES = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/webp", "latent": "application/octet-stream"}


class MemoryObjects:
    """The object store's port over a dictionary. What is set in `broken` is missing or wrong on disk."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.reads: list[str] = []

    async def put(self, owner_id: str, kind: StoredKind, body: Path | bytes, content_type: str) -> StoredObject:
        assert isinstance(body, bytes)
        digest = hashlib.sha256(body).hexdigest()
        name = f"clips/{owner_id}/{digest}.{kind}"
        self.bodies[name] = body
        return StoredObject(kind, name, digest, len(body), content_type)

    async def read(self, stored: StoredObject) -> bytes:
        self.reads.append(stored.name)
        if stored.name in self.broken:
            raise ObjectCorrupt("these bytes are not the ones that were stored")
        return self.bodies[stored.name]

    async def open(self, stored: StoredObject, start: int, length: int) -> AsyncIterator[bytes]:
        body = (await self.read(stored))[start : start + length]

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, length, CHUNK):
                yield body[at : at + CHUNK]

        return pieces()

    async def verify(self, stored: StoredObject) -> None:
        raise NotImplementedError

    async def delete(self, name: str) -> None:
        self.bodies.pop(name, None)

    async def names(self, prefix: str) -> AsyncIterator[Name]:
        for name in self.bodies:
            yield name, len(self.bodies[name]), 0.0

    async def free_bytes(self) -> int | None:
        return None

    async def check(self) -> None: ...

    async def close(self) -> None: ...


def job_of(ask: VideoAsk, **changes: object) -> Job:
    fields: dict[str, object] = {
        "id": new_id("job"),
        "tenant": ask.caller.tenant,
        "scope": f"tenant:{ask.caller.tenant}",
        "variant_key": "v",
        "spec_key": "f",
        "prompt": ask.prompt.text,
        "recipe": ask.recipe,
        "seed": 7,
        "take": 0,
        "priority": ask.priority,
        "state": JobState.QUEUED,
        "attempt": 0,
        "progress": 0,
        "stage": "queue",
        "created_at": time.time(),
    }
    return Job(**{**fields, **changes})  # type: ignore[arg-type]


class MemoryAnswer:
    """Everything is a hit, unless the prompt begins with "miss". `raises` is what the next call fails with."""

    def __init__(self, objects: MemoryObjects) -> None:
        self.objects = objects
        self.reset()

    def reset(self) -> None:
        self.videos: dict[str, Answered] = {}
        self.asks: list[VideoAsk] = []
        self.raises: RepriseError | Exception | None = None
        self.broke: list[str] = []
        self.downloads: list[str] = []
        self.erases = False
        self.coming: list[Answered | RepriseError] = []
        self.told: list[tuple[str, bool]] = []

    def _fail(self) -> None:
        if self.raises is not None:
            raise self.raises

    async def create(self, ask: VideoAsk) -> Answered:
        self._fail()
        self.asks.append(ask)
        answered = await self._miss(ask) if ask.prompt.normal.startswith("miss") else await self._hit(ask)
        self.videos[answered.request.id] = answered
        return answered

    async def _hit(self, ask: VideoAsk) -> Answered:
        now, clip_id = time.time(), new_id("clip")
        stored = {kind: await self.objects.put(clip_id, kind, f"{kind} of {clip_id}".encode() * 100, TYPES[kind]) for kind in KINDS}
        clip = Clip(
            clip_id, ask.caller.tenant, "s", "v", "f", ask.prompt.text, ask.recipe, 7, 0, "live", 1, now - 532.6, None, 6.2, stored
        )  # fmt: skip
        return Answered(replace(request_of(ask), verdict="exact", clip_id=clip.id, completed_at=now, gpu_seconds_saved=6.2), clip)

    async def _miss(self, ask: VideoAsk) -> Answered:
        job = job_of(ask)
        return Answered(replace(request_of(ask), job_id=job.id), job=job, queue_position=1, eta_ms=9000)

    def of(self, caller: Caller, video_id: str) -> Answered:
        self._fail()
        answered = self.videos.get(video_id)
        if answered is None or answered.request.tenant != caller.tenant:
            raise NotFound(f"no video has the id {video_id!r}", "video_id")
        return answered

    async def retrieve(self, caller: Caller, video_id: str) -> Answered:
        return self.of(caller, video_id)

    async def changes(self, caller: Caller, video_id: str) -> AsyncGenerator[Answered]:
        """Each entry of `coming` is what the next look finds; a test may put errors there."""
        yield self.of(caller, video_id)
        while not video_closed(answered := self.of(caller, video_id)):
            if self.coming:
                found = self.coming.pop(0)
                if isinstance(found, Exception):
                    raise found
                self.videos[video_id] = answered = found
            await asyncio.sleep(0.01)
            yield answered

    async def page(self, caller: Caller, after: str | None, limit: int, order: PageOrder) -> tuple[list[Answered], bool]:
        self._fail()
        ids = sorted(
            (one for one in self.videos if after is None or (one < after if order == "desc" else one > after)), reverse=order == "desc"
        )
        return [self.videos[one] for one in ids[:limit]], len(ids) > limit

    async def delete(self, caller: Caller, video_id: str, erase: bool) -> None:
        self.of(caller, video_id)
        del self.videos[video_id]

    async def cancel(self, caller: Caller, video_id: str) -> Answered:
        answered = self.of(caller, video_id)
        request = replace(answered.request, error_code="cancelled", error_message="cancelled by the client")
        self.videos[video_id] = replace(answered, request=request, job=None)
        return self.videos[video_id]

    async def feedback(self, caller: Caller, video_id: str, satisfied: bool) -> None:
        self.of(caller, video_id)
        self.told.append((video_id, satisfied))

    async def content(self, caller: Caller, video_id: str, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        answered = self.of(caller, video_id)
        if answered.request.open:
            raise NotReady("the clip is still being made", 700)
        if answered.clip is None:
            raise ClipGone("this clip was evicted")
        return answered.clip, answered.clip.objects[kind]

    async def refused_content(self, caller: Caller, video_id: str, place: int, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        raise NotFound(f"{video_id} has no refused clip {place} to show")

    async def owner(self, video_id: str) -> Caller:
        self._fail()
        if (answered := self.videos.get(video_id)) is None:
            raise NotFound(f"no video has the id {video_id!r}", "video_id")
        return Caller(answered.request.tenant)

    async def downloaded(self, caller: Caller, video_id: str) -> bool:
        self.downloads.append(video_id)
        return self.erases

    async def broken(self, clip: Clip, stored: StoredObject) -> None:
        self.broke.append(stored.name)


def request_of(ask: VideoAsk) -> Request:
    return Request(
        new_id("video"), ask.caller.tenant, "s", time.time(), ask.prompt.text, "f", ask.recipe, ask.seed, 0, ask.priority, "miss", ask.tags,
        end_user=ask.end_user, metadata=ask.metadata,
    )  # fmt: skip


def ask_of(prompt: str = "a red kite", **changes: object) -> VideoAsk:
    from cache.prompt import Prompt

    ask = VideoAsk(LOCAL, Prompt.parse(prompt), RECIPE, None, Priority.INTERACTIVE, False, (), NONE_SAID, 0.0, None, "")
    return replace(ask, **changes)  # type: ignore[arg-type]


@dataclass
class Edge:
    """The application as create_app mounts it, less everything behind the answer."""

    cache_bytes: int = 1 << 20
    allowed_hosts: tuple[str, ...] = ()
    parts: dict[str, HealthPart] = field(default_factory=dict)
    body_limit: int = 64 * 1024
    life: float = 30.0

    def __post_init__(self) -> None:
        self.objects = MemoryObjects()
        self.answer = MemoryAnswer(self.objects)
        self.cache = ByteCache(self.cache_bytes)
        videos = Videos(
            self.answer,
            self.answer,
            MODELS,
            self.cache,
            LINKS,
            Destinations([]),
            picture_limit=10_000_000,
            body_limit=self.body_limit,
            wait_limit=60,
        )
        content = Content(self.answer, self.objects, self.cache, LINKS)
        self.events = Events(self.answer, LINKS, life=self.life, beat=0.1, most=2)
        self.app = Litestar(
            [
                *videos.routes(),
                *SyncVideos(videos, content).routes(),
                *self.events.routes(),
                *content.routes(),
                *Health(self.parts).routes(),
            ],
            middleware=[OpenAccess(self.allowed_hosts).middleware],
            before_send=[add_request_id, tell_methods],
            exception_handlers=HANDLERS,
            openapi_config=None,
            logging_config=None,
        )

    def reset(self) -> None:
        """As new: building an application takes longer than most tests."""
        self.objects.reset()
        self.answer.reset()
        vars(self.cache).update(vars(ByteCache(self.cache_bytes)))

    def client(self, url: str = "http://localhost:8000", address: str = "127.0.0.1") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(cast(Any, self.app), client=(address, 4000)), base_url=url)
