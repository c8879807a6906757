"""Recorded traffic for a replay: past requests in order, with the judge's probabilities for their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.replay import Past, ReplayCandidate
from cache.storage.database.database import Database
from cache.storage.tables import clips, requests
from cache.verdict import NOT_SAID, SAYS_NO

_CHUNK = 500  # ids per statement


@dataclass(frozen=True)
class Recorded:
    """The newest requests, oldest first: those that the overview counts. `before`: clips that existed at their start.
    `unknown`: neighbours not recorded.
    """

    asks: list[Past]
    before: dict[str, Past]
    unknown: int
    since: float | None


@dataclass(frozen=True)
class Sureness:
    """The calibration table in both directions: from a pair's own probability to the share of right pairs at least as sure, and back."""

    share: Callable[[float], float]

    def own(self, share: float) -> float:
        """The lowest own probability of a pair that is served with this share."""
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (low, middle) if self.share(middle) >= share else (middle, high)
        return high


class Recordings:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, count: int, sureness: Sureness) -> Recorded:
        """The newest `count` interactive requests, whatever became of them. Reads no prompt."""
        columns = (
            requests.c.id, requests.c.created_at, requests.c.completed_at, requests.c.spec_key, requests.c.pinned_seed, requests.c.verdict,
            requests.c.confidence, requests.c.refused, requests.c.clip_id, requests.c.job_id, requests.c.error_code,
        )  # fmt: skip
        query = select(*columns).where(requests.c.priority == "interactive").order_by(requests.c.id.desc()).limit(count)
        async with self._database.read() as connection:
            rows = list(reversed((await connection.execute(query)).all()))
            named = {row.clip_id for row in rows if row.clip_id is not None} | {
                str(one["clip_id"]) for row in rows for one in row.refused if one.get("clip_id")
            }
            made = await self._clips(connection, sorted(named))
        return _recorded(rows, made, sureness)

    async def _clips(self, connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        columns = (clips.c.id, clips.c.spec_key, clips.c.gpu_seconds, clips.c.length, clips.c.created_at)
        for start in range(0, len(ids), _CHUNK):
            rows = await connection.execute(select(*columns).where(clips.c.id.in_(ids[start : start + _CHUNK])))
            found |= {row.id: row for row in rows}
        return found


def _recorded(rows: Sequence[Row[Any]], made: Mapping[str, Any], sureness: Sureness) -> Recorded:
    """The recorded traffic of these rows. Deleted clips are known by the requests that made them, if those are still stored."""
    by_spec = {clip.spec_key: clip for clip in made.values()}
    spec_of = {clip_id: clip.spec_key for clip_id, clip in made.items()}
    for row in rows:
        if row.clip_id is not None and row.verdict in {"miss", "bypass", "exact"}:
            spec_of.setdefault(row.clip_id, row.spec_key)
    ended = {row.job_id: row.clip_id for row in rows if row.clip_id is not None and row.job_id is not None}
    length = round(sum(clip.length for clip in made.values()) / len(made)) if made else 1
    seconds = sum(clip.gpu_seconds for clip in made.values()) / len(made) if made else 1.0
    usual = _usual(rows)
    asks, unknown, seen = [], 0, set[str]()
    before: dict[str, Past] = {}

    def sized(spec: str, clip: Any, at: float, **more: Any) -> Past:
        return Past(spec, at, clip.gpu_seconds if clip is not None else seconds, clip.length if clip is not None else length, **more)

    for row in rows:
        clip_id = row.clip_id or ended.get(row.job_id)  # who cancelled may have left others waiting, and they got their clip
        nominees = []
        if row.verdict in {"near", "joined"} and row.confidence is not None and clip_id is not None:
            nominees.append((clip_id, sureness.own(row.confidence), row.confidence))
        nominees += [
            (one["clip_id"], one["confidence"], sureness.share(one["confidence"]))
            for one in row.refused
            # 0: refused by a rule or a person, which no limit changes; nor does it change what the verifier itself refused.
            if one.get("clip_id") and one.get("confidence") and not one["reason"].startswith((SAYS_NO, NOT_SAID))
        ]
        known = [ReplayCandidate(spec_of[clip_id], own, share) for clip_id, own, share in nominees if clip_id in spec_of]
        unknown += len(nominees) - len(known)
        spec = row.spec_key if row.pinned_seed is None else f"{row.spec_key}:{row.pinned_seed}"
        for nominee in known:
            if nominee.spec not in seen and nominee.spec not in before:
                before[nominee.spec] = sized(nominee.spec, by_spec.get(nominee.spec), row.created_at)
        if row.verdict == "exact" and spec not in seen and spec not in before:
            before[spec] = sized(spec, made.get(row.clip_id), row.created_at)
        stays = clip_id is not None or row.error_code is None
        if stays:
            seen.add(spec)
        refused = any(spec_of.get(one.get("clip_id") or "") == row.spec_key for one in row.refused)
        own_clip = made.get(clip_id) if clip_id is not None and spec_of.get(clip_id) == row.spec_key else None
        fresh = row.verdict == "bypass" or (row.verdict == "miss" and refused)
        more = {"nominees": tuple(known), "fresh": fresh, "took": _took(row, usual), "made": stays}
        asks.append(sized(spec, own_clip, row.created_at, **more))
    return Recorded(asks, before, unknown, rows[0].created_at if rows else None)


def _usual(rows: Sequence[Row[Any]]) -> float:
    """Seconds that a render took on average, from its request to its clip."""
    took = [row.completed_at - row.created_at for row in rows if row.verdict in {"miss", "bypass"} and row.completed_at is not None]
    return sum(took) / len(took) if took else 0.0


def _took(row: Row[Any], usual: float) -> float:
    """Seconds until the clip was there, or would have been: a hit and a cancelled request waited for none."""
    if row.verdict in {"exact", "near"} or row.error_code is not None:
        return usual
    return float("inf") if row.completed_at is None else max(0.0, row.completed_at - row.created_at)
