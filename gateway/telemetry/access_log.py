"""REPRISE_ACCESS_LOG: one line for each answered call."""

from __future__ import annotations

import time

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.reply import request_id
from gateway.telemetry.counts import route_of

log = structlog.get_logger(__name__)


class AccessLog:
    """Routes as they were declared, never paths: no id, no query and no address is written down."""

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"]["began"] = time.perf_counter()
            await app(scope, receive, send)

        return timed

    async def add_line(self, message: Message, scope: Scope) -> None:
        """A `before_send` hook; refusals of the gate and of the router pass here, too."""
        if message["type"] != "http.response.start":
            return
        began = scope["state"].get("began")
        took = None if began is None else round((time.perf_counter() - began) * 1000, 1)
        told = {"method": scope.get("method"), "route": route_of(scope), "status": message["status"], "ms": took}
        log.info("request answered", request_id=request_id(scope), **told)
