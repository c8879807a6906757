"""The stored bytes of a video, whole or in part: `/v1/videos/{id}/content` for its tenant, `/v1/links/{id}` for whoever holds a link."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial

from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.clip import Clip, ObjectKind, StoredObject
from cache.errors import DatabaseAway, Invalid, NotFound, ObjectCorrupt
from cache.ids import is_id
from cache.storage.bytes.objects import Objects
from gateway.answering.ask import Caller, FollowUpPort
from gateway.answering.byte_cache import ByteCache, SentObject, cut
from gateway.answering.previews import Previews
from gateway.auth.access import PUBLIC, caller_of
from gateway.http.body import read_query
from gateway.http.byte_stream import ByteStream, head_of
from gateway.http.links import LINK_QUERY, Links, OfferedBytes
from gateway.http.reply import AnyRequest, Header
from generator.video_encoding import PreviewKind

# The latent is stored for later renders and is not for clients.
VARIANTS: tuple[OfferedBytes, ...] = ("video", "thumbnail", "spritesheet", "webp", "gif")
_EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif"}

_KEPT_NOWHERE = b"no-store"
_REDIRECT_SECONDS = 60  # that a browser keeps a redirect to the store
_WITHOUT_END = float("inf")

# The presigned URL of an object at the store, valid for at most so many seconds; None where clients cannot reach it.
Presigned = Callable[[StoredObject, float], str | None]


@dataclass(frozen=True)
class Download:
    """One download of one variant. `left`: the seconds that the link to it is still valid, endless for a key. `place`: from 1, of a clip
    that was refused for it and is sent instead.
    """

    caller: Caller
    video_id: str
    kind: OfferedBytes
    left: float = _WITHOUT_END
    place: int | None = None

    @property
    def preview(self) -> PreviewKind | None:
        match self.kind:
            case "webp" | "gif" as kind:
                return kind
        return None

    @property
    def stored_kind(self) -> ObjectKind:
        """A preview is made of the video."""
        match self.kind:
            case "webp" | "gif":
                return "video"
            case stored:
                return stored


class Content:
    """The download routes. `objects` is read only for what `cache` does not hold. With `presigned` clients are redirected to the
    store, if it has an address for them: then the gateway neither sees complete downloads nor checks digests.
    """

    def __init__(
        self, follow_up: FollowUpPort, objects: Objects, cache: ByteCache, links: Links, presigned: Presigned | None = None
    ) -> None:
        self._previews = Previews(objects, cache)
        self._follow_up, self._objects, self._cache, self._links, self._presigned = follow_up, objects, cache, links, presigned

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/v1/videos/{video_id:str}/content", http_method=["GET", "HEAD"], status_code=200)(self.content),
            route("/v1/links/{video_id:str}", http_method=["GET", "HEAD"], status_code=200, opt=PUBLIC)(self.linked),
        ]

    async def content(self, request: AnyRequest, video_id: FromPath[str]) -> ByteStream:
        caller = caller_of(request)
        _check_id(video_id)
        told = read_query(request.scope["query_string"], ["variant", "refused"])
        kind, place = variant_of(told.get("variant", "video")), thumbnail_place(told.get("refused"))
        return await self._send(request, Download(caller, video_id, kind, place=place))

    async def linked(self, request: AnyRequest, video_id: FromPath[str]) -> ByteStream:
        """The same by a link, which stands for a key; so nothing is looked up before its signature holds."""
        _check_id(video_id)
        told = read_query(request.scope["query_string"], LINK_QUERY)
        kind = variant_of(told.get("variant", "video"))
        left = self._links.check(video_id, kind, told)
        return await self._send(request, Download(await self._follow_up.owner(video_id), video_id, kind, left))

    async def _send(self, request: AnyRequest, asked: Download) -> ByteStream:
        clip, served = await (self._find(asked) if asked.place is None else self._refused(asked, asked.place))
        if asked.preview is not None:
            return await self._preview(request, asked, clip, served, asked.preview)
        stored = served.stored
        head = head_of(request.scope, stored, served.modified, _headers(asked, served))
        if head.span is None:
            return ByteStream(head.status, head.headers, None)
        if self._presigned is not None and (address := self._presigned(stored, asked.left)) is not None:
            kept = _KEPT_NOWHERE if served.private else b"private, max-age=%d" % min(_REDIRECT_SECONDS, asked.left)
            return ByteStream(302, [(b"location", address.encode("ascii")), (b"cache-control", kept)], None)
        pieces = await self._pieces(clip, stored, *head.span)
        if asked.place is not None:
            return ByteStream(head.status, head.headers, pieces)
        self._cache.remember(asked.caller.tenant, asked.video_id, served)
        if asked.kind != "video" or head.span != (0, stored.length):
            return ByteStream(head.status, head.headers, pieces)
        return ByteStream(head.status, head.headers, pieces, partial(self._downloaded, asked.caller, asked.video_id))

    async def _preview(self, request: AnyRequest, asked: Download, clip: Clip | None, served: SentObject, kind: PreviewKind) -> ByteStream:
        try:
            stored, body = await self._previews.of(served.stored, kind, private=served.private)
        except ObjectCorrupt:
            if clip is not None:
                await self._follow_up.broken(clip, served.stored)
            raise
        head = head_of(request.scope, stored, served.modified, _headers(asked, replace(served, stored=stored)))
        return ByteStream(head.status, head.headers, None if head.span is None else cut(body, *head.span))

    async def whole(self, caller: Caller, video_id: str, told: list[Header]) -> ByteStream:
        """The whole video, for a call that is no download of its own: no condition and no range applies, and no store is named."""
        asked = Download(caller, video_id, "video")
        clip, served = await self._find(asked)
        stored = served.stored
        pieces = await self._pieces(clip, stored, 0, stored.length)
        self._cache.remember(caller.tenant, video_id, served)
        headers = [
            (b"content-type", stored.content_type.encode("latin-1")),
            (b"content-length", b"%d" % stored.length),
            (b"x-content-type-options", b"nosniff"),
            *_headers(asked, served),
            *told,
        ]
        return ByteStream(200, headers, pieces, partial(self._downloaded, caller, video_id))

    async def _find(self, asked: Download) -> tuple[Clip | None, SentObject]:
        try:
            clip, stored = await self._follow_up.content(asked.caller, asked.video_id, asked.stored_kind)
        except DatabaseAway:
            if asked.left < _WITHOUT_END:
                raise  # a link is good only while the rows say that its video is there
            served = self._cache.recall(asked.caller.tenant, asked.video_id, asked.stored_kind)
            if served is None:
                raise
            return None, served
        return clip, SentObject(stored, clip.created_at, clip.private)

    async def _refused(self, asked: Download, place: int) -> tuple[Clip | None, SentObject]:
        clip, stored = await self._follow_up.refused_content(asked.caller, asked.video_id, place, asked.stored_kind)
        return clip, SentObject(stored, clip.created_at, clip.private)

    async def _pieces(self, clip: Clip | None, stored: StoredObject, start: int, stop: int) -> AsyncIterator[bytes]:
        """All checks are done when this returns: a video that cannot be sent whole is refused before its first byte."""
        try:
            return await self._cache.open(stored, self._objects, start, stop)
        except ObjectCorrupt:
            if clip is not None:
                await self._follow_up.broken(clip, stored)
            raise

    async def _downloaded(self, caller: Caller, video_id: str) -> None:
        if await self._follow_up.downloaded(caller, video_id):
            self._cache.forget(caller.tenant, video_id)


def _check_id(video_id: str) -> None:
    if not is_id("video", video_id):
        raise NotFound(f"no video has the id {video_id[:64]!r}", "video_id")


def variant_of(word: str) -> OfferedBytes:
    for kind in VARIANTS:
        if word == kind:
            return kind
    raise Invalid("variant", f"variant must be one of {', '.join(VARIANTS)}, not {word[:40]!r}")


def thumbnail_place(text: str | None) -> int | None:
    if text is None:
        return None
    if text not in {"1", "2", "3"}:
        raise Invalid("refused", f"refused is the place of a refused clip, 1 to 3, not {text[:40]!r}")
    return int(text)


def _headers(asked: Download, served: SentObject) -> list[Header]:
    name = f"{asked.video_id}.{_EXTENSIONS.get(served.stored.content_type, 'bin')}"
    headers = [
        (b"cache-control", _kept(asked, served)),
        (b"content-disposition", f'inline; filename="{name}"'.encode("ascii")),
    ]
    # A link is made to be shown on other sites' pages, also on those that let nothing in that does not say so.
    return headers if asked.left == _WITHOUT_END else [*headers, (b"cross-origin-resource-policy", b"cross-origin")]


def _kept(asked: Download, served: SentObject) -> bytes:
    """Bytes never change; but what a link showed is kept no longer than the link is valid."""
    if served.private:
        return _KEPT_NOWHERE
    return b"private, immutable" if asked.left == _WITHOUT_END else b"private, max-age=%d, immutable" % asked.left
