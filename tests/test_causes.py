"""What an error of a driver means, in its own words and without a password; told once per change of state, and over when it is over."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from structlog.testing import capture_logs

from cache.errors import DatabaseAway, DatabaseReadOnly, DiskFull
from cache.storage.database.causes import cause_of, fact_of
from cache.storage.database.database import Database
from tests.databases import postgres_url


def full_sqlite() -> sqlite3.OperationalError:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count=3")
    connection.execute("CREATE TABLE rows (words)")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("INSERT INTO rows VALUES (?)", ("a" * 100_000,))
    return caught.value


def test_what_an_error_is() -> None:
    assert isinstance(fact_of(full_sqlite()), DiskFull)
    assert isinstance(fact_of(psycopg.errors.DiskFull("no space left")), DiskFull)
    assert isinstance(fact_of(psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT")), DatabaseReadOnly)
    assert type(fact_of(psycopg.OperationalError("connection refused"))) is DatabaseAway


def test_a_cause_is_one_line_without_the_password() -> None:
    error = psycopg.OperationalError('connection to "db" failed: no password hunter22 here\nMultiple attempts failed')
    assert cause_of(error, "hunter22") == 'OperationalError: connection to "db" failed: no password *** here'


async def test_the_cause_is_told_once_and_so_is_its_end() -> None:
    async with postgres_url() as url:
        good = Database(url)
        wrong = Database(good.url.set(database="there-is-no-such").render_as_string(hide_password=False))
        try:
            with capture_logs() as lines:
                for _ in range(3):
                    with pytest.raises(DatabaseAway) as caught:
                        async with wrong.read():
                            pass
            assert [line["event"] for line in lines] == ["database trouble"]
            assert "there-is-no-such" in lines[0]["cause"]
            assert caught.value.cause == lines[0]["cause"]
            assert caught.value.message == "the database does not answer", "clients are told no more"
            wrong.trouble, good.trouble = None, lines[0]["cause"]
            with capture_logs() as lines:
                async with good.read():
                    pass
            assert [line["event"] for line in lines] == ["the database answers again"]
        finally:
            await good.close()
            await wrong.close()


async def test_a_read_only_postgres_is_said_and_left_behind() -> None:
    """What a demoted primary says, 25006: a fact of ours, on every connection anew, and writes go on once it is over."""
    async with postgres_url() as url:
        database = Database(url)
        try:
            async with database.read() as connection:
                name = (await connection.exec_driver_sql("SELECT current_database()")).scalar_one()
            assert not await database.read_only()
            for state in ("on", "off"):
                async with database.engine.connect() as connection:
                    free = await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await free.exec_driver_sql("SET default_transaction_read_only = off")
                    await free.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {state}')
                await database.engine.dispose()
                assert await database.read_only() is (state == "on")
                if state == "on":
                    with pytest.raises(DatabaseReadOnly):
                        async with database.write() as connection:
                            await connection.exec_driver_sql("CREATE TABLE planted (words TEXT)")
            async with database.write() as connection:
                await connection.exec_driver_sql("CREATE TABLE planted (words TEXT)")
            assert database.trouble is None
        finally:
            await database.close()
