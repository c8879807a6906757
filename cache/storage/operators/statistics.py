"""Statistics of the cache: verdicts over time, answer times, GPU-seconds saved, and the measured precision of near hits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.precision import HitPrecision, precision
from cache.storage.database.database import Database
from cache.storage.operators.buckets import quantile
from cache.storage.operators.tally import HOUR, counted
from cache.storage.tables import clip_objects, clips, jobs, labels
from cache.verdict import VerdictWord

TimeWindow = Literal["hour", "day", "week"]
VERDICTS: tuple[VerdictWord, ...] = get_args(VerdictWord)
CLIENTS, BACKGROUND = "interactive", "background"

# Size of a slot, number of slots, and offset of the first: weeks start on Mondays, and 1 January 1970 was a Thursday.
VIEWS: dict[TimeWindow, tuple[int, int, int]] = {"hour": (HOUR, 48, 0), "day": (24 * HOUR, 30, 0), "week": (168 * HOUR, 26, 4 * 24 * HOUR)}
_EVER = 1e12  # a time after every request


@dataclass
class RequestCount:
    """Counts of requests of one kind. `made`, `saved`, `nearness_saved`: GPU-seconds; `nearness`: those that only the judge could answer.
    `assisted`: those whose own render started from a donor, and `assist_saved` what that spared, which is not in `saved`.
    """

    count: int = 0
    failed: int = 0
    made: float = 0.0
    saved: float = 0.0
    nearness: int = 0
    nearness_saved: float = 0.0
    assisted: int = 0
    assist_saved: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, other: RequestCount) -> None:
        self.count += other.count
        self.failed += other.failed
        self.made += other.made
        self.saved += other.saved
        self.nearness += other.nearness
        self.nearness_saved += other.nearness_saved
        self.assisted += other.assisted
        self.assist_saved += other.assist_saved
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def took(self, share: float) -> float | None:
        """The quantile `share` of the seconds from request to answer."""
        return quantile(self.buckets, share)


@dataclass
class Slot:
    """The counts of one slot from `start` (Unix seconds). `verdicts`: interactive requests; `background`: those of
    background priority, such as a plan's.
    """

    start: float
    seconds: int
    verdicts: dict[VerdictWord, RequestCount] = field(default_factory=lambda: {verdict: RequestCount() for verdict in VERDICTS})
    background: dict[VerdictWord, RequestCount] = field(default_factory=lambda: {verdict: RequestCount() for verdict in VERDICTS})

    @property
    def asked(self) -> int:
        return sum(count.count for count in self.verdicts.values())

    @property
    def hits(self) -> int:
        return self.verdicts["exact"].count + self.verdicts["near"].count

    @property
    def hit_rate(self) -> float | None:
        """The share of exact and near hits among all interactive requests."""
        return self.hits / self.asked if self.asked else None

    @property
    def saved(self) -> float:
        return sum(count.saved for count in (*self.verdicts.values(), *self.background.values()))

    @property
    def nearness_saved(self) -> float:
        return sum(count.nearness_saved for count in (*self.verdicts.values(), *self.background.values()))

    @property
    def assisted(self) -> int:
        return sum(count.assisted for count in (*self.verdicts.values(), *self.background.values()))

    @property
    def assist_saved(self) -> float:
        return sum(count.assist_saved for count in (*self.verdicts.values(), *self.background.values()))

    def add(self, other: Slot) -> None:
        for verdict in VERDICTS:
            self.verdicts[verdict].add(other.verdicts[verdict])
            self.background[verdict].add(other.background[verdict])


@dataclass(frozen=True)
class Stock:
    """The current stock. `bytes` counts every object that a row names, including those of withdrawn clips within their grace time."""

    clips: int
    bytes: int
    withdrawn: int
    withdrawn_bytes: int
    made_gpu_seconds: float
    queued: int
    queued_background: int
    rendering: int


class Statistics:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def slots(self, view: TimeWindow, now: float | None = None) -> list[Slot]:
        """All slots of the view, the current one last, including empty ones."""
        size, shown, offset = VIEWS[view]
        last = int(((time.time() if now is None else now) - offset) // size)
        first = last - shown + 1
        found = {at: Slot(float(at * size + offset), size) for at in range(first, last + 1)}
        async with self._database.read() as connection:
            await self._fill(connection, found, float(first * size + offset), float((last + 1) * size + offset), size, offset)
        return [found[at] for at in sorted(found)]

    async def since(self, start: float, until: float = _EVER) -> Slot:
        """The counts between two times; a pruned request counts by the start of its hour."""
        found: dict[int, Slot] = {0: Slot(start, int(min(until, _EVER) - start))}
        async with self._database.read() as connection:
            await self._fill(connection, found, start, until, 10**13, 0)
        return found[0]

    async def _fill(self, connection: AsyncConnection, found: dict[int, Slot], since: float, until: float, size: int, offset: int) -> None:
        for row in await connection.execute(counted(self._database, since, until, size, offset)):
            slot = found.get(row.slot)
            if slot is None:
                continue  # a pruned hour at the edge
            kinds = slot.background if row.priority == BACKGROUND else slot.verdicts
            # PostgreSQL's sums of whole numbers come as decimals, which no float can be multiplied with.
            counted_here = RequestCount(
                count=int(row.count),
                failed=int(row.failed),
                made=float(row.made),
                saved=float(row.saved),
                nearness=int(row.nearness),
                nearness_saved=float(row.nearness_saved),
                assisted=int(row.assisted),
                assist_saved=float(row.assist_saved),
                buckets={row.bucket: int(row.count)},
            )
            kinds[row.verdict].add(counted_here)

    async def stock(self) -> Stock:
        sizes = select(clips.c.state, func.count(clips.c.id.distinct()), func.sum(clip_objects.c.length))
        sizes = sizes.join(clip_objects, clip_objects.c.clip_id == clips.c.id).group_by(clips.c.state)
        waiting = select(jobs.c.state, jobs.c.priority, func.count()).where(jobs.c.state.in_(("queued", "leased")))
        async with self._database.read() as connection:
            kept = {state: (int(count), int(length or 0)) for state, count, length in await connection.execute(sizes)}
            made = float((await connection.execute(select(func.coalesce(func.sum(clips.c.gpu_seconds), 0.0)))).scalar_one())
            work = {
                (state, priority): int(count)
                for state, priority, count in await connection.execute(waiting.group_by(jobs.c.state, jobs.c.priority))
            }
        gone = kept.get("withdrawn", (0, 0))
        return Stock(
            clips=kept.get("live", (0, 0))[0],
            bytes=sum(length for _, length in kept.values()),
            withdrawn=gone[0],
            withdrawn_bytes=gone[1],
            made_gpu_seconds=made,
            queued=sum(count for (state, _), count in work.items() if state == "queued"),
            queued_background=work.get(("queued", BACKGROUND), 0),
            rendering=sum(count for (state, _), count in work.items() if state == "leased"),
        )

    async def precision(self, sources: Sequence[str] = ("admin", "audit")) -> HitPrecision:
        """The precision of near hits, by the latest full-weight label of these sources on each."""
        said = (labels.c.verdict == "near", labels.c.weight >= 1.0, labels.c.source.in_(sources))
        last = select(func.max(labels.c.id)).where(*said).group_by(labels.c.request_id)
        return await self._counted(last)

    async def assisted(self) -> HitPrecision:
        """The assisted clips that people or clients found right for their own words, by the latest full-weight label on each."""
        own = and_(clips.c.id == labels.c.clip_id, clips.c.spec_key == labels.c.spec_key, clips.c.donor.is_not(None))
        last = select(func.max(labels.c.id)).join(clips, own).where(labels.c.weight >= 1.0).group_by(labels.c.clip_id)
        return await self._counted(last)

    async def _counted(self, last: Select[Any]) -> HitPrecision:
        query = select(labels.c.right, func.count()).where(labels.c.id.in_(last)).group_by(labels.c.right)
        async with self._database.read() as connection:
            counts = {bool(right): int(count) for right, count in await connection.execute(query)}
        return precision(counts.get(True, 0), counts.get(False, 0))


def sum_of_slots(slots: Sequence[Slot]) -> Slot:
    """The sum of all slots."""
    total = Slot(slots[0].start, sum(slot.seconds for slot in slots))
    for slot in slots:
        total.add(slot)
    return total
