"""Leases, the workers' side of the queue: lease, renew, finish, fail, release, and the sweep for dead workers.

A lease is fenced by its attempt number: the write of a worker that lost its lease finds no row and becomes LeaseLost,
which rolls back all that came with it. Lock order as in queue.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.assist import Assistance
from cache.clip import StoredObject
from cache.errors import LeaseLost, OutOfMemory
from cache.recipe import Recipe
from cache.storage.clips.shelf import ClipDraft, Shelf
from cache.storage.database.database import Database
from cache.storage.database.rows import next_sequence
from cache.storage.tables import jobs, now
from generator.job import Job, JobState, Lease, Move, Priority
from generator.queue.dispatch import Dispatch
from generator.queue.rows import ALL_JOBS, held, job_of, move_job
from generator.queue.signals import Signals
from generator.queue.smaller import Step, step_down
from generator.queue.withdrawal import answer_all, fail_all
from generator.renderer import Progress
from generator.renders import Renders

TIMED_OUT = "timed_out"
WORKER_LOST = "worker_lost"
_LONGEST_MESSAGE = 500
_MOST = 100  # leases that one sweep looks at


@dataclass(frozen=True)
class LeaseTerms:
    """The terms of a lease. `lease`: seconds after which a silent worker is presumed dead. `job`: seconds that one attempt may take.
    `attempts`: lost workers after which a job fails. `keep`: seconds that a clip is served, None: no limit;
    `keep_private`: the same under no-store.
    """

    lease: float = 30.0
    job: float = 1800.0
    attempts: int = 3
    keep: float | None = None
    keep_private: float = 600.0


@dataclass(frozen=True)
class Made:
    """The result of a job; the job's row has the rest. The objects are stored under this clip id."""

    clip_id: str
    objects: Sequence[StoredObject]
    gpu_seconds: float
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    steps_ms: Sequence[float] = ()
    peak_bytes: int | None = None
    assistance: Assistance | None = None


@dataclass(frozen=True)
class Expired:
    """Job ids that one sweep put back into the queue, and those that it gave up."""

    queued: list[str]
    failed: list[str]


class Leases:
    def __init__(self, database: Database, shelf: Shelf, dispatch: Dispatch, signals: Signals, terms: LeaseTerms) -> None:
        self._database, self._shelf, self._dispatch, self._signals = database, shelf, dispatch, signals
        self.terms = terms
        self.renders = Renders()
        self._ends: set[tuple[str, int]] = set()  # leases that are being ended here, by job and attempt

    async def lease(self, worker: str, revision: str, limit: int | Callable[[str], int] = 1, job_id: str | None = None) -> list[Lease]:
        """The next job of this model revision: interactive ones first, then whose tenant holds the fewest leases, then whose
        tenant was served longest ago, then in order of submission. With `limit` above 1 a background job brings more of its
        Recipe along (a batch); it may depend on the Recipe's key. `job_id` is what a ticket names: that one or none.
        """
        free = and_(jobs.c.state == JobState.QUEUED.value, jobs.c.revision == revision)
        if job_id is not None:
            free = and_(free, jobs.c.id == job_id)
        first = select(jobs.c.id, jobs.c.priority, jobs.c.recipe_key).where(free).order_by(*_turn()).limit(1)
        async with self._database.read() as connection:
            if (await connection.execute(first)).first() is None:
                return []  # a worker that only looks takes no lock
        async with self._database.write() as connection:
            await next_sequence(connection)
            head = (await connection.execute(first)).one_or_none()
            if head is None:
                return []
            ids = [head.id]
            most = limit(head.recipe_key) if callable(limit) else limit
            if most > 1 and head.priority == Priority.BACKGROUND.value:
                more = and_(
                    jobs.c.state == JobState.QUEUED.value, jobs.c.priority == head.priority, jobs.c.recipe_key == head.recipe_key,
                    jobs.c.id != head.id,
                )  # fmt: skip
                ids += (await connection.scalars(select(jobs.c.id).where(more).order_by(jobs.c.place).limit(most - 1))).all()
            claim = {"worker": worker, "started_at": now(), "lease_until": now() + literal(self.terms.lease)}
            for leased in ids:
                await move_job(connection, leased, Move.LEASE, attempt=jobs.c.attempt + 1, **claim)
            rows = {row.id: row for row in await connection.execute(ALL_JOBS.where(jobs.c.id.in_(ids)))}
        leases = [Lease(job_of(rows[leased]), worker) for leased in ids]
        for lease in leases:
            self.renders.began(lease)
            self._signals.tell(lease.job.id)
        return leases

    async def renew(self, lease: Lease, progress: Progress | None = None) -> None:
        """Renews a lease, with the progress, which never goes back in the row. Raises LeaseLost: change nothing more."""
        fresh: dict[str, object] = {"lease_until": now() + literal(self.terms.lease)}
        if progress is not None:
            further = case((jobs.c.progress < progress.percent, progress.percent), else_=jobs.c.progress)
            fresh |= {"progress": further, "stage": progress.stage}
        async with self._database.write() as connection:
            renewed = await connection.execute(update(jobs).where(held(lease.job, lease.worker)).values(**fresh))
            if not renewed.rowcount:
                raise self._lost(lease)

    async def holds(self, lease: Lease) -> bool:
        """A look without a lock: whether the job was cancelled or taken away elsewhere."""
        async with self._database.read() as connection:
            holds = (await connection.execute(select(jobs.c.id).where(held(lease.job, lease.worker)))).first() is not None
        if not holds:
            self._lost(lease)
        return holds

    async def finish(self, lease: Lease, made: Made) -> None:
        """Clip, job and everyone's answer in one transaction. Calling it again after a commit whose answer was lost is fine."""
        with self._ending(lease):
            async with self._database.write() as connection:
                await next_sequence(connection)
                row = (await connection.execute(ALL_JOBS.where(jobs.c.id == lease.job.id))).one_or_none()
                ends = {"clip_id": made.clip_id, "progress": 100, "stage": "done"}
                if await move_job(connection, lease.job.id, Move.FINISH, held(lease.job, lease.worker), **ends):
                    assert row is not None, "it moved, so it is there"
                    keep = self.terms.keep if row.joinable else self.terms.keep_private
                    vectors = {row.embedder: row.vector} if row.embedder and row.vector and row.keep_words else {}
                    await self._shelf.add(connection, _draft(job_of(row), made, row.keep_words, tuple(row.tags), vectors, keep))
                    await answer_all(connection, lease.job.id, made.clip_id, made.gpu_seconds, made.assistance)
                elif row is None or row.clip_id != made.clip_id:
                    raise self._lost(lease)
            self.renders.ended(
                lease, "made", stages_ms=made.stages_ms, gpu_seconds=made.gpu_seconds, peak_bytes=made.peak_bytes, clip_id=made.clip_id
            )
        self._signals.tell(lease.job.id)

    async def step_down(self, lease: Lease, recipe: Recipe, note: str) -> Lease | None:
        """The same lease on the same words as a smaller clip (queue_smaller.py); None where somebody waits for this very size.
        LeaseLost: the smaller one is there already, or another job makes it; the askers have it or wait for that.
        """
        async with self._database.write() as connection:
            step = await step_down(connection, lease, recipe, note)
            if step is Step.DOWN:
                row = (await connection.execute(ALL_JOBS.where(jobs.c.id == lease.job.id))).one()
        self._signals.tell(lease.job.id)
        if step is Step.DOWN:
            return Lease(job_of(row), lease.worker)
        if step is Step.REFUSED:
            return None
        raise self._lost(lease)

    async def fail(self, lease: Lease, code: str, message: str) -> list[str]:
        """Returns the requests that had joined by nearness and are free again (see withdrawal.fail_all)."""
        with self._ending(lease):
            async with self._database.write() as connection:
                freed = await self._fail(connection, lease.job.id, code, message, held(lease.job, lease.worker))
                if freed is None:
                    raise self._lost(lease)
            self.renders.ended(lease, "out_of_memory" if code == OutOfMemory.code else "failed", code=code)
        self._signals.tell(lease.job.id)
        return freed

    async def _fail(
        self, connection: AsyncConnection, job_id: str, code: str, message: str, fence: ColumnElement[bool]
    ) -> list[str] | None:
        told = message[:_LONGEST_MESSAGE]
        if not await move_job(connection, job_id, Move.FAIL, fence, error_code=code, error_message=told):
            return None
        return await fail_all(connection, job_id, code, told)

    async def release(self, lease: Lease) -> None:
        """Hands the job back, in order; it keeps its place, and this attempt does not count as lost."""
        with self._ending(lease):
            async with self._database.write() as connection:
                if not await move_job(connection, lease.job.id, Move.RELEASE, held(lease.job, lease.worker)):
                    raise self._lost(lease)
                await self._dispatch.announce(connection, lease.job.id, lease.job.priority)
            self.renders.ended(lease, "returned")
        self._signals.tell(lease.job.id)
        self._dispatch.wake()

    @contextmanager
    def _ending(self, lease: Lease) -> Iterator[None]:
        """Marks a lease that this process is ending: a heartbeat that finds it gone came just after the commit, and is no loss."""
        self._ends.add((lease.job.id, lease.attempt))
        try:
            yield
        except LeaseLost:
            self.renders.ended(lease, "lost")
            raise
        finally:
            self._ends.discard((lease.job.id, lease.attempt))

    def _lost(self, lease: Lease) -> LeaseLost:
        if (lease.job.id, lease.attempt) not in self._ends:
            self.renders.ended(lease, "lost")
        return LeaseLost(f"{lease.job.id} is no longer leased under attempt {lease.attempt}")

    async def expire(self, *, every: bool = False) -> Expired:
        """The sweep. A lease that ran out puts its job back, or fails it once it has lost `attempts` workers. An attempt over
        its time whose worker still gives signs of life is failed: a hung render does that. (A lease that ran out long
        ago is no such attempt: nobody was there to sweep.)

        `every` takes all leases for lost: for the start of an embedded instance, where the only worker was the process
        before this one. A worker that lives after all is fenced off.
        """
        ran_out = literal(value=True) if every else jobs.c.lease_until <= now()
        over = jobs.c.started_at + literal(self.terms.job) <= now()
        lapsed = and_(jobs.c.state == JobState.LEASED.value, or_(ran_out, over))
        hung = and_(over, ~ran_out).label("hung")
        query = select(jobs.c.id, jobs.c.attempt, jobs.c.lost, jobs.c.priority, hung).where(lapsed)
        query = query.order_by(jobs.c.lease_until).limit(_MOST)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).all()
        queued, failed = [], []
        for row in found:
            # A transaction each, and the condition again in it: between the look and the move the worker may have renewed.
            fence = and_(jobs.c.attempt == row.attempt, lapsed)
            async with self._database.write() as connection:
                if row.hung or row.lost + 1 >= self.terms.attempts:
                    code, message = _given_up(row.hung, self.terms)
                    if await self._fail(connection, row.id, code, message, fence) is not None:
                        failed.append(row.id)
                elif await move_job(connection, row.id, Move.EXPIRE, fence, lost=jobs.c.lost + 1):
                    await self._dispatch.announce(connection, row.id, Priority(row.priority))
                    queued.append(row.id)
        for job_id in (*queued, *failed):
            self._dispatch.stop(job_id)
            self._signals.tell(job_id)
        if queued:
            self._dispatch.wake()
        return Expired(queued, failed)


def _turn() -> tuple[ColumnElement[Any], ...]:
    """The order of tenants: one with many jobs waits behind its own, and nobody else does."""
    theirs = jobs.alias("theirs")
    same = theirs.c.tenant == jobs.c.tenant
    held = select(func.count()).where(same, theirs.c.state == JobState.LEASED.value).scalar_subquery()
    served = select(func.coalesce(func.max(theirs.c.started_at), 0.0)).where(same).scalar_subquery()
    return (case((jobs.c.priority == Priority.INTERACTIVE.value, 0), else_=1), held, served, jobs.c.place)


def _given_up(hung: bool, terms: LeaseTerms) -> tuple[str, str]:
    if hung:
        return TIMED_OUT, f"the render took longer than {terms.job:g} seconds"
    return WORKER_LOST, f"{terms.attempts} workers were lost while they rendered this"


def _draft(job: Job, made: Made, keep_words: bool, tags: Sequence[str], vectors: Mapping[str, bytes], keep: float | None) -> ClipDraft:
    return ClipDraft(
        id=made.clip_id,
        tenant=job.tenant,
        scope=job.scope,
        variant_key=job.variant_key,
        spec_key=job.spec_key,
        prompt=(job.prompt or None) if keep_words else None,
        recipe=job.recipe if keep_words else job.recipe.without_words,
        seed=job.seed,
        take=job.take,
        gpu_seconds=made.gpu_seconds,
        objects=made.objects,
        stages_ms=made.stages_ms,
        notes=made.notes,
        steps_ms=made.steps_ms,
        peak_bytes=made.peak_bytes,
        tags=tags,
        vectors=vectors,
        keep_seconds=keep,
        private=not job.joinable,
        assistance=made.assistance,
        reserved=made.assistance is not None and job.reserved,
        job_id=job.id,
        asker=job.asker,
    )
