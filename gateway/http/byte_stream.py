"""The byte stream of a stored object as a response: whole, in part or not at all. Litestar has neither Range nor 304 nor HEAD."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from litestar.types import HTTPScope, Receive, Scope, Send

from cache.clip import StoredObject
from cache.errors import RepriseError
from gateway.http.conditions import ByteRange, Unchanged, Whole, decide_bytes, http_date
from gateway.http.reply import Header, headers_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Head:
    """The head of a response. `span`: the bytes that follow, stop excluded; None after HEAD and 304."""

    status: int
    headers: list[Header]
    span: tuple[int, int] | None


def head_of(scope: HTTPScope, stored: StoredObject, modified: float, headers: list[Header]) -> Head:
    """The head for this request of `stored`, written at `modified` (Unix seconds). `headers` say who may cache it and how.

    Raises PreconditionFailed or RangeNotSatisfiable.
    """
    etag = f'"{stored.sha256}"'
    told = [
        (b"accept-ranges", b"bytes"),
        (b"etag", etag.encode("ascii")),
        (b"last-modified", http_date(modified).encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    match decide_bytes(scope["method"], headers_of(scope), etag, modified, stored.length):
        case Unchanged():
            return Head(304, told, None)
        case ByteRange(start, stop):
            status = 206
            told.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, stored.length)))
        case Whole():
            status, start, stop = 200, 0, stored.length
        case other:
            assert_never(other)
    told += [(b"content-type", stored.content_type.encode("latin-1")), (b"content-length", b"%d" % (stop - start))]
    return Head(status, told, None if scope["method"] == "HEAD" else (start, stop))


class ByteStream:
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
                if not piece:
                    continue  # of a stream that only looked whether somebody is there
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            # Asked before the last message: after it the server calls every connection disconnected.
            whole = not gone.done()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            if isinstance(self._pieces, AsyncGenerator):
                await self._pieces.aclose()  # not some time later: it may hold what others wait for
        if whole and self._sent is not None:
            try:
                await self._sent()
            except RepriseError:
                # The client has its video; what was to be noted about that is late, not wrong.
                _log.warning("download not recorded", exc_info=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
