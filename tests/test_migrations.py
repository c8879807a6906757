"""The migrations make the tables that cache/storage/tables says, on every database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from cache.storage.database.database import Database
from migrations.upgrade import check, migrate, newest
from tests.servers.postgres import shared_postgres


@pytest.fixture(params=["postgresql", "sqlite"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'reprise.db'}"
        return
    name = f"empty_{secrets.token_hex(8)}"
    yield await asyncio.to_thread(shared_postgres().create, name)
    await asyncio.to_thread(shared_postgres().drop, name)


def _named(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def _tables(database: Database) -> set[str]:
    async with database.read() as connection:
        return await connection.run_sync(_named)


async def test_an_empty_database_becomes_ours(empty: str) -> None:
    database = Database(empty)
    await migrate(database)
    await check(database)
    full = await _tables(database)
    assert {"clips", "jobs", "requests", "models"} <= full
    assert database.sqlite or "procrastinate_jobs" in full
    await migrate(database)
    assert await _tables(database) == full
    await database.close()


async def test_many_at_once(empty: str) -> None:
    databases = [Database(empty) for _ in range(8)]
    await asyncio.gather(*(migrate(database) for database in databases))
    async with databases[0].read() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all() == [newest()]
    for database in databases:
        await database.close()


def test_the_newest_is_what_alembic_takes_for_the_head() -> None:
    from alembic.script import ScriptDirectory

    from migrations.upgrade import _config

    assert ScriptDirectory.from_config(_config(None)).get_current_head() == newest()
