"""Databases for tests: one fixture, `database`, that every contract suite runs on. A new backend is one more row here."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from cache.storage.database.database import Database
from migrations.upgrade import migrate
from tests.servers.postgres import shared_postgres


@cache
def _migrated_sqlite() -> Path:
    """Migrated once; tests work on copies."""
    template = Path(mkdtemp(prefix="reprise-tests-")) / "template.db"

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{template}")
        await migrate(database)
        await database.close()

    asyncio.run(make())
    return template


@asynccontextmanager
async def open_sqlite(folder: Path) -> AsyncIterator[Database]:
    file = folder / "reprise.db"
    template = await asyncio.to_thread(_migrated_sqlite)
    await asyncio.to_thread(shutil.copy, template, file)
    database = Database(f"sqlite+aiosqlite:///{file}")
    try:
        yield database
    finally:
        await database.close()


@cache
def _migrated_postgres() -> str:
    """The name of a database that is migrated once; tests work on copies."""
    server = shared_postgres()

    async def make() -> None:
        database = Database(server.create("migrated"))
        await migrate(database)
        await database.close()

    asyncio.run(make())
    return "migrated"


@asynccontextmanager
async def postgres_url() -> AsyncIterator[str]:
    """A migrated database of its own, dropped at the end."""
    template = await asyncio.to_thread(_migrated_postgres)
    name = f"test_{secrets.token_hex(8)}"
    url = await asyncio.to_thread(shared_postgres().create, name, template)
    try:
        yield url
    finally:
        await asyncio.to_thread(shared_postgres().drop, name)


@asynccontextmanager
async def open_postgres(_folder: Path) -> AsyncIterator[Database]:
    async with postgres_url() as url:
        database = Database(url)
        try:
            yield database
        finally:
            await database.close()


DATABASES: dict[str, Callable[[Path], AbstractAsyncContextManager[Database]]] = {
    "postgresql": open_postgres,
    "sqlite": open_sqlite,
}


@pytest.fixture(params=sorted(DATABASES))
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with DATABASES[request.param](tmp_path) as opened:
        yield opened
