"""The story of one request for operators: what it asked, which clip answered, which were refused, and what people said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from cache.clip import Clip
from cache.errors import NotFound
from cache.request import Request
from cache.storage.database.database import Database
from cache.storage.database.rows import read_clips
from cache.storage.requests.requests import request_of
from cache.storage.tables import clips, labels, recipes, requests


@dataclass(frozen=True)
class GivenLabel:
    """A label that somebody gave the answer: `source` is client, reroll, admin or audit."""

    right: bool
    source: str
    weight: float
    created_at: float


@dataclass(frozen=True)
class RequestStory:
    """A request with all that it names. `clips` holds, by id, those of its clip and of its refused clips that still have a row."""

    request: Request
    seconds: float | None
    clips: Mapping[str, Clip]
    labels: tuple[GivenLabel, ...]

    @property
    def clip(self) -> Clip | None:
        return self.clips.get(self.request.clip_id or "")


async def story_of(database: Database, video_id: str) -> RequestStory:
    """Raises NotFound; a deleted or pruned request has no row."""
    asked = select(requests, recipes.c.fields).join(recipes, recipes.c.key == requests.c.recipe_key).where(requests.c.id == video_id)
    said = select(labels.c.right, labels.c.source, labels.c.weight, labels.c.created_at).where(labels.c.request_id == video_id)
    async with database.read() as connection:
        row = (await connection.execute(asked)).one_or_none()
        if row is None:
            raise NotFound(f"no request has the id {video_id[:64]!r}; it may have been deleted, or be older than requests are kept", "id")
        request = request_of(row)
        named = [request.clip_id, *(refusal.clip_id for refusal in request.refused)]
        found = await read_clips(connection, clips.c.id.in_([one for one in named if one is not None]))
        given = [GivenLabel(*label) for label in await connection.execute(said.order_by(labels.c.id))]
    took = None if row.completed_at is None else max(0.0, row.completed_at - row.created_at)
    return RequestStory(request, took if row.answer_ms is None else row.answer_ms / 1000, {clip.id: clip for clip in found}, tuple(given))
