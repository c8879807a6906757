"""Re-rolls: a no-cache request soon after a near hit. The clip was perhaps wrong, so this is a weak label against it."""

from __future__ import annotations

import time

import structlog
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import Unavailable
from cache.request import Request
from cache.storage.database.database import Database
from cache.storage.database.rows import next_sequence
from cache.storage.requests.labels import Labels
from cache.storage.requests.requests import request_of
from cache.storage.tables import labels, recipes, requests

log = structlog.get_logger(__name__)

WEIGHT = 0.34  # of a person's label, so three count as one: some clients only want another take
WITHIN = 600.0  # seconds after the near hit
_HABIT = 3600.0  # seconds looked back for a habit of no-cache
_MOST = 50  # requests looked at for it


class Rerolls:
    def __init__(self, database: Database, words: Labels) -> None:
        self._database, self._words = database, words

    async def note(self, request: Request) -> str | None:
        """The id of the label that `request`, sent with no-cache, implies; None if it implies none: no near hit on its key in the last
        ten minutes, one that is counted already, or a tenant that mostly sends no-cache. Never fails the request.
        """
        at = time.time()
        try:
            async with self._database.read() as connection:
                if (hit := await self._near_hit(connection, request, at)) is None or await self._habit(connection, request, at):
                    return None
            async with self._database.write() as connection:
                await next_sequence(connection)  # two concurrent re-rolls are one label
                hit = await self._near_hit(connection, request, at)
                return None if hit is None else await self._words.add(connection, hit, False, "reroll", WEIGHT)
        except Unavailable as error:
            log.warning("re-roll not recorded", request=request.id, reason=error.message)
            return None

    async def _near_hit(self, connection: AsyncConnection, request: Request, at: float) -> Request | None:
        noted = select(labels.c.id).where(labels.c.request_id == requests.c.id, labels.c.source == "reroll")
        query = (
            select(requests, recipes.c.fields)
            .join(recipes, recipes.c.key == requests.c.recipe_key)
            .where(
                and_(requests.c.tenant == request.tenant, requests.c.spec_key == request.spec_key, requests.c.verdict == "near"),
                requests.c.created_at >= at - WITHIN,
                ~noted.exists(),
            )
            .order_by(requests.c.id.desc())
            .limit(1)
        )
        row = (await connection.execute(query)).first()
        return None if row is None else request_of(row)

    async def _habit(self, connection: AsyncConnection, request: Request, at: float) -> bool:
        recent = select(requests.c.reason).where(requests.c.tenant == request.tenant, requests.c.created_at >= at - _HABIT)
        found = [row.reason == "no-cache" for row in await connection.execute(recent.order_by(requests.c.id.desc()).limit(_MOST))]
        return found.count(True) * 2 > len(found)
