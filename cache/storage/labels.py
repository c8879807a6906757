"""What people said of answers: this clip fits these words, or it does not."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.ids import new_id
from cache.request import Request
from cache.storage.tables import labels, now

Source = Literal["client", "reroll", "admin", "audit"]


class Labels:
    async def add(self, connection: AsyncConnection, request: Request, right: bool, source: Source, weight: float = 1.0) -> str:
        """One more word on `request`'s answer; nothing is overwritten, the latest full-weight word counts."""
        label = new_id("label")
        row = {
            "id": label,
            "tenant": request.tenant,
            "scope": request.scope,
            "request_id": request.id,
            "clip_id": request.clip_id,
            "film_key": request.film_key,
            "recipe_key": request.recipe.key,
            "verdict": request.verdict,
            "right": right,
            "weight": weight,
            "source": source,
            "similarity": request.similarity,
            "confidence": request.confidence,
            "created_at": now(),
        }
        await connection.execute(insert(labels).values(**row))
        return label

    async def against(self, connection: AsyncConnection, scope: str, film_key: str) -> set[str]:
        """Clips that a person refused for these words in this Scope: never served for them again, until they say otherwise.
        Weak words against a clip count as one of a person once their weights since the last full one come to 1.
        """
        words = select(labels.c.clip_id, labels.c.right, labels.c.weight).where(
            and_(labels.c.scope == scope, labels.c.film_key == film_key, labels.c.clip_id.is_not(None))
        )
        wrong: dict[str, float] = {}
        for row in await connection.execute(words.order_by(labels.c.id)):
            wrong[row.clip_id] = 0.0 if row.right else wrong.get(row.clip_id, 0.0) + row.weight
        return {clip for clip, weight in wrong.items() if weight >= 1.0}
