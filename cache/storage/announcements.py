"""Which models workers have loaded: how a gateway without a model's files knows what can be made, and by which revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cache.catalog import ModelRow, ServedModel
from cache.storage.database import Database
from cache.storage.tables import models, now


class Announcements:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, served: ServedModel, device: str) -> None:
        """Once, when a worker has loaded it. From then on it is the newest."""
        insert = sqlite.insert if self._database.sqlite else postgresql.insert
        news = {"row": asdict(served.row), "device": device[:120], "announced_at": now(), "seen_at": now()}
        statement = insert(models).values(name=served.name, revision=served.revision, renderer=served.renderer, **news)
        async with self._database.write() as connection:
            await connection.execute(statement.on_conflict_do_update(index_elements=["name", "revision", "renderer"], set_=news))

    async def seen(self, served: ServedModel) -> None:
        """A sign of life, now and then."""
        ours = (models.c.name == served.name, models.c.revision == served.revision, models.c.renderer == served.renderer)
        async with self._database.write() as connection:
            await connection.execute(update(models).where(*ours).values(seen_at=now()))

    async def newest(self, revision: str = "") -> ServedModel | None:
        """The last one announced; with `revision` that one or none. Known for good: its workers may be away for a while."""
        query = select(models).order_by(models.c.announced_at.desc()).limit(1)
        async with self._database.read() as connection:
            row = (await connection.execute(query.where(models.c.revision == revision) if revision else query)).one_or_none()
        return None if row is None else ServedModel(_row_of(row.row), row.revision, row.renderer)

    async def alive(self, served: ServedModel, within: float) -> bool:
        """Whether a worker that has it gave a sign of life in the last `within` seconds."""
        query = select(models.c.name).where(models.c.revision == served.revision, models.c.seen_at > now() - literal(within))
        async with self._database.read() as connection:
            return (await connection.execute(query.limit(1))).first() is not None


def _row_of(fields: Mapping[str, Any]) -> ModelRow:
    sizes = tuple((int(width), int(height)) for width, height in fields["sizes"])
    return ModelRow(**{**fields, "sizes": sizes})
