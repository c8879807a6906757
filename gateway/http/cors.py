"""Calls from pages of other sites (CORS): which may read the answers of `/v1`. Off unless origins are named; never for `/admin`.

Litestar's own CORS covers every path of an application, so it would open the admin pages with the API.
"""

from __future__ import annotations

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.byte_stream import ByteStream
from gateway.http.openapi import HEADERS
from gateway.http.reply import Header, headers_of

ANY = "*"
_METHODS = b"GET, HEAD, POST, DELETE"
_REMEMBERED = 7200  # seconds; Chromium keeps a preflight no longer
_LONGEST = 2048  # bytes of the list of headers that a preflight asks for
_EXPOSED: Header = (b"access-control-expose-headers", ", ".join(sorted(HEADERS)).encode("ascii"))
_VARY: Header = (b"vary", b"origin")


class Cors:
    """Keys travel in headers that a page must set itself, never in cookies: so no answer allows credentials, and a page of another
    site can only use a key that it has.
    """

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._named, self._any = frozenset(origins) - {ANY}, ANY in origins

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Answers preflights, which never carry a key; so it stands before the gate."""

        async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("method") == "OPTIONS" and _open(scope):
                headers = headers_of(scope)
                if b"access-control-request-method" in headers and self._allowed(headers.get(b"origin")) is not None:
                    await ByteStream(204, _preflight(headers), None)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return let_in

    async def add_headers(self, message: Message, scope: Scope) -> None:
        """A `before_send` hook: errors can be read, too."""
        if message["type"] != "http.response.start" or not (self._named or self._any) or not _open(scope):
            return
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        allowed = self._allowed(origin)
        # Also without an Origin: a browser must not show a page of one site what it kept of a call of another.
        told = [_VARY] if allowed is None else [_VARY, (b"access-control-allow-origin", allowed), _EXPOSED]
        message["headers"] = [*message["headers"], *told]

    def _allowed(self, origin: bytes | None) -> bytes | None:
        """The origin that the answer allows: the origin, `*`, or nothing."""
        if origin is None:
            return None
        if origin.decode("latin-1").lower() in self._named:
            return origin
        return b"*" if self._any else None


def _open(scope: Scope) -> bool:
    return scope["path"].startswith("/v1/")


def _preflight(headers: dict[bytes, bytes]) -> list[Header]:
    """`*` would not allow Authorization, so what is asked for is repeated; clients of the API send many headers of their own."""
    asked = headers.get(b"access-control-request-headers", b"")[:_LONGEST]
    told: list[Header] = [(b"access-control-allow-methods", _METHODS), (b"access-control-max-age", b"%d" % _REMEMBERED)]
    return [*told, (b"access-control-allow-headers", asked)] if asked else told
