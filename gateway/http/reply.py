"""Replies: responses as bytes, with the request's id in a header."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar
from typing import Any

from litestar import Request
from litestar.routes import HTTPRoute
from litestar.types import Message, Receive, Scope, Send

Header = tuple[bytes, bytes]
AnyRequest = Request[Any, Any, Any]
JSON = b"application/json"
ANSWERED: ContextVar[Scope] = ContextVar("answered")  # the call that the task at hand answers, for log lines

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Reply:
    """An ASGI response whose body is ready. To HEAD it tells the length and sends nothing.

    Litestar's own response costs several times as much: it copies headers through three types.
    """

    __slots__ = ("body", "content_type", "head", "headers", "status")

    def __init__(
        self, body: bytes, *, status: int = 200, headers: list[Header] | None = None, head: bool = False, content_type: bytes = JSON
    ) -> None:
        self.body, self.status, self.head, self.content_type = body, status, head, content_type
        self.headers = headers or []

    def to_asgi_response(self, **_: Any) -> Reply:
        """The reply itself; Litestar requires this method of what an exception handler returns."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", self.content_type), (b"content-length", b"%d" % len(self.body)), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if self.head else self.body, "more_body": False})


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Request headers by lower-case name; repeated ones are joined by commas, as RFC 9110 reads them."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def request_id(scope: Scope) -> str:
    """The client's `X-Request-Id` where it has a harmless shape, else one of ours; the same one for the whole request."""
    state = scope["state"]
    known = state.get("request_id")
    if known is None:
        sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        # Ours tells requests apart and guards nothing, so it need not cost a call of the system.
        known = sent.decode("ascii") if _REQUEST_ID.fullmatch(sent) else f"req_{random.getrandbits(128):032x}"
        state["request_id"] = known
    return str(known)


async def add_request_id(message: Message, scope: Scope) -> None:
    """A `before_send` hook: every answer carries the id, also those that no route of ours made."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], (b"x-request-id", request_id(scope).encode("ascii"))]


async def tell_methods(message: Message, scope: Scope) -> None:
    """A `before_send` hook: Litestar answers OPTIONS with the methods of the first handler of a path, which may have several."""
    if message["type"] == "http.response.start" and scope.get("method") == "OPTIONS" and message["status"] == 204:
        routes = [route for route in scope["app"].routes if isinstance(route, HTTPRoute) and route.path_format == scope["path_template"]]
        methods = sorted({str(method) for route in routes for handler in route.route_handlers for method in handler.http_methods})
        kept = [(name, value) for name, value in message["headers"] if name.lower() != b"allow"]
        message["headers"] = [*kept, (b"allow", ", ".join(methods).encode("ascii"))]
