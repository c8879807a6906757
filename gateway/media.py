"""`GET|HEAD /v1/videos/{id}/content`: stored bytes, whole or in part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.clip import Clip, ObjectKind, StoredObject
from cache.errors import DatabaseAway, Invalid, NotFound, ObjectCorrupt
from cache.ids import is_id
from cache.storage.bytes.objects import Objects
from gateway.ask import Answer
from gateway.byte_cache import ByteCache, Served
from gateway.entry.access import Caller, caller_of
from gateway.http.body import query
from gateway.http.film import Film, head_of
from gateway.http.reply import Header

# The latent is kept for later renders and is no client's business.
VARIANTS: tuple[ObjectKind, ...] = ("video", "thumbnail", "spritesheet")
_EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}

_KEPT_NOWHERE = b"no-store"


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
        head = head_of(request.scope, stored, served.modified, _headers(video_id, served))
        if head.span is None:
            return Film(head.status, head.headers, None)
        if self._link is not None and (address := self._link(stored)) is not None:
            kept = _KEPT_NOWHERE if served.private else b"private, max-age=60"
            return Film(302, [(b"location", address.encode("ascii")), (b"cache-control", kept)], None)
        pieces = await self._pieces(clip, stored, *head.span)
        self._cache.remember(caller.tenant, video_id, served)
        if kind != "video" or head.span != (0, stored.length):
            return Film(head.status, head.headers, pieces)
        return Film(head.status, head.headers, pieces, partial(self._downloaded, caller, video_id))

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
            return await self._cache.open(stored, self._objects, start, stop)
        except ObjectCorrupt:
            if clip is not None:
                await self._answer.broken(clip, stored)
            raise

    async def _downloaded(self, caller: Caller, video_id: str) -> None:
        if await self._answer.downloaded(caller, video_id):
            self._cache.forget(caller.tenant, video_id)


def variant_of(word: str) -> ObjectKind:
    for kind in VARIANTS:
        if word == kind:
            return kind
    raise Invalid("variant", f"variant must be one of {', '.join(VARIANTS)}, not {word[:40]!r}")


def _headers(video_id: str, served: Served) -> list[Header]:
    name = f"{video_id}.{_EXTENSIONS.get(served.stored.content_type, 'bin')}"
    return [
        (b"cache-control", _KEPT_NOWHERE if served.private else b"private, immutable"),
        (b"content-disposition", f'inline; filename="{name}"'.encode("ascii")),
    ]
