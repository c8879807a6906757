"""The traffic that the rows remember, as a replay wants it: what was asked in which order, and what the judge said of neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.replay import Nominee, Past
from cache.storage.database import Database
from cache.storage.tables import clips, requests

_CHUNK = 500  # ids in one statement


@dataclass(frozen=True)
class Recorded:
    """The newest requests, oldest first; `before` were there when they began. `unknown` neighbours left no trace."""

    asks: list[Past]
    before: dict[str, Past]
    unknown: int
    since: float | None


@dataclass(frozen=True)
class Sureness:
    """The judge's table, both ways: from a pair's own probability to the share of right ones at least as sure, and back."""

    share: Callable[[float], float]

    def own(self, share: float) -> float:
        """The least that a pair can be sure by itself, to be served with this share."""
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (low, middle) if self.share(middle) >= share else (middle, high)
        return high


class Recordings:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, count: int, sureness: Sureness) -> Recorded:
        """What was asked interactively and answered, the newest `count`. Reads no prompt."""
        columns = (
            requests.c.id, requests.c.created_at, requests.c.film_key, requests.c.pinned_seed, requests.c.verdict, requests.c.reason,
            requests.c.confidence, requests.c.refused, requests.c.clip_id,
        )  # fmt: skip
        answered = (requests.c.clip_id.is_not(None), requests.c.priority == "interactive")
        query = select(*columns).where(*answered).order_by(requests.c.id.desc()).limit(count)
        async with self._database.read() as connection:
            rows = list(reversed((await connection.execute(query)).all()))
            named = {row.clip_id for row in rows} | {str(one["clip_id"]) for row in rows for one in row.refused if one.get("clip_id")}
            made = await self._clips(connection, sorted(named))
        return _recorded(rows, made, sureness)

    async def _clips(self, connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        columns = (clips.c.id, clips.c.film_key, clips.c.gpu_seconds, clips.c.length, clips.c.created_at)
        for start in range(0, len(ids), _CHUNK):
            rows = await connection.execute(select(*columns).where(clips.c.id.in_(ids[start : start + _CHUNK])))
            found |= {row.id: row for row in rows}
        return found


def _recorded(rows: Sequence[Row[Any]], made: Mapping[str, Any], sureness: Sureness) -> Recorded:
    """Clips that are gone are known by the requests that made them, where those are still there."""
    by_film = {clip.film_key: clip for clip in made.values()}
    film_of = {clip_id: clip.film_key for clip_id, clip in made.items()}
    for row in rows:
        if row.verdict in {"miss", "bypass", "exact"}:
            film_of.setdefault(row.clip_id, row.film_key)
    length = round(sum(clip.length for clip in made.values()) / len(made)) if made else 1
    seconds = sum(clip.gpu_seconds for clip in made.values()) / len(made) if made else 1.0
    asks, unknown, seen = [], 0, set[str]()
    before: dict[str, Past] = {}

    def sized(film: str, clip: Any, at: float, **more: Any) -> Past:
        return Past(film, at, clip.gpu_seconds if clip is not None else seconds, clip.length if clip is not None else length, **more)

    for row in rows:
        nominees = []
        said = [(row.clip_id, row.confidence)] if row.verdict in {"near", "joined"} and row.confidence is not None else []
        for clip_id, share in said:
            nominees.append((clip_id, sureness.own(share), share))
        nominees += [
            (one["clip_id"], one["confidence"], sureness.share(one["confidence"]))
            for one in row.refused
            if one.get("clip_id") and one.get("confidence")  # 0 is a rule's word: no limit changes that
        ]
        known = [Nominee(film_of[clip_id], own, share) for clip_id, own, share in nominees if clip_id in film_of]
        unknown += len(nominees) - len(known)
        film = row.film_key if row.pinned_seed is None else f"{row.film_key}:{row.pinned_seed}"
        for nominee in known:
            if nominee.film not in seen and nominee.film not in before:
                before[nominee.film] = sized(nominee.film, by_film.get(nominee.film), row.created_at)
        if row.verdict == "exact" and film not in seen and film not in before:
            before[film] = sized(film, made.get(row.clip_id), row.created_at)
        seen.add(film)
        own_clip = made.get(row.clip_id) if film_of.get(row.clip_id) == row.film_key else None
        asks.append(sized(film, own_clip, row.created_at, nominees=tuple(known), fresh=row.verdict == "bypass"))
    return Recorded(asks, before, unknown, rows[0].created_at if rows else None)
