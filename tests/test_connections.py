"""How many connections to PostgreSQL a process takes at most, as docs/operations.md states it for whoever sets `max_connections`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

from cache.errors import DatabaseAway
from cache.storage.database.database import Database
from cache.storage.database.notifications import Notifications
from cache.storage.database.watchdog import Watchdog
from generator.queue.procrastinate_dispatch import ProcrastinateDispatch
from tests.databases import postgres_url

DOCS = Path(__file__).parent.parent / "docs"
CROWD = 60  # more than one process has connections for


def stated(who: str) -> int:
    (found,) = re.findall(rf"^\| {who} \| (\d+) \|", (DOCS / "operations.md").read_text(), re.M)
    return int(found)


def connections(url: str) -> int:
    """Of clients to this database, less those that ask."""
    with psycopg.connect(url.replace("+psycopg", ""), application_name="counts") as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' "
            "AND application_name <> 'counts'"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def crowded(database: Database, url: str, most: int, *more: Coroutine[Any, Any, object]) -> int:
    """Connections while more ask than there are, each for as long as this looks: until there are `most`, and a second longer. One that
    was closed a moment ago counts for as long as its server process lives, so more than `most` are believed if they stay.
    """
    looked = asyncio.Event()

    async def reading() -> None:
        with suppress(DatabaseAway):
            async with database.read() as connection:
                await connection.execute(text("SELECT 1"))
                await looked.wait()

    async def watching() -> None:
        while not looked.is_set():
            await Watchdog(url.replace("+psycopg", ""))._answers()

    asked: list[asyncio.Task[Any]] = [asyncio.create_task(watching())]
    asked += [asyncio.create_task(reading()) for _ in range(CROWD)]
    asked += [asyncio.create_task(work(lambda driver: driver.execute("SELECT 1"))) for work in (database.transact, database.look)]
    asked += [asyncio.create_task(one) for one in more]
    found = 0
    async with asyncio.timeout(60):
        while found < most:
            found = max(found, await asyncio.to_thread(connections, url))
    later = []
    for _ in range(4):
        await asyncio.sleep(0.3)
        later.append(await asyncio.to_thread(connections, url))
    looked.set()
    await asyncio.gather(*asked, return_exceptions=True)
    return max(most, min(later))


async def test_a_gateway_takes_no_more_than_is_stated() -> None:
    async with postgres_url() as url:
        database = Database(url)
        listening = asyncio.create_task(Notifications(database.url).run())
        try:
            assert await crowded(database, url, stated("gateway")) == stated("gateway")
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await database.close()


async def test_a_worker_takes_no_more_than_is_stated() -> None:
    async with postgres_url() as url:
        database = Database(url)
        dispatch = ProcrastinateDispatch(database.url)
        serving = asyncio.create_task(dispatch.serve("revision-1"))
        try:
            async with asyncio.timeout(60):
                while await asyncio.to_thread(connections, url) < 2:  # it fetches, and listens
                    await asyncio.wait([serving], timeout=0.05)
            tickets = dispatch._app.connector
            fetching = [tickets.execute_query_all_async("SELECT pg_sleep(2)") for _ in range(6)]
            assert await crowded(database, url, stated("worker"), *fetching) == stated("worker")
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await database.close()
