"""Pairs of a new prompt and a clip for labelling: near hits, refusals and audits.

The question is always: does this clip show what was asked for? For a refusal, "yes" means that it was a mistake.
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
from cache.storage.database.database import Database
from cache.storage.requests.labels import Labels
from cache.storage.requests.requests import request_of
from cache.storage.tables import audits, clips, labels, recipes, requests
from cache.verdict import Refusal

PairKind = Literal["near", "refused", "audit"]
KINDS: tuple[PairKind, ...] = ("near", "refused", "audit")
BY_PEOPLE = ("admin", "audit")


@dataclass(frozen=True)
class Paired:
    """The clip of a pair; `state` is None once it is collected. `assisted`: it was started from another clip."""

    id: str
    tenant: str | None
    prompt: str | None
    state: str | None
    assisted: bool = False

    @property
    def there(self) -> bool:
        return self.state in {"live", "superseded"}


@dataclass(frozen=True)
class LabelledPair:
    """A pair. `label`: the latest one by an operator; `feedback`: the client's. `reason`: that of a refusal.
    `made`: the clip rendered for an audit. Of an audited miss `clip` is the assisted one of the two, and `made` the one from noise.
    """

    request: Request
    kind: PairKind
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
    """A prompt that a clip answered, with the number of times. `similarity`: that of a near hit."""

    prompt: str
    verdict: str
    count: int
    similarity: float | None


class NearHits:
    def __init__(self, database: Database, labels: Labels) -> None:
        self._database, self._labels = database, labels

    async def page(
        self, kind: PairKind, tenant: str | None, unlabelled: bool, before: str | None, limit: int
    ) -> tuple[list[LabelledPair], bool]:
        """One page, newest first, after the request `before`, and whether more follow. `tenant` None: all tenants."""
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

    async def newer(self, kind: PairKind, tenant: str | None, since: str, most: int = 100) -> int:
        """The number of pairs after the request `since`, counted up to `most`."""
        condition = and_(_of_kind(kind), requests.c.deleted_at.is_(None), requests.c.id > since)
        if tenant is not None:
            condition = and_(condition, requests.c.tenant == tenant)
        some = select(requests.c.id).where(condition).limit(most).subquery()
        async with self._database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(some))).scalar_one())

    async def answers(self, clip_id: str, tenant: str | None, limit: int = 20) -> list[Answers]:
        """The prompts of `tenant` (None: of all) that the clip answered, the most frequent first."""
        kept = and_(requests.c.clip_id == clip_id, requests.c.prompt.is_not(None), requests.c.deleted_at.is_(None))
        if tenant is not None:
            kept = and_(kept, requests.c.tenant == tenant)
        query = select(requests.c.prompt, requests.c.verdict, func.count(), func.max(requests.c.similarity)).where(kept)
        query = query.group_by(requests.c.prompt, requests.c.verdict).order_by(func.count().desc(), requests.c.prompt).limit(limit)
        async with self._database.read() as connection:
            return [Answers(row[0], row[1], int(row[2]), row[3]) for row in await connection.execute(query)]

    async def one(self, request_id: str, kind: PairKind) -> LabelledPair:
        """The pair of a request. Raises NotFound if there is no such pair."""
        condition = and_(requests.c.id == request_id, requests.c.deleted_at.is_(None), _of_kind(kind))
        async with self._database.read() as connection:
            rows = (await connection.execute(_ALL.where(condition))).all() if is_id("video", request_id) else []
            if not rows:
                raise NotFound(f"there is no such pair for the request {request_id[:64]!r}", "request")
            return (await self._pairs(connection, kind, rows))[0]

    async def label(self, pair: LabelledPair, right: bool) -> LabelledPair:
        """Adds a label; the latest counts. Raises Conflict if the request's prompt was erased in the meantime."""
        if pair.request.prompt is None:
            raise Conflict("the prompt of this request is not stored, so it cannot be labelled")
        said = replace(pair.request, clip_id=pair.clip.id, similarity=pair.similarity, confidence=pair.confidence)
        async with self._database.write() as connection:
            await self._labels.add(connection, said, right, "audit" if pair.kind == "audit" else "admin")
        return replace(pair, label=right)

    async def _pairs(self, connection: AsyncConnection, kind: PairKind, rows: Sequence[Row[Any]]) -> list[LabelledPair]:
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
            refusal, made_id = shown[request.id], own.get(request.id)
            clip_id = refusal.clip_id or ""
            if made_id is not None and request.verdict == "miss" and made_id in there and there[made_id].assisted:
                clip_id, made_id = made_id, clip_id
            said = words.get((request.id, clip_id), {})
            others = tuple(one for one in request.refused if one is not refusal)
            pairs.append(
                LabelledPair(
                    request, kind, there.get(clip_id) or Paired(clip_id, None, None, None), refusal.similarity, refusal.confidence,
                    refusal.reason if kind == "refused" else None, said.get("people"), said.get("client"), others,
                    None if made_id is None else there.get(made_id) or Paired(made_id, None, None, None),
                )
            )  # fmt: skip
        return pairs


_ALL = select(requests, recipes.c.fields).join(recipes, recipes.c.key == requests.c.recipe_key)


def _of_kind(kind: PairKind) -> ColumnElement[bool]:
    if kind == "refused":
        # The first refusal names its clip, unless its reason is not about a clip ("seed pinned").
        return and_(requests.c.verdict == "miss", requests.c.refused[(0, "clip_id")].as_string().is_not(None))
    if kind == "audit":
        return requests.c.id.in_(select(audits.c.request_id).where(audits.c.state == "made"))
    joined = and_(requests.c.verdict == "joined", requests.c.similarity.is_not(None), requests.c.clip_id.is_not(None))
    return or_(requests.c.verdict == "near", joined)


def _shown(kind: PairKind, request: Request) -> Refusal:
    """The clip of the pair as a Refusal: the best one refused, or the one served."""
    if kind == "refused":
        return next(one for one in request.refused if one.clip_id is not None)
    return Refusal("", request.similarity, request.confidence, request.clip_id)


async def _paired(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Paired]:
    query = select(clips.c.id, clips.c.tenant, clips.c.prompt, clips.c.state, clips.c.donor.is_not(None)).where(clips.c.id.in_(list(ids)))
    return {row.id: Paired(*row) for row in await connection.execute(query)}


async def _words(connection: AsyncConnection, ids: list[str]) -> dict[tuple[str, str], dict[str, bool]]:
    """The latest label by people and the latest by the client, by request and clip."""
    query = select(labels.c.request_id, labels.c.clip_id, labels.c.right, labels.c.source)
    query = query.where(labels.c.request_id.in_(ids), labels.c.weight >= 1.0).order_by(labels.c.id)
    said: dict[tuple[str, str], dict[str, bool]] = {}
    for row in await connection.execute(query):
        said.setdefault((row.request_id, row.clip_id or ""), {})["people" if row.source in BY_PEOPLE else "client"] = row.right
    return said
