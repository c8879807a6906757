"""The upgrade of a database to the newest revision; several processes may run it at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from cache.storage.database.database import Database
from cache.storage.database.locks import Lock

if TYPE_CHECKING:
    from alembic.config import Config


# Alembic is imported only when needed: most starts find the newest tables, and it takes a third of a second.


def _config(connection: Connection | None) -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The newest revision: the last file, since revisions are numbered."""
    return max(file.name for file in (Path(__file__).parent / "versions").glob("[0-9]*.py")).partition("_")[0]


async def migrate(database: Database, revision: str = "head") -> None:
    """Migrates in one transaction: under BEGIN IMMEDIATE on SQLite, an advisory lock on PostgreSQL. A second process has nothing to do."""
    if revision == "head" and await _current(database) == newest():
        return
    from alembic import command  # noqa: PLC0415

    async with database.write() as connection:
        if not database.sqlite:
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.MIGRATION})
        await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))


async def _current(database: Database) -> str | None:
    """The revision of the tables; None before the first."""
    async with database.read() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        found: str | None = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
        return found


async def check(database: Database) -> None:
    """Raises if the tables and `cache.storage.tables` differ."""
    from alembic import command  # noqa: PLC0415

    async with database.read() as connection:
        await connection.run_sync(lambda sync: command.check(_config(sync)))
