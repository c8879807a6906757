"""A PostgreSQL that is frozen behind a live kernel: who waits for it is told; a statement that merely takes long is left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from sqlalchemy import text

from cache.errors import Unavailable
from cache.storage.database import database as database_module
from cache.storage.database import watchdog
from cache.storage.database.database import Database
from cache.supervision import Supervisor
from tests.servers.postgres import Postgres

LOOK, TRY = 0.3, 2


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres().start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_LOOK", LOOK)
    monkeypatch.setattr(watchdog, "_TRY", TRY)


async def by_engine(database: Database) -> None:
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))


async def by_transaction(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("SELECT 1"))


async def by_driver(database: Database) -> None:
    await database.look(lambda driver: driver.execute("SELECT 1").fetchone())


@pytest.mark.parametrize("ask", [by_engine, by_transaction, by_driver])
async def test_who_waits_for_a_frozen_server_is_told(postgres: Postgres, ask: Callable[[Database], Awaitable[None]]) -> None:
    database, supervisor = Database(postgres.url()), Supervisor()
    database.start(supervisor)
    await ask(database)
    began = time.monotonic()
    with postgres.frozen(), pytest.raises(Unavailable):
        await asyncio.wait_for(ask(database), 30)
    assert time.monotonic() - began < 3 * (LOOK + TRY) + 10, "on a busy machine, too"
    until = time.monotonic() + 30
    while True:  # a new connection may have been begun while it was frozen
        try:
            await ask(database)
            break
        except Unavailable:
            assert time.monotonic() < until
    await supervisor.close()
    await database.close()


async def test_a_statement_may_take_long(postgres: Postgres) -> None:
    database, supervisor = Database(postgres.url()), Supervisor()
    database.start(supervisor)
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT 1 FROM pg_sleep(2)"))).scalar_one() == 1
    await supervisor.close()
    await database.close()
