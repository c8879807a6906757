"""What people said of answers: this clip fits these words, or it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, insert, select
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


def words_about(scope: ColumnElement[str], film_key: ColumnElement[str]) -> Select[Any]:
    """What was said in this Scope of clips as answers to this film, in its order."""
    said = select(labels.c.clip_id, labels.c.right, labels.c.weight)
    return said.where(labels.c.scope == scope, labels.c.film_key == film_key, labels.c.clip_id.is_not(None)).order_by(labels.c.id)


def against(said: Iterable[Sequence[Any]]) -> frozenset[str]:
    """Of rows of `words_about` the clips that were refused: never served for these words again, until somebody says otherwise.
    Weak words against a clip count as one of a person once their weights since the last full one come to 1.
    """
    wrong: dict[str, float] = {}
    for clip_id, right, weight in said:
        wrong[clip_id] = 0.0 if right else wrong.get(clip_id, 0.0) + weight
    return frozenset(clip_id for clip_id, weight in wrong.items() if weight >= 1.0)
