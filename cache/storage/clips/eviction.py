"""Eviction at rest: the capacity used, the candidates, and their withdrawal. Their value is decided in cache/eviction.py."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, literal, or_, select

from cache.eviction import HALF_AFTER, ClipValue, weight
from cache.storage.clips.ghosts import remember
from cache.storage.clips.shelf import Shelf
from cache.storage.database.changes import latest
from cache.storage.database.database import Database
from cache.storage.tables import clips, jobs, now, plan_prompts, plans, requests

EVICTED = "evicted"  # the reason of such a withdrawal
_FETCHING = 600.0  # seconds that a client has to download a video before it may be evicted
_ONE_GO = 200  # clips per transaction


@dataclass(frozen=True)
class EvictionCandidate:
    """A candidate among the least valuable clips. `prompt` is None if it cannot be judged."""

    clip_id: str
    prompt: str | None
    scope: str
    recipe_key: str
    state: str
    length: int
    gpu_seconds: float
    asks: float


class Eviction:
    """The eviction of clips. `ghosts`: the number of evicted clips to remember."""

    def __init__(self, database: Database, shelf: Shelf, ghosts: int) -> None:
        self._database, self._shelf, self._ghosts = database, shelf, ghosts

    async def changed(self, since: int) -> int | None:
        """The sequence number of the last change of any clip or job; None if it is still `since`."""
        async with self._database.read() as connection:
            last = await latest(connection)
        return None if last == since else last

    async def used(self) -> int:
        """Bytes of the clips in service and of the pictures that they begin with. Withdrawn clips, which take space until their grace
        time is over, are not included.
        """
        query = select(func.coalesce(func.sum(clips.c.length), 0)).where(clips.c.state != "withdrawn")
        async with self._database.read() as connection:
            of_clips = int((await connection.execute(query)).scalar_one())
        return of_clips + await self._shelf.pictures.used()

    async def nominees(self, limit: int) -> list[EvictionCandidate]:
        """The `limit` least valuable clips by their hit counts, with their decayed requests. Never one that must stay:
        pinned, private, the donor of an open job, or recently served and not downloaded yet. Superseded clips answer no
        new requests, so their past requests count nothing.
        """
        live = clips.c.state == "live"
        seen = func.coalesce(clips.c.last_hit_at, clips.c.created_at)
        guess = (1 + clips.c.hits) / (1 + (now() - seen) / HALF_AFTER) * clips.c.gpu_seconds / (clips.c.length + 1)
        worth = case((live, guess), else_=0.0)
        columns = (clips.c.id, clips.c.prompt, clips.c.scope, clips.c.recipe_key, clips.c.state, clips.c.length, clips.c.gpu_seconds)
        query = select(*columns, (now() - clips.c.created_at).label("age")).where(may_go()).order_by(worth, clips.c.sequence).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            ids = [row.id for row in rows]
            asks: dict[str, float] = {}
            for start in range(0, len(ids), 500):
                portion = ids[start : start + 500]
                asks |= {row.clip_id: row.asks for row in await connection.execute(_asks(portion))}
                for row in await connection.execute(_foreseen(portion)):
                    asks[row.clip_id] = max(asks.get(row.clip_id, 0.0), row.expected, 1.0)
        return [_nominee(row, asks) for row in rows]

    async def evict(self, chosen: Sequence[ClipValue]) -> list[str]:
        """Withdraws those that may still be evicted, and remembers each as a ghost; objects follow after the grace time."""
        gone: list[str] = []
        for start in range(0, len(chosen), _ONE_GO):
            values = {one.clip_id: one.value for one in chosen[start : start + _ONE_GO]}
            async with self._database.write() as connection:
                query = select(clips.c.id, clips.c.state).where(clips.c.id.in_(sorted(values)), may_go())
                states = {row.id: row.state for row in await connection.execute(query)}
                withdrawn = await self._shelf.withdraw_in(connection, states, EVICTED)
                live = {clip_id: values[clip_id] for clip_id in withdrawn if states[clip_id] == "live"}
                await remember(connection, live, time.time(), self._ghosts)
            gone += withdrawn
        return gone

    async def count(self) -> int:
        """The number of evicted clips within their grace time, whose objects still exist."""
        query = select(func.count()).select_from(clips).where(clips.c.state == "withdrawn", clips.c.withdrawn_reason == EVICTED)
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())


def _nominee(row: Row[Any], asks: Mapping[str, float]) -> EvictionCandidate:
    """The candidate of a row. A clip without requests counts as requested when it was made."""
    told = asks.get(row.id, weight(row.age)) if row.state == "live" else 0.0
    return EvictionCandidate(row.id, row.prompt, row.scope, row.recipe_key, row.state, row.length, row.gpu_seconds, told)


def may_go() -> ColumnElement[bool]:
    donating = select(jobs.c.donor).where(jobs.c.donor == clips.c.id, jobs.c.state.in_(("queued", "leased")))
    lately = requests.c.completed_at > now() - literal(_FETCHING)
    fetching = select(requests.c.id).where(
        requests.c.clip_id == clips.c.id, requests.c.downloaded_at.is_(None), requests.c.deleted_at.is_(None), lately
    )
    kept = or_(clips.c.pinned, clips.c.private, donating.exists(), fetching.exists())
    return and_(clips.c.state != "withdrawn", ~kept)


def _asks(ids: Sequence[str]) -> Select[Any]:
    """Decayed requests by clip: the SQL of eviction.weight."""
    age = now() - requests.c.created_at
    each = 1.0 / (1.0 + case((age > 0, age), else_=0.0) / HALF_AFTER)
    query = select(requests.c.clip_id, func.sum(each).label("asks")).where(requests.c.clip_id.in_(ids))
    return query.group_by(requests.c.clip_id)


def _foreseen(ids: Sequence[str]) -> Select[Any]:
    """Requests that plans expect for their clips until their horizons are over: such a clip counts as requested that
    often just now. By past requests alone a plan's clips would be evicted before they are used.
    """
    made = func.coalesce(plan_prompts.c.clip_id, jobs.c.clip_id)
    query = select(made.label("clip_id"), func.max(plan_prompts.c.expected_hits).label("expected"))
    query = query.join(plans, plans.c.id == plan_prompts.c.plan_id).outerjoin(jobs, jobs.c.id == plan_prompts.c.job_id)
    return query.where(made.in_(ids), plans.c.started_at + plans.c.horizon > now()).group_by(made)
