"""The queue, the requests' side: submit or join, withdraw, cancel, look. The workers' side is leases.py.

Rows decide; dispatch and signals only hurry. Lock order, in every transaction that touches a job: the sequence number
(rows.next_sequence) first, then jobs and clips, then requests. The number's row lock makes the moves of jobs serial in
all processes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import QueueFull
from cache.storage.database.database import Database
from cache.storage.database.rows import insert_ignoring, keep_recipe, next_sequence
from cache.storage.tables import clips, jobs
from generator.job import Job, JobState, Move, Priority
from generator.queue.dispatch import Dispatch
from generator.queue.rows import ALL_JOBS, OPEN_STATES, NewJob, OpenJob, job_of, job_row, made_meanwhile, move_job
from generator.queue.signals import Signals
from generator.queue.times import Places, QueuePosition, RenderTimes, read_waiting, retry_after
from generator.queue.withdrawal import CANCELLED, Withdrawn, fail_all, withdraw

_OF_ALL = and_(jobs.c.joinable, jobs.c.reserved.is_(False))  # what it makes may answer others


@dataclass(frozen=True)
class SubmittedJob:
    """A submitted job. `joined`: it existed before."""

    job_id: str
    joined: bool


@dataclass(frozen=True)
class AlreadyMade:
    """Between the lookup and the submit someone finished this very clip: no job is needed."""

    clip_id: str


class Queue:
    def __init__(self, database: Database, dispatch: Dispatch, signals: Signals, limit: int, tenant_limit: int | None = None) -> None:
        """`limit`: maximum open jobs; `tenant_limit`: those of one tenant."""
        self._database, self._dispatch, self._signals, self._limit = database, dispatch, signals, limit
        self._tenant_limit = limit if tenant_limit is None else tenant_limit
        self._times = RenderTimes()
        self._places = Places(self._times)

    # Asking

    async def submit(self, connection: AsyncConnection, new: NewJob) -> SubmittedJob | AlreadyMade:
        """Joins the open job of this Variant or makes one. The caller inserts its request in the same transaction, and
        calls `dispatch.wake()` after the commit. QueueFull leaves nothing behind, so the transaction may go on.

        The second look at the shelf is for this order of events: A and B look and find nothing; A submits, its job is
        rendered and finished; B submits, finds no open job, and would render the same clip again.
        """
        sequence = await next_sequence(connection)
        joined = await self._join(connection, new)
        if joined is not None:
            return joined
        if not new.fresh and (clip_id := await made_meanwhile(connection, new)) is not None:
            return AlreadyMade(clip_id)
        await self._check_room(connection, new.tenant)
        await keep_recipe(connection, new.variant.spec.recipe)
        inserted = await connection.execute(insert_ignoring(connection, jobs).values(**job_row(new, sequence)).returning(jobs.c.id))
        if inserted.scalar_one_or_none() is None:
            # The number's lock rules this out; the unique index holds even against a writer that forgot to take it.
            joined = await self._join(connection, new)
            assert joined is not None, "the insert met an open job of this variant"
            return joined
        await self._dispatch.announce(connection, new.id, new.priority)
        return SubmittedJob(new.id, joined=False)

    async def _check_room(self, connection: AsyncConnection, tenant: str) -> None:
        open_jobs = await read_waiting(connection)
        own = [job for job in open_jobs if job.tenant == tenant]
        for waiting, limit in ((open_jobs, self._limit), (own, self._tenant_limit)):
            if len(waiting) >= limit:
                wait = retry_after(waiting, limit, await self._times.known(connection))
                raise QueueFull(len(waiting), limit, wait)

    async def _join(self, connection: AsyncConnection, new: NewJob) -> SubmittedJob | None:
        query = select(jobs.c.id, jobs.c.state, jobs.c.priority).where(jobs.c.variant_key == new.key, OPEN_STATES)
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        if not new.allow_smaller:
            # What is made for several may be smaller only if all of them allow it.
            await connection.execute(update(jobs).where(jobs.c.id == row.id, jobs.c.allow_smaller).values(allow_smaller=False))
        await self._hurry(connection, row, new.priority)
        return SubmittedJob(row.id, joined=True)

    async def _hurry(self, connection: AsyncConnection, row: Any, priority: Priority) -> None:
        """A person who joins what was made ahead of time does not wait behind the rest of the plan."""
        if priority is Priority.INTERACTIVE and row.priority != priority.value:
            sequence = await next_sequence(connection)
            await connection.execute(update(jobs).where(jobs.c.id == row.id).values(priority=priority.value, sequence=sequence))
            if row.state == JobState.QUEUED.value:
                await self._dispatch.announce(connection, row.id, priority)

    async def join(self, connection: AsyncConnection, job_id: str, priority: Priority = Priority.INTERACTIVE) -> bool:
        """Joins one open job by its id (a near-duplicate); False where it is closed by now. As `submit`, in the
        transaction that inserts the request.
        """
        await next_sequence(connection)
        query = select(jobs.c.id, jobs.c.state, jobs.c.priority).where(jobs.c.id == job_id, _OF_ALL, OPEN_STATES)
        row = (await connection.execute(query)).one_or_none()
        if row is not None:
            await self._hurry(connection, row, priority)
        return row is not None

    async def raise_priority(self, job_id: str) -> bool:
        """Raises a job from background to interactive; False if it is closed or already interactive. If a worker has leased it, the render
        continues unchanged; a second attempt goes by the raised row.
        """
        async with self._database.write() as connection:
            await next_sequence(connection)
            query = select(jobs.c.id, jobs.c.state, jobs.c.priority).where(jobs.c.id == job_id, OPEN_STATES)
            row = (await connection.execute(query.where(jobs.c.priority == Priority.BACKGROUND.value))).one_or_none()
            if row is not None:
                await self._hurry(connection, row, Priority.INTERACTIVE)
        if row is not None:
            self._dispatch.wake()
            self._signals.tell(job_id)
        return row is not None

    async def withdraw(self, request_id: str, *, deleted: bool = False) -> Withdrawn:
        """See withdrawal.withdraw; stops the render in this process at once where nobody is left."""
        async with self._database.write() as connection:
            withdrawn = await withdraw(connection, request_id, deleted=deleted)
        self.told(withdrawn)
        return withdrawn

    def told(self, withdrawn: Withdrawn) -> None:
        """Notifies waiters, after the commit of a withdrawal in the caller's own transaction."""
        if withdrawn.job_id is not None:
            if withdrawn.stop:
                self._dispatch.stop(withdrawn.job_id)
            self._signals.tell(withdrawn.job_id)

    async def cancel(self, job_id: str, message: str = "cancelled") -> bool:
        """Whoever waits for it; False where it is closed already."""
        async with self._database.write() as connection:
            cancelled = await move_job(connection, job_id, Move.CANCEL, error_code=CANCELLED, error_message=message)
            if cancelled:
                await fail_all(connection, job_id, CANCELLED, message)
        if cancelled:
            self._dispatch.stop(job_id)
            self._signals.tell(job_id)
        return cancelled

    # Looking

    async def look(self, job_ids: Collection[str]) -> dict[str, tuple[Job, QueuePosition]]:
        """The existing jobs of these ids, each with position and time left, both None for a job that is not open."""
        if not job_ids:
            return {}
        async with self._database.read() as connection:
            found = [job_of(row) for row in await connection.execute(ALL_JOBS.where(jobs.c.id.in_(job_ids)))]
            places = await self._places.of(connection, {job.id for job in found if job.state in {JobState.QUEUED, JobState.LEASED}})
        return {job.id: (job, _place(job, places.get(job.id, QueuePosition(None, None)))) for job in found}

    async def open_of_spec(self, connection: AsyncConnection, spec_key: str) -> list[Job]:
        """Open jobs of all its takes, highest first, then those of pinned seeds."""
        query = ALL_JOBS.where(jobs.c.spec_key == spec_key, _OF_ALL, OPEN_STATES)
        rows = await connection.execute(query.order_by(jobs.c.take.is_(None), jobs.c.take.desc(), jobs.c.place.desc()))
        return [job_of(row) for row in rows]

    async def open_jobs(self, connection: AsyncConnection, scope: str, recipe_key: str, after: int = 0, limit: int = 1000) -> list[OpenJob]:
        """Open jobs that a near-duplicate in this Partition may join, oldest first; `after`: the last `place` seen."""
        j = jobs.c
        query = select(j.id, j.place, j.prompt, j.state, j.embedder, j.vector).where(j.scope == scope, j.recipe_key == recipe_key)
        query = query.where(_OF_ALL, j.place > after, OPEN_STATES).order_by(j.place).limit(limit)
        return [OpenJob(*row[:3], JobState(row.state), *row[4:]) for row in await connection.execute(query)]

    async def next_take(self, connection: AsyncConnection, spec_key: str) -> int:
        """The next take: one more than the highest that exists or is being rendered; 0 if there is none."""
        made = select(func.max(clips.c.take)).where(clips.c.spec_key == spec_key)
        coming = select(func.max(jobs.c.take)).where(
            jobs.c.spec_key == spec_key, or_(OPEN_STATES, jobs.c.state == JobState.DONE.value)
        )  # fmt: skip
        highest = [(await connection.execute(query)).scalar_one() for query in (made, coming)]
        return max((int(take) for take in highest if take is not None), default=-1) + 1

    async def depth(self, connection: AsyncConnection) -> int:
        return int((await connection.execute(select(func.count()).select_from(jobs).where(OPEN_STATES))).scalar_one())

    async def people_wait(self, connection: AsyncConnection) -> bool:
        """True if an interactive job has no worker yet."""
        waits = select(jobs.c.id).where(jobs.c.state == JobState.QUEUED.value, jobs.c.priority == Priority.INTERACTIVE.value)
        return (await connection.execute(waits.limit(1))).first() is not None


def _place(job: Job, known: QueuePosition) -> QueuePosition:
    """The position from the cached queue, which may be older than the job's row."""
    return replace(known, position=None) if job.state is JobState.LEASED else known
