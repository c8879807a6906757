"""The door to the database: one engine per process, SQLite or PostgreSQL, and the ways to use it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cache.errors import DatabaseReadOnly, RepriseError, Unavailable
from cache.storage.database.causes import cause_of, fact_of, is_read_only
from cache.storage.database.driver import DriverConnection, by_statement, immediately
from cache.storage.database.locks import Lock
from cache.storage.database.watchdog import Watchdog
from cache.supervision import Supervisor

# What `read` and `write` give out: callers pass it on to the code that speaks SQL, and need not know what it is.
Transaction = AsyncConnection
T = TypeVar("T")

log = structlog.get_logger(__name__)

_LOOK = 5.0  # seconds between two looks of the watchdog
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
    """The database. `read` sees one snapshot per statement; `write` is one transaction, all or nothing. Both raise DatabaseAway.

    On SQLite writers are serialised twice: by the lock below inside this process (so that none polls for the file
    lock), and by BEGIN IMMEDIATE against other processes (a deferred transaction that turns to writing fails at once
    under WAL instead of waiting). Readers need neither: WAL shows them the last commit.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.trouble: str | None = None  # the driver's own words, while it is away
        self._stale = False
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._writing = asyncio.Lock()
        # Submits and job changes wait for each other in the database (rows.next_sequence), each on a connection. Some must be left
        # for readers, however many wait; so most wait here instead.
        self._writers = asyncio.Semaphore(pool_size // 2)
        self._watchdog = None if self.sqlite else Watchdog(self._conninfo)
        if self.sqlite:
            if self.url.database:
                _make_folder(Path(self.url.database).parent)
            self._engine = create_async_engine(self.url, pool_size=pool_size, max_overflow=0)
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            self._driver, self._looking = (
                DriverConnection(self._open_sqlite, immediately),
                DriverConnection(self._open_sqlite, by_statement),
            )
        else:
            self._engine = create_async_engine(
                self.url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=5, pool_pre_ping=True,
                connect_args=_PATIENCE,
            )  # fmt: skip
            event.listen(self._engine.sync_engine, "connect", self._watch)
            self._driver, self._looking = (
                DriverConnection(self._open_postgres, by_statement),
                DriverConnection(self._open_postgres, by_statement),
            )

    def start(self, supervisor: Supervisor) -> None:
        """Nothing waits for a server that has fallen silent, from now on."""
        if self._watchdog is not None:
            supervisor.every(_LOOK, "database watchdog", self._watchdog.look)

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with self._away_told():
            await self._leave_stale()
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits when the block ends and rolls back when it raises."""
        with self._away_told():
            await self._leave_stale()
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
        """Runs `work` on a connection of the driver itself, for statements that run thousands of times a second.

        On SQLite it is one transaction. On PostgreSQL every statement is one, so `work` must send exactly one there.
        """
        with self._away_told():
            if not self.sqlite:
                return await self._driver.run(work)
            async with self._writing:
                return await self._driver.run(work)

    async def look(self, work: Callable[[Any], T]) -> T:
        """Like `transact`, for reading only: it waits for no writer, and every statement sees its own snapshot."""
        with self._away_told():
            return await self._looking.run(work)

    def _open_sqlite(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self.url.database), check_same_thread=False)
        _prepare_sqlite(connection, None)
        return connection

    def _open_postgres(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=0, **_PATIENCE)
        assert self._watchdog is not None, "made for every PostgreSQL"
        self._watchdog.add(connection)
        return connection

    @property
    def _conninfo(self) -> str:
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def _watch(self, connection: Any, _record: object) -> None:
        assert self._watchdog is not None, "made for every PostgreSQL"
        self._watchdog.add(connection.driver_connection)

    @asynccontextmanager
    async def alone(self, lock: Lock) -> AsyncIterator[bool]:
        """An advisory lock: True in at most one process at a time, for work that one does for all; False elsewhere, at once."""
        if self.sqlite:
            yield True
            return
        async with self.read() as connection:
            # The lock belongs to the transaction: it ends with the connection, however that ends. It may be held for long.
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            yield bool((await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock})).scalar_one())

    async def truncate_log(self) -> bool:
        """Writes SQLite's log into the database and empties it; False if a reader prevented that."""
        if not self.sqlite:
            return True
        with self._away_told():
            async with self._writing, self._engine.connect() as connection:
                # Writers wait meanwhile, so this does not wait long for a reader in the way: there will be another time.
                await connection.exec_driver_sql("PRAGMA busy_timeout=100")
                try:
                    busy, *_ = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()
                finally:
                    await connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")
        return not busy

    async def read_only(self) -> bool:
        """True if it answers and would take no write."""
        async with self.read() as connection:
            return not self.sqlite and (await connection.exec_driver_sql("SHOW transaction_read_only")).scalar_one() == "on"

    async def _leave_stale(self) -> None:
        """After a failover the connections that are held lead to the server that was put aside."""
        if self._stale:
            self._stale = False
            await self._engine.dispose()

    @contextmanager
    def _away_told(self) -> Iterator[None]:
        """Turns the driver's "I cannot reach it" into our fact; errors of our own statements stay what they are. The driver's own
        words are logged once until it answers again or says something else.
        """
        try:
            yield
        except (*_AWAY, PoolTimeout, ConnectionError) as error:
            raise self._away(error) from error
        except (DBAPIError, psycopg.Error) as error:
            if getattr(error, "connection_invalidated", False) or is_read_only(error):
                raise self._away(error) from error
            raise
        except RepriseError:
            raise
        else:
            if self.trouble is not None:
                log.info("the database answers again", was=self.trouble)
                self.trouble = None

    def _away(self, error: BaseException) -> Unavailable:
        fact, cause = fact_of(error), cause_of(error, self.url.password)
        if cause != self.trouble and not isinstance(error, ConnectionError):  # that one waited for a try that failed, and was told
            log.warning("database trouble", fact=fact.code, cause=cause, host=self.url.host or self.url.database)
            self.trouble = cause
        self._stale = self._stale or (not self.sqlite and isinstance(fact, DatabaseReadOnly))
        fact.cause = cause
        return fact

    async def close(self) -> None:
        await self._driver.close()
        await self._looking.close()
        await self._engine.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"the folder {folder.absolute()} cannot be made: {error.strerror}") from error


# The errors of SQLAlchemy, and of the drivers.
_AWAY = (OperationalError, InterfaceError, sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)


async def _roll_back(connection: AsyncConnection) -> None:
    """Rolls back. A task cancelled in the middle of a statement leaves a closed connection, and its transaction ended with it."""
    with suppress(SQLAlchemyError):
        await connection.exec_driver_sql("ROLLBACK")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Autocommit mode of the driver: our own BEGIN IMMEDIATE is the only transaction there is.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")
    _write_ahead(cursor)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Turns the write-ahead log on. Of several that do so with a new file SQLite lets one, and tells the others that it is locked."""
    until = time.monotonic() + _BUSY_TIMEOUT / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(0.01)
