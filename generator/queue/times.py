"""Measured times of renders, and the estimates for waiting jobs."""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.tables import jobs, now
from generator.job import JobState, Priority
from generator.queue.rows import OPEN_STATES

_RECENT = 200  # done jobs that the medians are made of
_FRESH = 2.0  # seconds that they are kept
_KEPT = 10  # times as long as it took to read them places are kept
_UNKNOWN_WAIT = 5.0  # seconds, said where nothing was measured yet


@dataclass(frozen=True)
class QueuePosition:
    """A position in the queue, from 1, None once a worker has the job. `eta_seconds` is None before the first measurement."""

    position: int | None
    eta_seconds: float | None


@dataclass(frozen=True)
class Waiting:
    """An open job, with the facts that matter to those behind it."""

    id: str
    place: int
    priority: Priority
    state: JobState
    recipe_key: str
    revision: str
    worker: str | None
    elapsed: float
    progress: int
    tenant: str = ""
    ahead: int = 0  # jobs of its own tenant that are leased or come before it

    @property
    def turn(self) -> tuple[bool, bool, int, int]:
        """The order of leasing, as it is foreseen; what is leased comes before all that is not."""
        return (self.state is JobState.QUEUED, self.priority is Priority.BACKGROUND, self.ahead, self.place)


@dataclass(frozen=True)
class Medians:
    """Seconds of a render: by recipe, by model revision, over all."""

    recipes: dict[str, float]
    revisions: dict[str, float]
    overall: float | None

    def of(self, recipe_key: str, revision: str) -> float | None:
        return self.recipes.get(recipe_key, self.revisions.get(revision))


def medians(measured: Iterable[tuple[str, str, float]]) -> Medians:
    """The median times, from (recipe key, revision, seconds) of recent renders."""
    recipes: dict[str, list[float]] = {}
    revisions: dict[str, list[float]] = {}
    every: list[float] = []
    for recipe_key, revision, seconds in measured:
        recipes.setdefault(recipe_key, []).append(seconds)
        revisions.setdefault(revision, []).append(seconds)
        every.append(seconds)
    return Medians(
        {key: statistics.median(times) for key, times in recipes.items()},
        {key: statistics.median(times) for key, times in revisions.items()},
        statistics.median(every) if every else None,
    )


def standings(waiting: Sequence[Waiting], known: Medians) -> dict[str, QueuePosition]:
    """The positions of `waiting`, which is in the order of leasing. Jobs of other model revisions wait for other workers and
    do not count."""
    found: dict[str, QueuePosition] = {}
    queued, work = defaultdict[str, int](int), defaultdict[str, float](float)  # jobs before this one and their seconds, by revision
    at_work = {revision: lanes(waiting, revision) for revision in {one.revision for one in waiting}}
    for one in waiting:
        render = known.of(one.recipe_key, one.revision)
        left = _remaining(one, render)
        if one.state is JobState.LEASED:
            found[one.id] = QueuePosition(None, left)
        else:
            queued[one.revision] += 1
            eta = None if render is None else work[one.revision] / at_work[one.revision] + render
            found[one.id] = QueuePosition(queued[one.revision], eta)
        work[one.revision] += left or 0.0
    return found


def _remaining(job: Waiting, render: float | None) -> float | None:
    if job.state is JobState.QUEUED:
        return render
    if render is not None:
        return max(render - job.elapsed, 0.0)
    return job.elapsed * (100 - job.progress) / job.progress if job.progress >= 10 else None


def lanes(waiting: Iterable[Waiting], revision: str | None = None) -> int:
    """The number of active workers, at least one: an idle queue has a worker that waits."""
    busy = {one.worker for one in waiting if one.state is JobState.LEASED and revision in {None, one.revision}}
    return max(1, len(busy))


def retry_after(waiting: Sequence[Waiting], limit: int, known: Medians) -> float:
    """Seconds until as many renders are done as must be for one more job to fit."""
    surplus = max(1, len(waiting) - limit + 1)
    if known.overall is None:
        return _UNKNOWN_WAIT
    return max(1.0, surplus * known.overall / lanes(waiting))


class RenderTimes:
    """The medians, read from the rows at most every few seconds."""

    def __init__(self) -> None:
        self._known = Medians({}, {}, None)
        self._stale_at = 0.0

    async def known(self, connection: AsyncConnection) -> Medians:
        if time.monotonic() >= self._stale_at:
            took = jobs.c.finished_at - jobs.c.started_at
            query = select(jobs.c.recipe_key, jobs.c.revision, took).where(jobs.c.state == JobState.DONE.value)
            rows = await connection.execute(query.order_by(jobs.c.finished_at.desc()).limit(_RECENT))
            self._known = medians((recipe_key, revision, float(seconds)) for recipe_key, revision, seconds in rows)
            self._stale_at = time.monotonic() + _FRESH
        return self._known


class Places:
    """The positions of open jobs. One position needs the whole queue, so the result is cached for ten times as long as reading
    took: however many ask, and however long the queue, a tenth of the time goes into it at the most."""

    def __init__(self, times: RenderTimes) -> None:
        self._times = times
        self._known: dict[str, QueuePosition] = {}
        self._stale_at = 0.0

    async def of(self, connection: AsyncConnection, job_ids: Collection[str]) -> dict[str, QueuePosition]:
        """Position and time left of each open job; a newer job causes a new reading."""
        began = time.monotonic()
        if began >= self._stale_at or not self._known.keys() >= set(job_ids):
            self._known = standings(await read_waiting(connection), await self._times.known(connection))
            ended = time.monotonic()
            self._stale_at = ended + _KEPT * (ended - began)
        return self._known


async def read_waiting(connection: AsyncConnection) -> list[Waiting]:
    """All open jobs, in the order of leasing; the queue limit bounds them."""
    j = jobs.c
    query = select(
        j.id, j.place, j.priority, j.state, j.recipe_key, j.revision, j.worker, (now() - j.started_at).label("elapsed"), j.progress,
        j.tenant,
    )  # fmt: skip
    return in_turns(_waiting_of(row) for row in await connection.execute(query.where(OPEN_STATES)))


def in_turns(found: Iterable[Waiting]) -> list[Waiting]:
    """Every tenant's first before anybody's second, within a priority."""
    before: Counter[str] = Counter()
    placed = []
    for one in sorted(found, key=lambda one: one.turn):
        placed.append(replace(one, ahead=before[one.tenant] if one.state is JobState.QUEUED else 0))
        before[one.tenant] += 1
    return sorted(placed, key=lambda one: one.turn)


def _waiting_of(row: Row[Any]) -> Waiting:
    state = JobState(row.state)
    elapsed = 0.0 if state is JobState.QUEUED else float(row.elapsed)
    return Waiting(
        row.id, row.place, Priority(row.priority), state, row.recipe_key, row.revision, row.worker, elapsed, row.progress, row.tenant
    )
