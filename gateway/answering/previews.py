"""Previews: small animations of stored videos, made when somebody asks and kept among the bytes of recent clips."""

from __future__ import annotations

import asyncio
from hashlib import sha256

from cache.clip import StoredObject
from cache.errors import NotFound, RenderFailed, Unavailable
from cache.storage.bytes.objects import Objects
from gateway.answering.byte_cache import ByteCache
from generator.video_encoding import PREVIEW_TYPES, PreviewKind, preview

_AT_ONCE = 2  # each takes a core; the event loop has one of its own
_WAITING = 50  # beyond them callers come back later
_LARGEST = 512 * 1024 * 1024  # bytes of a video that one is made of


class Previews:
    """The maker of previews. A cached one goes with its clip, as its other bytes do: the names begin alike."""

    def __init__(self, objects: Objects, cache: ByteCache) -> None:
        self._objects, self._cache = objects, cache
        self._turn, self._waiting = asyncio.Semaphore(_AT_ONCE), 0

    async def of(self, video: StoredObject, kind: PreviewKind, *, private: bool) -> tuple[StoredObject, bytes]:
        """The preview of a stored video, as if it were stored. A `private` one is kept nowhere. Raises ObjectCorrupt, NotFound where
        none can be made, Unavailable where too many wait.
        """
        name = f"{video.name.rpartition('/')[0]}/preview.{kind}"
        if private:
            body = await self._made(video, kind)
        else:
            wanted = StoredObject("video", name, video.sha256, video.length, PREVIEW_TYPES[kind])
            body = await self._cache.body(wanted, lambda _: self._made(video, kind))
        return StoredObject("video", name, sha256(body).hexdigest(), len(body), PREVIEW_TYPES[kind]), body

    async def _made(self, video: StoredObject, kind: PreviewKind) -> bytes:
        if video.length > _LARGEST:
            raise NotFound("this video is too large for a preview", code="no_preview")
        if self._waiting >= _WAITING:
            raise Unavailable("too many previews are being made", retry_after=2.0)
        self._waiting += 1
        try:
            async with self._turn:
                read = self._objects.read
                return await preview(await (self._cache.body(video, read) if self._cache.fits(video) else read(video)), kind)
        except RenderFailed as error:
            raise NotFound(f"no preview can be made: {error.message}", code="no_preview") from error
        finally:
            self._waiting -= 1
