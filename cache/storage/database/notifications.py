"""Notifications by PostgreSQL's LISTEN: commits of other processes, announced by triggers within milliseconds.

A notification only saves time. Code that must not miss a change also reads the rows, and treats a gap, in which nothing was heard, as a
reason to drop everything that it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import structlog
from sqlalchemy import URL

from cache.errors import DatabaseAway
from cache.storage.database.database import Database

log = structlog.get_logger(__name__)

_CHANNEL = "reprise"
_QUIET = 10.0  # seconds without one after which the connection is tested: a machine that vanished closes nothing


class Notifications:
    """The listener, with its own direct connection: a pooler in transaction mode would lose LISTEN.

    Callbacks run on the event loop and must return at once. `clip` and `job` get an id and its new state.
    """

    def __init__(self, url: URL) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._listeners: dict[str, list[Callable[[str, str], None]]] = {"clip": [], "job": [], "model": []}
        self._gaps: list[Callable[[], None]] = []

    def on(self, kind: str, listener: Callable[[str, str], None]) -> None:
        self._listeners[kind].append(listener)

    def on_gap(self, listener: Callable[[], None]) -> None:
        """Registers a callback for every (re)start of listening: earlier notifications were not heard."""
        self._gaps.append(listener)

    async def run(self) -> None:
        """Listens until cancelled. Raises DatabaseAway if the connection is lost or cannot be opened."""
        try:
            await self._listen()
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise DatabaseAway(f"no notifications from the database: {type(error).__name__}") from error

    async def _listen(self) -> None:
        connecting = psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=3)
        async with await connecting as connection:
            await connection.execute(f"LISTEN {_CHANNEL}")
            for gap in self._gaps:
                gap()
            while True:
                async for notification in connection.notifies(timeout=_QUIET):
                    self._hear(notification.payload)
                async with asyncio.timeout(3):
                    await connection.execute("SELECT 1")

    def _hear(self, payload: str) -> None:
        kind, named, state = (*payload.split(" "), "", "")[:3]
        for listener in self._listeners.get(kind, ()):
            try:
                listener(named, state)
            except Exception:
                log.exception("notification handler failed", kind=kind)


def open_notifications(database: Database) -> Notifications | None:
    """The notifications of the database; None for SQLite, which only one process uses."""
    return None if database.sqlite else Notifications(database.url)
