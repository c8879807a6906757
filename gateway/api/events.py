"""`GET /v1/videos/{id}/events`: the progress of a video as server-sent events, until it is completed or failed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import NotFound, RateLimited, Unavailable
from gateway.answering.ask import Answered, Caller, FollowUpPort
from gateway.api.videos import checked
from gateway.auth.access import caller_of
from gateway.http.byte_stream import ByteStream
from gateway.http.headers import video_closed
from gateway.http.links import Links
from gateway.http.reply import AnyRequest, Header
from gateway.http.video_objects import event_of, video_object
from gateway.http.wire import encode_json

MOST_STREAMS = 500  # of one gateway at a time
MOST_OF_CALLER = 20  # of one key, or of open mode
LIFE = 300.0  # seconds; then the client connects again, and its key is checked again
BEAT = 15.0  # seconds without a change after which a comment is sent: proxies close what is silent
_PAUSE = 0.5  # seconds before the next look while a part is away
LAST_ID = b"end"  # of the last event: a client that comes back with it is told that nothing follows

_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]
_BEGIN = b"retry: 1000\n\n"  # milliseconds until a browser connects again
_COMMENT = b": nothing changed\n\n"
_NOTHING = b""


class Events:
    """The route of event streams, and how many there are. `end` ends all, for a process that stops."""

    def __init__(
        self, follow_up: FollowUpPort, links: Links, *, life: float = LIFE, beat: float = BEAT, most: int = MOST_OF_CALLER
    ) -> None:
        self._follow_up, self._links = follow_up, links
        self._life, self._beat, self._most = life, beat, most
        self._streams: Counter[str] = Counter()
        self._ending = False

    def routes(self) -> list[HTTPRouteHandler]:
        return [get("/v1/videos/{video_id:str}/events", status_code=200)(self.events)]

    def end(self) -> None:
        self._ending = True

    def count(self, caller: Caller) -> int:
        return self._streams[_name(caller)]

    async def events(self, request: AnyRequest, video_id: FromPath[str]) -> ByteStream:
        caller = caller_of(request)
        answered = await self._follow_up.retrieve(caller, checked(video_id))
        if request.headers.get("last-event-id") == LAST_ID.decode("ascii") and video_closed(answered):
            # A browser whose stream ended connects again, until it is told this.
            return ByteStream(204, [(b"cache-control", b"no-store")], None)
        self._check_room(caller)
        return ByteStream(200, _HEADERS, self._stream(request, caller, video_id))

    def _check_room(self, caller: Caller) -> None:
        if self.count(caller) >= self._most:
            raise RateLimited(f"this key may follow {self._most} videos at a time", retry_after=1.0)
        if self._streams.total() >= MOST_STREAMS:
            raise RateLimited(f"{MOST_STREAMS} videos are followed at a time; poll this one", retry_after=5.0)

    @contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        name = _name(caller)
        self._streams[name] += 1
        try:
            yield
        finally:
            self._streams[name] -= 1
            if not self._streams[name]:
                del self._streams[name]

    async def _stream(self, request: AnyRequest, caller: Caller, video_id: str) -> AsyncIterator[bytes]:
        """Pieces to send, empty ones where there is nothing to say yet. A slow client holds up its own stream and nothing else: what
        changed meanwhile is one event.
        """
        until, link_of = time.monotonic() + self._life, self._links.at(request.scope)
        sent, number, beat = b"", 0, time.monotonic()
        with self._counted(caller):
            yield _BEGIN
            async with aclosing(self._changes(caller, video_id)) as changes:
                async for answered in changes:
                    closed = answered is not None and video_closed(answered)
                    body = sent if answered is None else encode_json(video_object(answered, link_of))
                    if body != sent:
                        number, sent, beat = number + 1, body, time.monotonic()
                        assert answered is not None, "a body was made of it"
                        yield _event(event_of(answered), LAST_ID if closed else b"%d" % number, body)
                    elif time.monotonic() >= beat + self._beat:
                        beat = time.monotonic()
                        yield _COMMENT
                    else:
                        yield _NOTHING
                    if closed or self._ending or time.monotonic() >= until:
                        return

    async def _changes(self, caller: Caller, video_id: str) -> AsyncGenerator[Answered | None]:
        """The video whenever it may have changed; None while a part is away. Ends with a video that is deleted."""
        while True:
            try:
                async with aclosing(self._follow_up.changes(caller, video_id)) as changes:
                    async for answered in changes:
                        yield answered
                return
            except NotFound:
                return
            except Unavailable:
                yield None
                await asyncio.sleep(_PAUSE)


def _name(caller: Caller) -> str:
    return caller.key_id or caller.tenant


def _event(name: str, event_id: bytes, body: bytes) -> bytes:
    """JSON has no line break, so one line of data holds it."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode("ascii"), event_id, body)
