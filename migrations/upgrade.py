"""Bring a database to the newest revision; safe to run by many processes at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from cache.storage.database import Database

_LOCK = 0x52455052  # "REPR": the advisory lock that migrating processes of one PostgreSQL database take


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert head is not None, "there is at least one revision"
    return head


async def migrate(database: Database, revision: str = "head") -> None:
    """One transaction: on SQLite under BEGIN IMMEDIATE, on PostgreSQL under an advisory lock. The second comer finds nothing to do."""
    async with database.write() as connection:
        if not database.sqlite:
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))


async def unmigrate(database: Database, revision: str = "base") -> None:
    async with database.write() as connection:
        await connection.run_sync(lambda sync: command.downgrade(_config(sync), revision))


async def check(database: Database) -> None:
    """Raises where the tables and `cache.storage.tables` disagree."""
    async with database.read() as connection:
        await connection.run_sync(lambda sync: command.check(_config(sync)))
