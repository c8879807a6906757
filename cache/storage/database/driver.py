"""A raw driver connection, for statements that run thousands of times a second, where SQLAlchemy costs too much."""

from __future__ import annotations

import asyncio
import select
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")

Driver = Any  # a sqlite3.Connection or a psycopg.Connection; their SQL differs
Work = Callable[[Driver], T]


class DriverConnection:
    """A connection of the driver, opened at first use. `run` does one piece of work at a time, in its own thread, as one transaction.

    After a database error the next work gets a new connection. Work is never tried twice, because it is unknown whether the
    first attempt was committed. If no connection can be opened, all work that waited for that attempt fails with it
    (ConnectionError); otherwise each would wait for an attempt of its own.
    """

    def __init__(self, connect: Callable[[], Driver], transaction: Callable[[Driver, Work[Any]], Any]) -> None:
        self._connect, self._transaction = connect, transaction
        self._connection: Driver = None
        self._refused = 0.0  # when opening a connection last failed, by the monotonic clock
        self._thread = ThreadPoolExecutor(1, "driver")

    async def run(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work, time.monotonic())

    def _run(self, work: Work[T], asked: float) -> T:
        if self._connection is None or _lost(self._connection):
            self._drop()
            self._open(asked)
        try:
            done: T = self._transaction(self._connection, work)
        except (sqlite3.Error, psycopg.Error):
            self._drop()
            raise
        return done

    def _open(self, asked: float) -> None:
        if asked < self._refused:
            raise ConnectionError("no database connection became free in time")
        try:
            self._connection = self._connect()
        except (sqlite3.Error, psycopg.Error):
            self._refused = time.monotonic()
            raise

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def close(self) -> None:
        """Closes the connection after the work queued before."""
        await asyncio.to_thread(self._thread.shutdown)
        self._drop()


def immediately(connection: sqlite3.Connection, work: Work[T]) -> T:
    """Runs `work` in a transaction of SQLite that may write from its start; see Database."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = work(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return done


def by_statement(connection: sqlite3.Connection | psycopg.Connection[Any], work: Work[T]) -> T:
    """Runs `work` with each statement committed separately: a single write waits for the server once instead of three times."""
    return work(connection)


def _lost(connection: sqlite3.Connection | psycopg.Connection[Any]) -> bool:
    """True if the server closed the connection since the last work: then there is something to read although nothing was sent."""
    if isinstance(connection, sqlite3.Connection):
        return False
    if connection.closed:
        return True
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
