"""Door to the database: one engine per process, SQLite or PostgreSQL, and the two ways to use it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cache.errors import DatabaseAway
from cache.storage.straight import Straight, by_statement, immediately

# What `read` and `write` hand out: callers above pass it on to those who speak SQL, and need not know what it is.
Transaction = AsyncConnection
T = TypeVar("T")

_BUSY_TIMEOUT = 5000  # milliseconds that SQLite waits for another process's lock


# A machine that froze or vanished inside a transaction must not keep the others waiting for its locks.
_PATIENCE: dict[str, Any] = {
    "connect_timeout": 3,
    "options": "-c lock_timeout=15s -c idle_in_transaction_session_timeout=15s",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class Database:
    """`read` sees one snapshot per statement; `write` is one transaction, all or nothing.

    On SQLite writers are serialised twice: by the lock below inside this process (so that none polls for the file
    lock), and by BEGIN IMMEDIATE against other processes (a deferred transaction that turns to writing fails at once
    under WAL instead of waiting). Readers need neither: WAL shows them the last commit.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._writing = asyncio.Lock()
        # Submits and moves wait for each other in the database (rows.next_sequence), each on a connection. Some must be left
        # for those who only read, however many wait; so most wait here instead.
        self._writers = asyncio.Semaphore(pool_size // 2)
        if self.sqlite:
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_async_engine(self.url, pool_size=pool_size, max_overflow=0)
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            self._straight, self._looking = Straight(self._open_sqlite, immediately), Straight(self._open_sqlite, by_statement)
        else:
            self._engine = create_async_engine(
                self.url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=5, pool_pre_ping=True,
                connect_args=_PATIENCE,
            )  # fmt: skip
            self._straight, self._looking = Straight(self._open_postgres, by_statement), Straight(self._open_postgres, by_statement)

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _away_told():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Commits when the block ends, rolls back when it raises."""
        with _away_told():
            if not self.sqlite:
                async with self._writers, self._engine.begin() as connection:
                    yield connection
                return
            async with self._writing, self._engine.connect() as connection:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    await asyncio.shield(_roll_back(connection))
                    raise
                await connection.exec_driver_sql("COMMIT")

    async def transact(self, work: Callable[[Any], T]) -> T:
        """`work` on a connection of the driver itself, for what is done thousands of times a second.

        On SQLite it is one transaction. On PostgreSQL every statement is one, so there `work` sends exactly one.
        """
        with _away_told():
            if not self.sqlite:
                return await self._straight.run(work)
            async with self._writing:
                return await self._straight.run(work)

    async def look(self, work: Callable[[Any], T]) -> T:
        """As `transact`, for what only reads: it waits for no writer, and every statement sees a snapshot of its own."""
        with _away_told():
            return await self._looking.run(work)

    def _open_sqlite(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self.url.database), check_same_thread=False)
        _prepare_sqlite(connection, None)
        return connection

    def _open_postgres(self) -> psycopg.Connection[Any]:
        where = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(where, autocommit=True, prepare_threshold=0, **_PATIENCE)

    @asynccontextmanager
    async def alone(self, lock: int) -> AsyncIterator[bool]:
        """True in at most one process at a time, for what one should do for all; False elsewhere, at once."""
        if self.sqlite:
            yield True
            return
        async with self.read() as connection:
            # The transaction's lock: it goes with the connection, however that ends. Its holder may be at it for long.
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            yield bool((await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock})).scalar_one())

    async def truncate_log(self) -> bool:
        """Brings SQLite's log into the database and empties it; False where a reader kept it from that."""
        if not self.sqlite:
            return True
        with _away_told():
            async with self._writing, self._engine.connect() as connection:
                # Writers wait meanwhile, so a reader in the way is not waited for long: there will be another time.
                await connection.exec_driver_sql("PRAGMA busy_timeout=100")
                try:
                    busy, *_ = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()
                finally:
                    await connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")
        return not busy

    async def close(self) -> None:
        await self._straight.close()
        await self._looking.close()
        await self._engine.dispose()


# As SQLAlchemy tells it, and as the drivers do.
_AWAY = (OperationalError, InterfaceError, sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)


async def _roll_back(connection: AsyncConnection) -> None:
    """Whoever is cancelled in the middle of a statement leaves a connection that is closed, and its transaction with it."""
    with suppress(SQLAlchemyError):
        await connection.exec_driver_sql("ROLLBACK")


@contextmanager
def _away_told() -> Iterator[None]:
    """Turns the driver's "I cannot reach it" into our fact; errors of our own statements stay what they are."""
    try:
        yield
    except (*_AWAY, PoolTimeout, ConnectionError) as error:
        raise DatabaseAway("the database does not answer") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseAway("the database does not answer") from error
        raise


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Autocommit mode of the driver: our own BEGIN IMMEDIATE is the only transaction there is.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={_BUSY_TIMEOUT}", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
