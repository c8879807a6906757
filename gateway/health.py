"""`/health/live`: the process answers. `/health/ready`: whether each part does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Method

from cache.errors import RepriseError
from gateway.entry.access import PUBLIC
from gateway.http.reply import Reply
from gateway.http.shapes import Liveness, PartState, Readiness
from gateway.http.wire import encode

PATIENCE = 2.0  # seconds that one part has to say how it is

_READ: list[Method] = ["GET", "HEAD"]


@dataclass(frozen=True)
class Part:
    """`check` returns, or raises the RepriseError that says what is away.

    Without a `needed` part the gateway serves nothing new, and `ready` is 503. The others may come later: exact hits
    are served before the encoder is loaded, and a miss is queued before the model is.
    """

    check: Callable[[], Awaitable[None]]
    needed: bool


class Health:
    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = dict(parts)

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/health/live", http_method=_READ, status_code=200, opt=PUBLIC)(self.live),
            route("/health/ready", http_method=_READ, status_code=200, opt=PUBLIC)(self.ready),
        ]

    async def live(self, request: Request[Any, Any, Any]) -> Reply:
        return Reply(encode(Liveness("live")), headers=[_UNCACHED], head=request.method == "HEAD")

    async def look(self) -> dict[str, str | None]:
        """Of each part the code of what is wrong, None where all is well; within `PATIENCE`."""
        notes = await asyncio.gather(*(_note(part) for part in self._parts.values()))
        return dict(zip(self._parts, notes, strict=True))

    async def ready(self, request: Request[Any, Any, Any]) -> Reply:
        notes = await self.look()
        told = {name: PartState(notes[name] is None, part.needed, notes[name]) for name, part in self._parts.items()}
        ready = all(notes[name] is None or not part.needed for name, part in self._parts.items())
        body = encode(Readiness("ready" if ready else "not_ready", told))
        return Reply(body, status=200 if ready else 503, headers=[_UNCACHED], head=request.method == "HEAD")


_UNCACHED = (b"cache-control", b"no-store")


async def _note(part: Part) -> str | None:
    """None where all is well. The code of the fact, not its message: anyone may ask, and messages name hosts."""
    try:
        async with asyncio.timeout(PATIENCE):
            await part.check()
    except RepriseError as error:
        return error.code
    except TimeoutError:
        return "no_answer"
    return None
