"""The health routes: `/health/live` for the process, `/health/ready` for each part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Method

from cache.errors import RepriseError
from gateway.auth.access import PUBLIC
from gateway.http.reply import Reply
from gateway.http.server_shapes import Liveness, PartState, Readiness
from gateway.http.wire import encode_json

PATIENCE = 2.0  # seconds that one part has to say how it is

_READ: list[Method] = ["GET", "HEAD"]


@dataclass(frozen=True)
class HealthPart:
    """A part of the instance. `check` returns, or raises the RepriseError that says what is away.

    Without a `needed` part no new request is served, and `ready` is 503. The others may become ready later: exact hits
    are served before the encoder is loaded, and a miss is queued before the model is. `how`: how it works here, for people.
    """

    check: Callable[[], Awaitable[None]]
    needed: bool
    how: Callable[[], str | None] = lambda: None


class Health:
    def __init__(self, parts: Mapping[str, HealthPart]) -> None:
        self._parts = dict(parts)

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/health/live", http_method=_READ, status_code=200, opt=PUBLIC)(self.live),
            route("/health/ready", http_method=_READ, status_code=200, opt=PUBLIC)(self.ready),
        ]

    async def live(self, request: Request[Any, Any, Any]) -> Reply:
        return Reply(encode_json(Liveness("live")), headers=[_UNCACHED], head=request.method == "HEAD")

    async def look(self) -> dict[str, str | None]:
        """The error code of each part, None if it is ready; within `PATIENCE`."""
        notes = await asyncio.gather(*(_note(part) for part in self._parts.values()))
        return dict(zip(self._parts, notes, strict=True))

    async def told(self) -> tuple[bool, bytes]:
        """True if all that is needed is there, and the answer that says so."""
        notes = await self.look()
        told = {name: PartState(notes[name] is None, part.needed, notes[name], part.how()) for name, part in self._parts.items()}
        ready = all(notes[name] is None or not part.needed for name, part in self._parts.items())
        return ready, encode_json(Readiness("ready" if ready else "not_ready", told))

    async def ready(self, request: Request[Any, Any, Any]) -> Reply:
        ready, body = await self.told()
        return Reply(body, status=200 if ready else 503, headers=[_UNCACHED], head=request.method == "HEAD")


_UNCACHED = (b"cache-control", b"no-store")


async def _note(part: HealthPart) -> str | None:
    """The error code, None if ready. Not the message: anyone may call this, and messages contain host names."""
    try:
        async with asyncio.timeout(PATIENCE):
            await part.check()
    except RepriseError as error:
        return error.code
    except TimeoutError:
        return "no_answer"
    return None
