"""Straight to the driver: one connection for what is done thousands of times a second, where SQLAlchemy takes longer than the database."""

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

Driver = Any  # a sqlite3.Connection or a psycopg.Connection: what is sent to it differs
Work = Callable[[Driver], T]


class Straight:
    """`run` does one piece of work at a time, in a thread of its own, as one transaction. It is opened at first use.

    After an error of the database the next work begins on a new connection. Work is never tried twice: whether the
    first try was committed is not known. Where no connection can be had, all that waited for that try fail with it
    (ConnectionError), or each would wait for a try of its own.
    """

    def __init__(self, connect: Callable[[], Driver], transaction: Callable[[Driver, Work[Any]], Any]) -> None:
        self._connect, self._transaction = connect, transaction
        self._connection: Driver = None
        self._refused = 0.0  # when a connection was last asked for in vain, by the monotonic clock
        self._thread = ThreadPoolExecutor(1, "straight")

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
            raise ConnectionError("no connection was to be had while this waited")
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
        """After the work that was given before."""
        await asyncio.to_thread(self._thread.shutdown)
        self._drop()


def immediately(connection: sqlite3.Connection, work: Work[T]) -> T:
    """A transaction of SQLite that may write from its start; see Database."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = work(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return done


def by_statement(connection: sqlite3.Connection | psycopg.Connection[Any], work: Work[T]) -> T:
    """Each statement by itself. Where one writes, `work` sends one, and waits for the server once instead of three times."""
    return work(connection)


def _lost(connection: sqlite3.Connection | psycopg.Connection[Any]) -> bool:
    """Whether the server hung up since the last work: then there is something to read, and nothing was asked."""
    if isinstance(connection, sqlite3.Connection):
        return False
    if connection.closed:
        return True
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
