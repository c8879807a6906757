"""The queue against a plain model of it: any order of asks, leases, deaths, late workers, cancels and withdrawals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, update

from cache.errors import LeaseLost
from cache.storage.tables import clips, jobs, requests
from cache.variant import Variant
from generator.job import Lease, Priority
from generator.queue.leases import LeaseTerms, Made
from generator.queue.queue import AlreadyMade, SubmittedJob
from generator.queue.withdrawal import adopt_clip, adopt_orphan
from generator.renderer import Progress
from tests.databases import DATABASES
from tests.stage import SERVED, Stage, made, new_job, seeded, set_stage, take

T = TypeVar("T")

VARIANTS: tuple[Variant, ...] = (take("a"), take("a", 1), take("a", 2), seeded("a", 7), take("b"))
MOSTLY = st.sampled_from([True, True, True, False])
ATTEMPTS = 2


@dataclass
class ModelJob:
    variant: Variant
    background: bool
    place: int
    joinable: bool
    state: str = "queued"
    attempt: int = 0
    lost: int = 0
    progress: int = 0
    clip: str | None = None


@dataclass
class ModelRequest:
    variant: Variant
    near: bool
    job: str | None
    clip: str | None = None
    error: str | None = None

    @property
    def waits(self) -> bool:
        return self.clip is None and self.error is None


@dataclass
class ModelClip:
    variant: Variant
    state: str


def _take(variant: Variant) -> int:
    return -1 if variant.take is None else variant.take


@dataclass
class Model:
    jobs: dict[str, ModelJob] = field(default_factory=dict)
    requests: dict[str, ModelRequest] = field(default_factory=dict)
    clips: dict[str, ModelClip] = field(default_factory=dict)

    def open_job(self, variant: Variant) -> str | None:
        return next((key for key, job in self.jobs.items() if job.variant == variant and job.joinable and self.is_open(key)), None)

    def is_open(self, job: str) -> bool:
        return self.jobs[job].state in {"queued", "leased"}

    def waiting(self, job: str) -> list[ModelRequest]:
        return [one for one in self.requests.values() if one.job == job and one.waits]

    def answers(self, variant: Variant) -> set[str]:
        """Live clips that make a job for `variant` needless."""
        same = (key for key, clip in self.clips.items() if clip.state == "live" and clip.variant.spec.key == variant.spec.key)
        if variant.take is None:
            return {key for key in same if self.clips[key].variant == variant}
        return {key for key in same if _take(self.clips[key].variant) >= variant.take}

    def add_clip(self, key: str, variant: Variant, joinable: bool) -> None:
        if not joinable:
            self.clips[key] = ModelClip(variant, "superseded")
            return
        live = [clip for clip in self.clips.values() if clip.state == "live" and clip.variant.spec.key == variant.spec.key]
        takes = [clip for clip in live if clip.variant.take is not None]
        if variant.take is not None and any(_take(clip.variant) > variant.take for clip in takes):
            self.clips[key] = ModelClip(variant, "superseded")
            return
        for clip in takes if variant.take is not None else [clip for clip in live if clip.variant == variant]:
            clip.state = "superseded"
        self.clips[key] = ModelClip(variant, "live")

    def end(self, job: str, state: str, error: str) -> set[str]:
        """Closes a job without a clip; returns the requests set free."""
        self.jobs[job].state = state
        freed = set()
        for key, one in self.requests.items():
            if one.job == job and one.waits:
                if one.near:
                    one.job = None
                    freed.add(key)
                else:
                    one.error = error
        return freed

    def orphans(self) -> set[str]:
        return {key for key, one in self.requests.items() if one.waits and one.job is None}

    def next_job(self) -> str | None:
        queued = [key for key, job in self.jobs.items() if job.state == "queued"]
        return min(queued, key=lambda key: (self.jobs[key].background, self.jobs[key].place), default=None)

    def holds(self, lease: Lease) -> bool:
        job = self.jobs[lease.job.id]
        return job.state == "leased" and job.attempt == lease.attempt


class QueueMachine(RuleBasedStateMachine):
    backend = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open = AsyncExitStack()
        self.model = Model()
        self.leases: list[Lease] = []
        self.places = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        folder = Path(self.open.enter_context(TemporaryDirectory()))

        async def start() -> Stage:
            database = await self.open.enter_async_context(DATABASES[self.backend](folder))
            return set_stage(database, folder, LeaseTerms(attempts=ATTEMPTS))

        self.stage = self.run(start())

    def teardown(self) -> None:
        self.run(self.open.aclose())
        self.runner.close()

    # Asking

    @rule(
        variant=st.sampled_from(VARIANTS),
        background=st.booleans(),
        joinable=st.sampled_from([True, True, True, False]),
        fresh=st.booleans(),
    )
    def ask(self, variant: Variant, background: bool, joinable: bool, fresh: bool) -> None:
        priority = Priority.BACKGROUND if background else Priority.INTERACTIVE
        request, found = self.run(self.stage.ask(variant, priority=priority, joinable=joinable, fresh=fresh))
        self.model.requests[request] = ModelRequest(variant, near=False, job=None)
        self.note(request, found, variant, background=background, joinable=joinable, fresh=fresh)

    def note(
        self,
        request: str,
        found: SubmittedJob | AlreadyMade,
        variant: Variant,
        *,
        background: bool,
        joinable: bool = True,
        fresh: bool = False,
    ) -> None:
        """What submit must have answered, and what it means for the request."""
        joined = self.model.open_job(variant) if joinable else None
        asked = self.model.requests[request]
        if joined is not None:
            assert found == SubmittedJob(joined, joined=True)
            self.model.jobs[joined].background &= background
            asked.job = joined
        elif not fresh and (answers := self.model.answers(variant)):
            assert isinstance(found, AlreadyMade)
            assert found.clip_id in answers
            asked.clip = found.clip_id
        else:
            assert isinstance(found, SubmittedJob)
            assert not found.joined
            self.places += 1
            self.model.jobs[found.job_id] = ModelJob(variant, background, self.places, joinable)
            asked.job = found.job_id

    @precondition(lambda self: any(map(self.model.is_open, self.model.jobs)))
    @rule(data=st.data(), variant=st.sampled_from(VARIANTS), sensible=MOSTLY)
    def join_by_nearness(self, data: st.DataObject, variant: Variant, sensible: bool) -> None:
        job = self.draw(data, self.model.jobs, self.model.is_open, sensible)
        request = self.run(self.stage.join_near(variant, job))
        assert (request is not None) == (self.model.is_open(job) and self.model.jobs[job].joinable)
        if request is not None:
            self.model.requests[request] = ModelRequest(variant, near=True, job=job)
            self.model.jobs[job].background = False

    @precondition(lambda self: any(one.waits for one in self.model.requests.values()))
    @rule(data=st.data(), deleted=st.booleans(), sensible=MOSTLY)
    def withdraw(self, data: st.DataObject, deleted: bool, sensible: bool) -> None:
        request = self.draw(data, self.model.requests, lambda key: self.model.requests[key].waits, sensible)
        withdrawn = self.run(self.stage.queue.withdraw(request, deleted=deleted))
        one = self.model.requests[request]
        waited, job = one.waits, one.job
        if waited:
            one.error = "cancelled"
        stops = waited and job is not None and not self.model.waiting(job)
        assert withdrawn.stop == stops
        if stops:
            assert job is not None
            self.model.jobs[job].state = "cancelled"

    @precondition(lambda self: any(map(self.model.is_open, self.model.jobs)))
    @rule(data=st.data(), sensible=MOSTLY)
    def cancel(self, data: st.DataObject, sensible: bool) -> None:
        job = self.draw(data, self.model.jobs, self.model.is_open, sensible)
        cancelled = self.run(self.stage.queue.cancel(job))
        assert cancelled == self.model.is_open(job)
        if cancelled:
            self.model.end(job, "cancelled", "cancelled")

    @precondition(lambda self: any(job.background for job in self.model.jobs.values()))
    @rule(data=st.data(), sensible=MOSTLY)
    def raise_priority(self, data: st.DataObject, sensible: bool) -> None:
        """The next `lease` sees its new place: the order is the model's own."""
        job = self.draw(data, self.model.jobs, lambda key: self.model.is_open(key) and self.model.jobs[key].background, sensible)
        raised = self.run(self.stage.queue.raise_priority(job))
        assert raised == (self.model.is_open(job) and self.model.jobs[job].background)
        if raised:
            self.model.jobs[job].background = False

    def draw(self, data: st.DataObject, keys: Iterable[str], fits: Callable[[str], bool], sensible: bool) -> str:
        """One of `keys`, and where it can be one on which the move has an effect."""
        every = sorted(keys)
        fitting = [key for key in every if fits(key)]
        return data.draw(st.sampled_from(fitting if fitting and sensible else every))

    @precondition(lambda self: self.model.orphans())
    @rule()
    def adopt_orphans(self) -> None:
        async def sweep() -> list[tuple[str, SubmittedJob | AlreadyMade]]:
            adopted = []
            waiting = [orphan.id for orphan in await self.stage.asked.orphans(100)]
            async with self.stage.database.write() as connection:
                for request in waiting:
                    found = await self.stage.queue.submit(connection, new_job(self.model.requests[request].variant))
                    if isinstance(found, AlreadyMade):
                        assert await adopt_clip(connection, request, found.clip_id, 1.0)
                    else:
                        assert await adopt_orphan(connection, request, found.job_id, joined=found.joined)
                    adopted.append((request, found))
            return adopted

        adopted = self.run(sweep())
        assert {request for request, _ in adopted} == self.model.orphans()
        for request, found in adopted:
            one = self.model.requests[request]
            one.near = False
            self.note(request, found, one.variant, background=False)

    # Working

    @precondition(lambda self: self.model.next_job())
    @rule()
    def lease(self) -> None:
        leases = self.run(self.stage.leases.lease("worker", SERVED.revision))
        expected = self.model.next_job()
        assert [lease.job.id for lease in leases] == ([] if expected is None else [expected])
        for lease in leases:
            job = self.model.jobs[lease.job.id]
            job.state, job.attempt = "leased", job.attempt + 1
            assert lease.attempt == job.attempt
            self.leases.append(lease)

    @precondition(lambda self: self.model.next_job())
    @rule(data=st.data())
    def lease_and_finish(self, data: st.DataObject) -> None:
        """The usual course, as one step: a random walk seldom takes it."""
        self.lease()
        self.work(data, "finish", 100)

    @precondition(lambda self: any(map(self.model.holds, self.leases)))
    @rule(data=st.data(), move=st.sampled_from(["finish", "finish", "fail", "release", "renew"]), percent=st.integers(0, 100))
    def work(self, data: st.DataObject, move: str, percent: int) -> None:
        lease = data.draw(st.sampled_from([lease for lease in self.leases if self.model.holds(lease)]))
        job, clip = self.model.jobs[lease.job.id], made()
        self.run(self.write(lease, move, percent, clip))
        if move == "finish":
            for one in self.model.waiting(lease.job.id):
                one.clip = clip.clip_id
            job.state, job.progress, job.clip = "done", 100, clip.clip_id
            self.model.add_clip(clip.clip_id, job.variant, job.joinable)
        elif move == "fail":
            freed = self.model.end(lease.job.id, "failed", "render_failed")
            assert freed <= self.model.orphans()
        elif move == "release":
            job.state = "queued"
        else:
            job.progress = max(job.progress, percent)

    @precondition(lambda self: not all(map(self.model.holds, self.leases)))
    @rule(data=st.data(), move=st.sampled_from(["finish", "fail", "release", "renew"]))
    def come_late(self, data: st.DataObject, move: str) -> None:
        """A worker that lost its lease tries to write; the invariants see that nothing changed."""
        lease = data.draw(st.sampled_from([lease for lease in self.leases if not self.model.holds(lease)]))
        with pytest.raises(LeaseLost):
            self.run(self.write(lease, move, 100, made()))

    def write(self, lease: Lease, move: str, percent: int, clip: Made) -> Coroutine[Any, Any, object]:
        match move:
            case "finish":
                return self.stage.leases.finish(lease, clip)
            case "fail":
                return self.stage.leases.fail(lease, "render_failed", "it failed")
            case "release":
                return self.stage.leases.release(lease)
            case _:
                return self.stage.leases.renew(lease, Progress("denoise", percent))

    @precondition(lambda self: any(job.state == "leased" for job in self.model.jobs.values()))
    @rule(data=st.data())
    def workers_die(self, data: st.DataObject) -> None:
        """Some leases run out, then a sweep. Those that hold are left alone."""
        leased = sorted(key for key, job in self.model.jobs.items() if job.state == "leased")
        dead = [key for key in leased if data.draw(st.booleans())]

        async def sweep() -> tuple[list[str], list[str]]:
            async with self.stage.database.write() as connection:
                await connection.execute(update(jobs).where(jobs.c.id.in_(dead)).values(lease_until=0.0))
            expired = await self.stage.leases.expire()
            return sorted(expired.queued), sorted(expired.failed)

        queued, failed = self.run(sweep())
        assert sorted(queued + failed) == dead
        for key in dead:
            job = self.model.jobs[key]
            job.lost += 1
            assert (key in failed) == (job.lost >= ATTEMPTS)
            if key in failed:
                self.model.end(key, "failed", "worker_lost")
            else:
                job.state = "queued"

    # What always holds

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        async def read() -> tuple[list[Any], list[Any], list[Any]]:
            async with self.stage.database.read() as connection:
                return (
                    list(await connection.execute(select(jobs))),
                    list(await connection.execute(select(requests))),
                    list(await connection.execute(select(clips))),
                )

        job_rows, request_rows, clip_rows = self.run(read())
        assert {row.id: (row.state, row.attempt, row.progress, row.clip_id) for row in job_rows} == {
            key: (job.state, job.attempt, job.progress, job.clip) for key, job in self.model.jobs.items()
        }
        assert {row.id: (row.job_id if row.clip_id is None else None, row.clip_id, row.error_code) for row in request_rows} == {
            key: (one.job if one.clip is None else None, one.clip, one.error) for key, one in self.model.requests.items()
        }
        assert {row.id: row.state for row in clip_rows} == {key: clip.state for key, clip in self.model.clips.items()}
        self.hold(job_rows, request_rows, clip_rows)

    def hold(self, job_rows: list[Any], request_rows: list[Any], clip_rows: list[Any]) -> None:
        """The promises themselves, read from the rows alone."""
        alive = {row.id: row for row in job_rows if row.state in {"queued", "leased"}}
        assert len({row.variant_key for row in alive.values()}) == len(alive), "one open job per Variant"
        made_by = [row.job_id for row in clip_rows]
        assert sorted(made_by) == sorted(row.id for row in job_rows if row.state == "done"), "one clip per done job"
        waiting = [row for row in request_rows if row.clip_id is None and row.error_code is None]
        assert all(row.job_id is None or row.job_id in alive for row in waiting), "nobody waits for a closed job"
        assert {row.job_id for row in waiting} >= set(alive), "no open job without someone who wants it"
        kept = {row.id for row in clip_rows}
        assert all(row.clip_id in kept for row in request_rows if row.clip_id is not None)
        numbers = [row.sequence for row in (*job_rows, *clip_rows)]
        assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("backend", sorted(DATABASES))
def test_the_queue_does_what_its_model_does(backend: str) -> None:
    machine = type("Machine", (QueueMachine,), {"backend": backend})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)),
    )
