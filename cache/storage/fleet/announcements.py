"""Announcements of models that workers have loaded: so a gateway without model files knows what can be rendered, by which revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import literal, select, update

from cache.catalog import ModelRow, ServedModel
from cache.storage.database.database import Database
from cache.storage.database.rows import upsert
from cache.storage.tables import models, now

_MOST = 1000  # announcements that are read, the newest first


@dataclass(frozen=True)
class Announced:
    """A model by its name, in the revision that misses are rendered with. `silent`: seconds since a worker with that revision gave a
    sign of life. `introduced_at`: when any revision of that name was announced for the first time, in Unix seconds.
    """

    model: ServedModel
    silent: float
    introduced_at: float


class Announcements:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, served: ServedModel, device: str) -> None:
        """Announces a model, once a worker has loaded it. From then on it is the newest."""
        key = {"name": served.name, "revision": served.revision, "renderer": served.renderer}
        facts = {"row": asdict(served.row), "device": device[:120], "announced_at": now(), "seen_at": now()}
        async with self._database.write() as connection:
            await upsert(connection, models, key, facts, {"first_at": now()})

    async def seen(self, served: ServedModel) -> bool:
        """A heartbeat. False: the model's row is gone, as after a restore of an older state."""
        ours = (models.c.name == served.name, models.c.revision == served.revision, models.c.renderer == served.renderer)
        async with self._database.write() as connection:
            return bool((await connection.execute(update(models).where(*ours).values(seen_at=now()))).rowcount)

    async def known(self, pinned: str = "") -> list[Announced]:
        """One for each name that was ever announced, in the revision announced last; a name that was announced in the revision
        `pinned` keeps to that. It stays known while its workers are away. None at all until `pinned` was announced.
        """
        query = select(models, (now() - models.c.seen_at).label("silent")).order_by(models.c.announced_at.desc()).limit(_MOST)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        if pinned and all(row.revision != pinned for row in rows):
            return []
        found: dict[str, Announced] = {}
        for row in sorted(rows, key=lambda row: row.revision != pinned):
            first = min(other.first_at for other in rows if other.name == row.name)
            model = ServedModel(_row_of(row.row), row.revision, row.renderer)
            found.setdefault(row.name, Announced(model, max(0.0, row.silent), first))
        return list(found.values())

    async def alive(self, served: ServedModel, within: float) -> bool:
        """True if a worker with this model sent a heartbeat in the last `within` seconds."""
        query = select(models.c.name).where(models.c.revision == served.revision, models.c.seen_at > now() - literal(within))
        async with self._database.read() as connection:
            return (await connection.execute(query.limit(1))).first() is not None


def _row_of(fields: Mapping[str, Any]) -> ModelRow:
    sizes = tuple((int(width), int(height)) for width, height in fields["sizes"])
    points = {name: tuple(fields.get(name, ())) for name in ("timesteps", "draft_timesteps")}
    return ModelRow(**{**fields, "sizes": sizes, **points})
