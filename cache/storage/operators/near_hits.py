"""Pairs of a new prompt and a clip, as people look at them: what was served, what was refused, what was audited.

One question for all of them: does this clip show what was asked for? A refusal that gets a yes was one too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import Conflict, NotFound
from cache.ids import is_id
from cache.request import Request
from cache.storage.database import Database
from cache.storage.labels import Labels
from cache.storage.requests import request_of
from cache.storage.tables import clips, labels, recipes, requests
from cache.storage.tables_for_operators import audits
from cache.verdict import Refusal

Kind = Literal["near", "refused", "audit"]
KINDS: tuple[Kind, ...] = ("near", "refused", "audit")
BY_PEOPLE = ("admin", "audit")


@dataclass(frozen=True)
class Paired:
    """A clip as it stands in a pair; `state` is None once it is collected."""

    id: str
    tenant: str | None
    prompt: str | None
    state: str | None

    @property
    def there(self) -> bool:
        return self.state in {"live", "superseded"}


@dataclass(frozen=True)
class Pair:
    """`label` is the latest word of whoever runs the place, `feedback` the client's own. `reason` is that of a refusal.
    `made` is what an audit's prompt itself became.
    """

    request: Request
    kind: Kind
    clip: Paired
    similarity: float | None
    confidence: float | None
    reason: str | None
    label: bool | None
    feedback: bool | None
    others: tuple[Refusal, ...] = ()
    made: Paired | None = None


@dataclass(frozen=True)
class Answers:
    """Words that a clip answered, and how often. `similarity` is that of a near hit."""

    prompt: str
    verdict: str
    count: int
    similarity: float | None


class NearHits:
    def __init__(self, database: Database, labels: Labels) -> None:
        self._database, self._labels = database, labels

    async def page(self, kind: Kind, tenant: str | None, unlabelled: bool, before: str | None, limit: int) -> tuple[list[Pair], bool]:
        """Newest first, behind the request `before`; and whether more follow. `tenant` None: of all tenants."""
        condition = and_(_of_kind(kind), requests.c.deleted_at.is_(None))
        if tenant is not None:
            condition = and_(condition, requests.c.tenant == tenant)
        if before is not None:
            condition = and_(condition, requests.c.id < before)
        if unlabelled:
            said = select(labels.c.id).where(labels.c.request_id == requests.c.id, labels.c.source.in_(BY_PEOPLE))
            condition = and_(condition, ~said.exists())
        async with self._database.read() as connection:
            query = _ALL.where(condition).order_by(requests.c.id.desc()).limit(limit + 1)
            rows = (await connection.execute(query)).all()
            return await self._pairs(connection, kind, rows[:limit]), len(rows) > limit

    async def newer(self, kind: Kind, tenant: str | None, since: str, most: int = 100) -> int:
        """How many pairs came after the request `since`, counted up to `most`."""
        condition = and_(_of_kind(kind), requests.c.deleted_at.is_(None), requests.c.id > since)
        if tenant is not None:
            condition = and_(condition, requests.c.tenant == tenant)
        some = select(requests.c.id).where(condition).limit(most).subquery()
        async with self._database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(some))).scalar_one())

    async def answers(self, clip_id: str, tenant: str | None, limit: int = 20) -> list[Answers]:
        """For which words the clip answered requests of `tenant` (None: of all), the most frequent first."""
        kept = and_(requests.c.clip_id == clip_id, requests.c.prompt.is_not(None), requests.c.deleted_at.is_(None))
        if tenant is not None:
            kept = and_(kept, requests.c.tenant == tenant)
        query = select(requests.c.prompt, requests.c.verdict, func.count(), func.max(requests.c.similarity)).where(kept)
        query = query.group_by(requests.c.prompt, requests.c.verdict).order_by(func.count().desc(), requests.c.prompt).limit(limit)
        async with self._database.read() as connection:
            return [Answers(row[0], row[1], int(row[2]), row[3]) for row in await connection.execute(query)]

    async def one(self, request_id: str, kind: Kind) -> Pair:
        """NotFound for what is no such pair, or none any more."""
        condition = and_(requests.c.id == request_id, requests.c.deleted_at.is_(None), _of_kind(kind))
        async with self._database.read() as connection:
            rows = (await connection.execute(_ALL.where(condition))).all() if is_id("video", request_id) else []
            if not rows:
                raise NotFound(f"there is no such pair of the request {request_id[:64]!r}", "request")
            return (await self._pairs(connection, kind, rows))[0]

    async def label(self, pair: Pair, right: bool) -> Pair:
        """One more word on the pair: the latest counts. Conflict for a request whose words were erased meanwhile."""
        if pair.request.prompt is None:
            raise Conflict("the words of this request are not kept: nobody can judge it")
        said = replace(pair.request, clip_id=pair.clip.id, similarity=pair.similarity, confidence=pair.confidence)
        async with self._database.write() as connection:
            await self._labels.add(connection, said, right, "audit" if pair.kind == "audit" else "admin")
        return replace(pair, label=right)

    async def _pairs(self, connection: AsyncConnection, kind: Kind, rows: Sequence[Row[Any]]) -> list[Pair]:
        asked = [request_of(row) for row in rows]
        shown = {request.id: _shown(kind, request) for request in asked}
        own: dict[str, str | None] = {}
        if kind == "audit":
            made = select(audits.c.request_id, audits.c.clip_id).where(audits.c.request_id.in_(list(shown)))
            own = {row.request_id: row.clip_id for row in await connection.execute(made)}
        named = {refusal.clip_id for refusal in shown.values()} | set(own.values())
        there = await _paired(connection, (clip for clip in named if clip is not None))
        words = await _words(connection, list(shown))
        pairs = []
        for request in asked:
            refusal = shown[request.id]
            clip_id = refusal.clip_id or ""
            said = words.get((request.id, clip_id), {})
            others = tuple(one for one in request.refused if one is not refusal)
            made_id = own.get(request.id)
            pairs.append(
                Pair(
                    request, kind, there.get(clip_id) or Paired(clip_id, None, None, None), refusal.similarity, refusal.confidence,
                    refusal.reason if kind == "refused" else None, said.get("people"), said.get("client"), others,
                    None if made_id is None else there.get(made_id) or Paired(made_id, None, None, None),
                )
            )  # fmt: skip
        return pairs


_ALL = select(requests, recipes.c.fields).join(recipes, recipes.c.key == requests.c.recipe_key)


def _of_kind(kind: Kind) -> ColumnElement[bool]:
    if kind == "refused":
        # The first refusal names its clip unless the rule was about no clip at all ("seed pinned").
        return and_(requests.c.verdict == "miss", requests.c.refused[(0, "clip_id")].as_string().is_not(None))
    if kind == "audit":
        return requests.c.id.in_(select(audits.c.request_id).where(audits.c.state == "made"))
    joined = and_(requests.c.verdict == "joined", requests.c.similarity.is_not(None), requests.c.clip_id.is_not(None))
    return or_(requests.c.verdict == "near", joined)


def _shown(kind: Kind, request: Request) -> Refusal:
    """The clip of the pair, in the shape of a refusal: the best one refused, else the one served."""
    if kind == "refused":
        return next(one for one in request.refused if one.clip_id is not None)
    return Refusal("", request.similarity, request.confidence, request.clip_id)


async def _paired(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Paired]:
    query = select(clips.c.id, clips.c.tenant, clips.c.prompt, clips.c.state).where(clips.c.id.in_(list(ids)))
    return {row.id: Paired(*row) for row in await connection.execute(query)}


async def _words(connection: AsyncConnection, ids: list[str]) -> dict[tuple[str, str], dict[str, bool]]:
    """By request and clip: the latest word of people, and the latest of the client."""
    query = select(labels.c.request_id, labels.c.clip_id, labels.c.right, labels.c.source)
    query = query.where(labels.c.request_id.in_(ids), labels.c.weight >= 1.0).order_by(labels.c.id)
    said: dict[tuple[str, str], dict[str, bool]] = {}
    for row in await connection.execute(query):
        said.setdefault((row.request_id, row.clip_id or ""), {})["people" if row.source in BY_PEOPLE else "client"] = row.right
    return said
