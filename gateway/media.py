"""`GET|HEAD /v1/videos/{id}/content`: stored bytes, whole or in part. Litestar has neither Range nor 304 nor HEAD."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, assert_never

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import Receive, Scope, Send

from cache.clip import Clip, ObjectKind, StoredObject
from cache.errors import DatabaseAway, Invalid, NotFound, ObjectCorrupt, RepriseError
from cache.ids import is_id
from cache.storage.bytes.objects import CHUNK, Objects
from gateway.ask import Answer
from gateway.byte_cache import ByteCache, Served
from gateway.entry.access import Caller, caller_of
from gateway.http.body import query
from gateway.http.conditions import Part, Unchanged, Whole, decide, http_date
from gateway.http.reply import Header, headers_of

# The latent is kept for later renders and is no client's business.
VARIANTS: tuple[ObjectKind, ...] = ("video", "thumbnail", "spritesheet")
_EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}

_KEPT_NOWHERE = b"no-store"

_log = logging.getLogger(__name__)


class Media:
    """`objects` is asked only for what `cache` does not hold. With `link` clients are sent to the store itself, where it has
    an address for them: then nobody here sees whether a film was read to its end, nor checks its digest.
    """

    def __init__(
        self, answer: Answer, objects: Objects, cache: ByteCache, link: Callable[[StoredObject], str | None] | None = None
    ) -> None:
        self._answer, self._objects, self._cache, self._link = answer, objects, cache, link

    def routes(self) -> list[HTTPRouteHandler]:
        return [route("/v1/videos/{video_id:str}/content", http_method=["GET", "HEAD"], status_code=200)(self.content)]

    async def content(self, request: Request[Any, Any, Any], video_id: FromPath[str]) -> Film:
        caller = caller_of(request)
        if not is_id("video", video_id):
            raise NotFound(f"no video has the id {video_id[:64]!r}", "video_id")
        kind = variant_of(query(request.scope["query_string"], ["variant"]).get("variant", "video"))
        clip, served = await self._find(caller, video_id, kind)
        stored = served.stored
        etag = f'"{stored.sha256}"'
        outcome = decide(request.method, headers_of(request.scope), etag, served.modified, stored.length)
        headers = _headers(video_id, served, etag)
        match outcome:
            case Unchanged():
                return Film(304, headers, None)
            case Part(start, stop):
                status = 206
                headers.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, stored.length)))
            case Whole():
                status, start, stop = 200, 0, stored.length
            case other:
                assert_never(other)
        headers += [(b"content-type", stored.content_type.encode("latin-1")), (b"content-length", b"%d" % (stop - start))]
        if request.method == "HEAD":
            return Film(status, headers, None)
        if self._link is not None and (address := self._link(stored)) is not None:
            kept = _KEPT_NOWHERE if served.private else b"private, max-age=60"
            return Film(302, [(b"location", address.encode("ascii")), (b"cache-control", kept)], None)
        pieces = await self._pieces(clip, stored, start, stop)
        self._cache.remember(caller.tenant, video_id, served)
        if kind != "video" or (start, stop) != (0, stored.length):
            return Film(status, headers, pieces)
        return Film(status, headers, pieces, partial(self._downloaded, caller, video_id))

    async def _find(self, caller: Caller, video_id: str, kind: ObjectKind) -> tuple[Clip | None, Served]:
        try:
            clip, stored = await self._answer.content(caller, video_id, kind)
        except DatabaseAway:
            served = self._cache.recall(caller.tenant, video_id, kind)
            if served is None:
                raise
            return None, served
        return clip, Served(stored, clip.created_at, clip.private)

    async def _pieces(self, clip: Clip | None, stored: StoredObject, start: int, stop: int) -> AsyncIterator[bytes]:
        """All checks are done when this returns: a film that cannot be sent whole is refused before its first byte."""
        try:
            if self._cache.fits(stored):
                return cut(await self._cache.body(stored, self._objects.read), start, stop)
            return await self._objects.open(stored, start, stop - start)
        except ObjectCorrupt:
            if clip is not None:
                await self._answer.broken(clip, stored)
            raise

    async def _downloaded(self, caller: Caller, video_id: str) -> None:
        if await self._answer.downloaded(caller, video_id):
            self._cache.forget(caller.tenant, video_id)


class Film:
    """A response whose headers are ready and whose bytes come in pieces; without pieces it has no body.

    `sent` is awaited once the last byte has left for a client that is still there.
    """

    def __init__(
        self, status: int, headers: list[Header], pieces: AsyncIterator[bytes] | None, sent: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._status, self._headers, self._pieces, self._sent = status, headers, pieces, sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        if self._pieces is None:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async for piece in self._pieces:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            # Asked before the last message: after it the server calls every connection disconnected.
            whole = not gone.done()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
        if whole and self._sent is not None:
            try:
                await self._sent()
            except RepriseError:
                # The client has its film; what was to be noted about that is late, not wrong.
                _log.warning("a download could not be noted", exc_info=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def cut(body: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
    for at in range(start, stop, CHUNK):
        yield body[at : min(at + CHUNK, stop)]


def variant_of(word: str) -> ObjectKind:
    for kind in VARIANTS:
        if word == kind:
            return kind
    raise Invalid("variant", f"variant must be one of {', '.join(VARIANTS)}, not {word[:40]!r}")


def _headers(video_id: str, served: Served, etag: str) -> list[Header]:
    stored = served.stored
    name = f"{video_id}.{_EXTENSIONS.get(stored.content_type, 'bin')}"
    return [
        (b"accept-ranges", b"bytes"),
        (b"cache-control", _KEPT_NOWHERE if served.private else b"private, immutable"),
        (b"etag", etag.encode("latin-1")),
        (b"last-modified", http_date(served.modified).encode("ascii")),
        (b"content-disposition", f'inline; filename="{name}"'.encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
    ]
