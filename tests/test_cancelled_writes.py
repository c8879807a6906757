"""A write that is cancelled, wherever it is, is cancelled: nothing else is raised, and the next write finds a good connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from cache.storage.database.database import Database


async def test_a_cancel_in_the_middle_of_a_statement(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'rows.sqlite'}")
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE rows (number INTEGER)"))

    async def busy() -> None:
        async with database.write() as connection:
            for number in range(1000):
                await connection.execute(text("INSERT INTO rows VALUES (:number)"), {"number": number})

    try:
        for pause in range(40):
            task = asyncio.create_task(busy())
            await asyncio.sleep(pause * 0.0007)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with database.read() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM rows"))).scalar_one() == 0
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO rows VALUES (1)"))
    finally:
        await database.close()
