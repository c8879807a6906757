"""Room for clips: how much is taken, which may go, and their going. What each is worth is decided in cache/eviction.py."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, literal, or_, select

from cache.eviction import HALF_AFTER, Standing, weight
from cache.storage.changes import latest
from cache.storage.database import Database
from cache.storage.ghosts import remember
from cache.storage.shelf import Shelf
from cache.storage.tables import clips, jobs, now, requests
from cache.storage.tables_for_operators import plan_prompts, plans

EVICTED = "evicted"  # why such a clip was withdrawn
_FETCHING = 600.0  # seconds that someone who was answered has to fetch the film before it may go
_ONE_GO = 200  # clips of one transaction


@dataclass(frozen=True)
class Nominee:
    """A clip among those that seem worth least. `prompt` is None where nobody could judge it."""

    clip_id: str
    prompt: str | None
    scope: str
    recipe_key: str
    state: str
    length: int
    gpu_seconds: float
    asks: float


class Eviction:
    """`ghosts`: how many of those that went are remembered."""

    def __init__(self, database: Database, shelf: Shelf, ghosts: int) -> None:
        self._database, self._shelf, self._ghosts = database, shelf, ghosts

    async def changed(self, since: int) -> int | None:
        """The number of the last change of any clip or job; None where it is `since` still."""
        async with self._database.read() as connection:
            last = await latest(connection)
        return None if last == since else last

    async def used(self) -> int:
        """Bytes of the clips in service. What was withdrawn takes room until its grace time is over, and is not in it."""
        query = select(func.coalesce(func.sum(clips.c.length), 0)).where(clips.c.state != "withdrawn")
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def nominees(self, limit: int) -> list[Nominee]:
        """The `limit` clips that seem worth least by their hit counts, with their decayed asks. Never one that must stay:
        pinned, private, the donor of an open job, or answered lately and not fetched yet. Superseded clips answer nobody
        new, so their asks count nothing.
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

    async def evict(self, chosen: Sequence[Standing]) -> list[str]:
        """Out of service at once, with a ghost each, those that may still go; their objects follow after the grace time."""
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
        """Clips evicted whose objects are still there: within the grace time."""
        query = select(func.count()).select_from(clips).where(clips.c.state == "withdrawn", clips.c.withdrawn_reason == EVICTED)
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())


def _nominee(row: Row[Any], asks: Mapping[str, float]) -> Nominee:
    """What nobody asked for yet counts as asked when it was made."""
    told = asks.get(row.id, weight(row.age)) if row.state == "live" else 0.0
    return Nominee(row.id, row.prompt, row.scope, row.recipe_key, row.state, row.length, row.gpu_seconds, told)


def may_go() -> ColumnElement[bool]:
    donating = select(jobs.c.donor).where(jobs.c.donor == clips.c.id, jobs.c.state.in_(("queued", "leased")))
    lately = requests.c.completed_at > now() - literal(_FETCHING)
    fetching = select(requests.c.id).where(
        requests.c.clip_id == clips.c.id, requests.c.downloaded_at.is_(None), requests.c.deleted_at.is_(None), lately
    )
    kept = or_(clips.c.pinned, clips.c.private, donating.exists(), fetching.exists())
    return and_(clips.c.state != "withdrawn", ~kept)


def _asks(ids: Sequence[str]) -> Select[Any]:
    """Decayed asks by clip: the SQL of eviction.weight."""
    age = now() - requests.c.created_at
    each = 1.0 / (1.0 + case((age > 0, age), else_=0.0) / HALF_AFTER)
    query = select(requests.c.clip_id, func.sum(each).label("asks")).where(requests.c.clip_id.in_(ids))
    return query.group_by(requests.c.clip_id)


def _foreseen(ids: Sequence[str]) -> Select[Any]:
    """What plans foresee of the clips that they had made, until their horizons are over: such a clip counts as asked for that
    often just now. By what was asked alone a plan would be evicted before its day comes.
    """
    made = func.coalesce(plan_prompts.c.clip_id, jobs.c.clip_id)
    query = select(made.label("clip_id"), func.max(plan_prompts.c.expected_hits).label("expected"))
    query = query.join(plans, plans.c.id == plan_prompts.c.plan_id).outerjoin(jobs, jobs.c.id == plan_prompts.c.job_id)
    return query.where(made.in_(ids), plans.c.started_at + plans.c.horizon > now()).group_by(made)
