"""Videos and images of the admin pages, behind the door: the session cookie is sent to no other path."""

from __future__ import annotations

from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.clip import Clip
from cache.errors import ClipGone, Forbidden, NotFound, ObjectCorrupt
from cache.ids import is_id
from cache.storage.bytes.objects import Objects
from cache.storage.clips.shelf import Shelf
from cache.storage.operators.clip_search import ClipSearch
from gateway.admin.door import may_read, reader_of
from gateway.answering.byte_cache import ByteCache
from gateway.api.content import variant_of
from gateway.http.byte_stream import ByteStream, head_of
from gateway.http.reply import AnyRequest, Header

PRIVATE: list[Header] = [
    # Revalidated each time: a clip may be out of service, or a session over, the next time.
    (b"cache-control", b"private, no-cache"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox"),
]


class ClipFiles:
    """The route `/admin/media/{clip_id}/{video|thumbnail|spritesheet}`, with Range. Withdrawn clips are not shown."""

    def __init__(self, shelf: Shelf, search: ClipSearch, objects: Objects, cache: ByteCache) -> None:
        self._shelf, self._search, self._objects, self._cache = shelf, search, objects, cache

    def routes(self) -> list[HTTPRouteHandler]:
        return [route("/admin/media/{clip_id:str}/{kind:str}", http_method=["GET", "HEAD"], status_code=200)(self.video)]

    async def video(self, request: AnyRequest, clip_id: FromPath[str], kind: FromPath[str]) -> ByteStream:
        clip = await self._find(request, clip_id)
        wanted = variant_of(kind)
        stored = next((one for named, one in clip.objects.items() if named == wanted), None)
        if stored is None:
            raise ClipGone(f"this clip has no {kind}")
        head = head_of(request.scope, stored, clip.created_at, PRIVATE)
        if head.span is None:
            return ByteStream(head.status, head.headers, None)
        try:
            return ByteStream(head.status, head.headers, await self._cache.open(stored, self._objects, *head.span))
        except ObjectCorrupt:
            await self._shelf.withdraw([clip.id], f"corrupt: {stored.kind}")
            raise

    async def _find(self, request: AnyRequest, clip_id: str) -> Clip:
        found = await self._search.by_id(clip_id) if is_id("clip", clip_id) else None
        if found is None:
            raise NotFound(f"no clip has the id {clip_id[:64]!r}", "clip_id")
        clip, reader = found.clip, reader_of(request)
        if not may_read(reader, clip.tenant) and not (reader is not None and await self._search.held_by(clip.id, reader)):
            raise Forbidden("this clip is another tenant's: whoever runs the place counts it and does not look at it")
        if clip.state == "withdrawn" or not self._shelf.genuine([clip]):
            raise ClipGone("this clip is out of service")
        return clip
