"""Door to LISTEN: what other processes commit on PostgreSQL, told within milliseconds. Triggers of the database tell it.

News only hurry. Whoever needs to know everything reads the rows too, and takes a gap, in which nothing was heard, as a
reason to doubt all that it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import structlog
from sqlalchemy import URL

from cache.storage.database import Database

log = structlog.get_logger(__name__)

_CHANNEL = "reprise"
_AGAIN = 1.0  # seconds between tries to connect
_QUIET = 10.0  # seconds without news after which the connection is tried: a machine that is gone sends no goodbye


class News:
    """One connection of its own, direct to the server: a pooler that hands connections out by transaction loses LISTEN.

    Listeners run on the event loop and return at once. `clip` and `job` get an id and the state that it now has.
    """

    def __init__(self, url: URL) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._listeners: dict[str, list[Callable[[str, str], None]]] = {"clip": [], "job": [], "model": []}
        self._gaps: list[Callable[[], None]] = []

    def on(self, kind: str, listener: Callable[[str, str], None]) -> None:
        self._listeners[kind].append(listener)

    def on_gap(self, listener: Callable[[], None]) -> None:
        """Called whenever listening begins (again): what came before was not heard."""
        self._gaps.append(listener)

    async def run(self) -> None:
        """Until cancelled."""
        heard = True
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                if heard:
                    log.warning("no news from the database", reason=type(error).__name__)
                heard = False
            await asyncio.sleep(_AGAIN)

    async def _listen(self) -> None:
        connecting = psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=3)
        async with await connecting as connection:
            await connection.execute(f"LISTEN {_CHANNEL}")
            for gap in self._gaps:
                gap()
            while True:
                async for news in connection.notifies(timeout=_QUIET):
                    self._tell(news.payload)
                async with asyncio.timeout(3):
                    await connection.execute("SELECT 1")

    def _tell(self, payload: str) -> None:
        kind, named, state = (*payload.split(" "), "", "")[:3]
        for listener in self._listeners.get(kind, ()):
            try:
                listener(named, state)
            except Exception:
                log.exception("news were lost", kind=kind)


def open_news(database: Database) -> News | None:
    """None where one process is all there is."""
    return None if database.sqlite else News(database.url)
