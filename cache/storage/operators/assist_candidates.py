"""Misses of the past whose nearest clip was refused: what an assist report can make again from a donor, to be compared."""

from __future__ import annotations

from sqlalchemy import exists, select

from cache.request import Request
from cache.storage.database.database import Database
from cache.storage.requests.requests import request_of
from cache.storage.tables import audits, recipes, requests

_MOST = 1000  # misses that one report looks at, the newest


class AssistCandidates:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> list[Request]:
        """Newest first, each Spec once. Their own clips may be gone; those that were audited before are left out."""
        audited = exists().where(audits.c.request_id == requests.c.id)
        query = select(requests, recipes.c.fields).join(recipes, recipes.c.key == requests.c.recipe_key)
        query = query.where(
            requests.c.verdict == "miss", requests.c.clip_id.is_not(None), requests.c.prompt.is_not(None), requests.c.no_store.is_(False),
            requests.c.deleted_at.is_(None), requests.c.refused[(0, "clip_id")].as_string().is_not(None), ~audited,
        )  # fmt: skip
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(requests.c.id.desc()).limit(_MOST))).all()
        found: dict[str, Request] = {}
        for row in rows:
            found.setdefault(row.spec_key, request_of(row))
        return list(found.values())
