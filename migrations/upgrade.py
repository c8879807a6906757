"""Bring a database to the newest revision; safe to run by many processes at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from cache.storage.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x52455052  # "REPR": the advisory lock that migrating processes of one PostgreSQL database take


# Alembic is imported where it is needed: most starts find the newest tables, and a third of a second counts there.


def _config(connection: Connection | None) -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """Revisions are numbered, so the last file is the newest one."""
    return max(file.name for file in (Path(__file__).parent / "versions").glob("[0-9]*.py")).partition("_")[0]


async def migrate(database: Database, revision: str = "head") -> None:
    """One transaction: on SQLite under BEGIN IMMEDIATE, on PostgreSQL under an advisory lock. The second comer finds nothing to do."""
    if revision == "head" and await _current(database) == newest():
        return
    from alembic import command  # noqa: PLC0415

    async with database.write() as connection:
        if not database.sqlite:
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))


async def _current(database: Database) -> str | None:
    """The revision that the tables are at; None before the first."""
    async with database.read() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        found: str | None = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
        return found


async def unmigrate(database: Database, revision: str = "base") -> None:
    from alembic import command  # noqa: PLC0415

    async with database.write() as connection:
        await connection.run_sync(lambda sync: command.downgrade(_config(sync), revision))


async def check(database: Database) -> None:
    """Raises where the tables and `cache.storage.tables` disagree."""
    from alembic import command  # noqa: PLC0415

    async with database.read() as connection:
        await connection.run_sync(lambda sync: command.check(_config(sync)))
