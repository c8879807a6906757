"""Labels: people's judgements whether a clip fits a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, exists, insert, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.ids import new_id
from cache.request import Request
from cache.storage.clips.reserved import accept
from cache.storage.tables import labels, now

LabelSource = Literal["client", "reroll", "admin", "audit"]


class Labels:
    async def add(self, connection: AsyncConnection, request: Request, right: bool, source: LabelSource, weight: float = 1.0) -> str:
        """Adds a label to `request`'s answer; nothing is overwritten, and the latest full-weight label counts."""
        label = new_id("label")
        row = {
            "id": label,
            "tenant": request.tenant,
            "scope": request.scope,
            "request_id": request.id,
            "clip_id": request.clip_id,
            "spec_key": request.spec_key,
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
        if right and weight >= 1.0 and request.clip_id is not None:
            await accept(connection, request.clip_id, request.spec_key)
        return label


async def is_disliked(connection: AsyncConnection, request: Request, clip_id: str) -> bool:
    """True if a person said that the clip does not fit these words. A pinned seed asks for its clip whatever was said."""
    if request.pinned_seed is not None:
        return False
    said = disliked(literal(request.scope), literal(request.spec_key), literal(clip_id))
    return bool((await connection.execute(select(said))).scalar_one())


def words_about(scope: ColumnElement[str], spec_key: ColumnElement[str]) -> Select[Any]:
    """The labels in this Scope on clips as answers to this Spec, oldest first."""
    said = select(labels.c.clip_id, labels.c.right, labels.c.weight)
    return said.where(labels.c.scope == scope, labels.c.spec_key == spec_key, labels.c.clip_id.is_not(None)).order_by(labels.c.id)


def disliked(scope: ColumnElement[str], spec_key: ColumnElement[str], clip_id: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that the last full-weight label in this Scope says: this clip does not fit this Spec. It binds no values, so
    that it can be part of a statement that is compiled once.
    """
    wrong, right = labels.alias("wrong"), labels.alias("righted")
    full: ColumnElement[int] = literal_column("1")
    same = and_(right.c.scope == wrong.c.scope, right.c.spec_key == wrong.c.spec_key, right.c.clip_id == wrong.c.clip_id)
    later = exists().where(same, right.c.right, right.c.weight >= full, right.c.id > wrong.c.id)
    about = and_(wrong.c.scope == scope, wrong.c.spec_key == spec_key, wrong.c.clip_id == clip_id)
    return exists().where(about, ~wrong.c.right, wrong.c.weight >= full, ~later)


def against(said: Iterable[Sequence[Any]]) -> frozenset[str]:
    """The rejected clips of `words_about` rows: not served for these words until somebody labels them right.
    Weak labels against a clip count as a person's once their weights since the last full one reach 1.
    """
    wrong: dict[str, float] = {}
    for clip_id, right, weight in said:
        wrong[clip_id] = 0.0 if right else wrong.get(clip_id, 0.0) + weight
    return frozenset(clip_id for clip_id, weight in wrong.items() if weight >= 1.0)
