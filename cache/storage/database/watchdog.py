"""The watchdog of a PostgreSQL that falls silent: frozen behind a live kernel, it takes what it is sent and answers nothing, which no
time limit of TCP sees. Whoever waits for it is told that it is away.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import psycopg
import structlog
from psycopg.pq import TransactionStatus

log = structlog.get_logger(__name__)

AnyConnection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]
_TRY = 5  # seconds that a new connection may take


class Watchdog:
    """Ends the connections whose statement waits for an answer at two looks in a row while the server answers no new connection either.
    A statement that merely takes long is left alone.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connections: WeakSet[AnyConnection] = WeakSet()
        self._before: WeakSet[AnyConnection] = WeakSet()

    def add(self, connection: AnyConnection) -> None:
        self._connections.add(connection)

    async def look(self) -> int:
        """Looks once; the number of connections ended. Takes up to five seconds."""
        waiting = [one for one in list(self._connections) if not one.closed and one.pgconn.transaction_status == TransactionStatus.ACTIVE]
        if not waiting or await self._answers():
            self._before.clear()
            return 0
        silent = [one for one in waiting if one in self._before]
        for one in silent:
            _end(one)
        if silent:
            log.warning("the database answers nothing; what waited for it was ended", connections=len(silent))
        self._before = WeakSet(waiting)
        return len(silent)

    async def _answers(self) -> bool:
        """True if the server says anything to a new connection, if only that it takes none."""
        try:
            tried = await psycopg.AsyncConnection.connect(self._conninfo, connect_timeout=_TRY)
        except psycopg.errors.ConnectionTimeout:
            return False
        except psycopg.Error:
            return True
        await tried.close()
        return True


def _end(connection: AnyConnection) -> None:
    """Ends it below the driver: a thread or task that waits in it wakes with an error. The driver's own `close` would wait, too."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as end:
        end.shutdown(socket.SHUT_RDWR)
