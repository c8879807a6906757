"""Databases for tests: one fixture, `database`, that every contract suite runs on. A new backend is one more row here."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from cache.storage.database import Database
from migrations.upgrade import migrate


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


DATABASES: dict[str, Callable[[Path], AbstractAsyncContextManager[Database]]] = {"sqlite": open_sqlite}


@pytest.fixture(params=sorted(DATABASES))
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with DATABASES[request.param](tmp_path) as opened:
        yield opened
