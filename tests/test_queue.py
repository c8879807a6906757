"""The contract of the queue, on every database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import LeaseLost, QueueFull
from cache.storage.database.database import Database
from cache.storage.tables import clip_vectors
from generator.job import JobState, Priority
from generator.queue import times
from generator.queue.leases import LeaseTerms
from generator.queue.queue import AlreadyMade, SubmittedJob
from generator.queue.times import QueuePosition, Waiting, in_turns, medians, retry_after, standings
from generator.queue.withdrawal import adopt_clip, adopt_orphan, withdraw
from generator.renderer import Progress
from tests.stage import SERVED, Stage, draft, made, new_job, seeded, set_stage, take

REVISION = SERVED.revision
BACKGROUND = Priority.BACKGROUND


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


# Submit or join


async def test_the_same_variant_joins_and_another_does_not(stage: Stage) -> None:
    _, first = await stage.ask(take())
    request, second = await stage.ask(take("A red ball!"))
    _, other = await stage.ask(take("a blue ball"))
    assert isinstance(first, SubmittedJob)
    assert isinstance(other, SubmittedJob)
    assert not first.joined
    assert second == SubmittedJob(first.job_id, joined=True)
    assert other.job_id != first.job_id
    assert (await stage.row("requests", request)).verdict == "joined"


async def test_fifty_at_once_make_one_job(stage: Stage) -> None:
    asked = await asyncio.gather(*(stage.ask(take()) for _ in range(50)))
    assert len({found.job_id for _, found in asked if isinstance(found, SubmittedJob)}) == 1
    assert sum(not found.joined for _, found in asked if isinstance(found, SubmittedJob)) == 1


async def test_a_rollback_leaves_no_job(stage: Stage) -> None:
    with pytest.raises(RuntimeError):
        async with stage.database.write() as connection:
            await stage.queue.submit(connection, new_job(take()))
            raise RuntimeError
    assert await stage.leases.lease("w", REVISION) == []


async def test_a_spec_finished_since_the_lookup_is_not_rendered_again(stage: Stage) -> None:
    await stage.job_for(take())
    (lease,) = await stage.leases.lease("w", REVISION)
    await stage.leases.finish(lease, clip := made())
    _, found = await stage.ask(take())
    assert found == AlreadyMade(clip.clip_id)
    _, again = await stage.ask(take(), fresh=True)
    assert isinstance(again, SubmittedJob)


async def test_a_sign_of_life_just_after_the_end_is_no_loss(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    stage.leases.renders.at_every_end(lambda end: ended.append(end.outcome))
    write = stage.database.write

    @asynccontextmanager
    async def told_late() -> AsyncIterator[AsyncConnection]:
        async with write() as connection:
            yield connection
        monkeypatch.undo()
        assert not await stage.leases.holds(lease)
        with pytest.raises(LeaseLost):
            await stage.leases.renew(lease)

    for words, outcome in (("a red ball", "made"), ("a blue ball", "failed"), ("a white ball", "returned")):
        await stage.job_for(take(words))
        (lease,) = await stage.leases.lease("w", REVISION)
        monkeypatch.setattr(stage.database, "write", told_late)
        match outcome:
            case "made":
                await stage.leases.finish(lease, made())
            case "failed":
                await stage.leases.fail(lease, "render_failed", "no")
            case _:
                await stage.leases.release(lease)
    assert ended == ["made", "failed", "returned"]
    (again,) = await stage.leases.lease("w", REVISION)
    await stage.leases.expire(every=True)
    assert not await stage.leases.holds(again)
    assert ended[3:] == ["lost"]


async def test_a_higher_take_answers_a_lower_one_but_no_pinned_seed(stage: Stage) -> None:
    await stage.add(draft(take(number=1)))
    assert isinstance((await stage.ask(take(number=0)))[1], AlreadyMade)
    assert isinstance((await stage.ask(take(number=2)))[1], SubmittedJob)
    assert isinstance((await stage.ask(seeded()))[1], SubmittedJob)


async def test_no_store_joins_nobody(stage: Stage) -> None:
    jobs = {await stage.job_for(take(), joinable=joinable) for joinable in (False, True, False)}
    assert len(jobs) == 3
    async with stage.database.read() as connection:
        assert [job.joinable for job in await stage.queue.open_of_spec(connection, take().spec.key)] == [True]
        assert len(await stage.queue.open_jobs(connection, take().spec.scope, take().spec.recipe.key)) == 1


async def test_a_full_queue_refuses_without_a_trace_and_still_lets_join(database: Database, tmp_path: Path) -> None:
    stage = set_stage(database, tmp_path, limit=2)
    await stage.ask(take("one"))
    await stage.ask(take("two"))
    async with database.write() as connection:
        with pytest.raises(QueueFull, match="2 jobs wait; the limit is 2") as refused:
            await stage.queue.submit(connection, new_job(take("three")))
        joined = await stage.queue.submit(connection, new_job(take("two")))
    assert refused.value.retry_after == 5.0, "nothing was measured yet"
    assert isinstance(joined, SubmittedJob)
    async with database.read() as connection:
        assert await stage.queue.depth(connection) == 2


async def test_takes_are_counted_over_clips_and_jobs(stage: Stage) -> None:
    async def next_take() -> int:
        async with stage.database.read() as connection:
            return await stage.queue.next_take(connection, take().spec.key)

    assert await next_take() == 0
    await stage.ask(seeded())
    assert await next_take() == 0
    await stage.add(draft(take(number=0)))
    assert await next_take() == 1
    job = await stage.job_for(take(number=1))
    assert await next_take() == 2
    await stage.queue.cancel(job)
    assert await next_take() == 1


async def test_a_near_duplicate_joins_only_an_open_job(stage: Stage) -> None:
    job = await stage.job_for(take())
    assert await stage.join_near(take("a crimson ball"), job) is not None
    await stage.queue.cancel(job)
    assert await stage.join_near(take("a crimson ball"), job) is None


# Leases


async def test_interactive_first_then_in_order_and_back_in_place(stage: Stage) -> None:
    plan = [await stage.job_for(take(f"plan {n}"), priority=BACKGROUND) for n in range(3)]
    person = await stage.job_for(take("person"))
    taken = [(await stage.leases.lease("w", REVISION))[0] for _ in range(2)]
    assert [lease.job.id for lease in taken] == [person, plan[0]]
    await stage.leases.release(taken[1])
    assert [(await stage.leases.lease("w", REVISION))[0].job.id for _ in range(3)] == plan


async def test_a_person_who_joins_hurries_a_planned_job(stage: Stage) -> None:
    await stage.job_for(take("plan 0"), priority=BACKGROUND)
    planned = await stage.job_for(take("plan 1"), priority=BACKGROUND)
    assert await stage.job_for(take("plan 1")) == planned
    assert (await stage.leases.lease("w", REVISION))[0].job.id == planned


async def test_a_lease_is_for_the_loaded_revision(stage: Stage) -> None:
    job = await stage.job_for(take())
    assert await stage.leases.lease("w", "another") == []
    assert await stage.leases.lease("w", REVISION, job_id="job_of_a_late_ticket") == []
    assert [lease.job.id for lease in await stage.leases.lease("w", REVISION, job_id=job)] == [job]


async def test_a_batch_holds_background_jobs_of_one_recipe(stage: Stage) -> None:
    planned = [await stage.job_for(take(f"plan {n}"), priority=BACKGROUND) for n in range(3)]
    assert [lease.job.id for lease in await stage.leases.lease("w", REVISION, limit=2)] == planned[:2]
    await stage.job_for(take("person"))
    assert len(await stage.leases.lease("w", REVISION, limit=4)) == 1


async def test_many_workers_one_lease_each(stage: Stage) -> None:
    jobs = {await stage.job_for(take(f"clip {n}")) for n in range(5)}
    taken = await asyncio.gather(*(stage.leases.lease(f"w{n}", REVISION) for n in range(10)))
    leased = [lease.job.id for leases in taken for lease in leases]
    assert sorted(leased) == sorted(jobs)


async def test_progress_never_goes_back_even_in_a_second_attempt(stage: Stage) -> None:
    job = await stage.job_for(take())
    (lease,) = await stage.leases.lease("w", REVISION)
    for percent in (10, 60, 30):
        await stage.leases.renew(lease, Progress("denoise", percent))
    row = await stage.row("jobs", job)
    assert (row.progress, row.stage) == (60, "denoise")
    await stage.leases.release(lease)
    (lease,) = await stage.leases.lease("w", REVISION)
    await stage.leases.renew(lease, Progress("text_encode", 2))
    assert (await stage.row("jobs", job)).progress == 60
    assert lease.attempt == 2


# Ends


async def test_finish_answers_everyone_in_one_go(stage: Stage) -> None:
    first, found = await stage.ask(take(), embedder="tiny@1", vector=b"\0" * 8)
    assert isinstance(found, SubmittedJob)
    second, _ = await stage.ask(take())
    near = await stage.join_near(take("a crimson ball"), found.job_id)
    gone, _ = await stage.ask(take())
    await stage.queue.withdraw(gone)
    (lease,) = await stage.leases.lease("w", REVISION)
    with stage.signals.watch(found.job_id) as watch:
        await stage.leases.finish(lease, clip := made())
        assert await watch.changed(0)
    assert near is not None
    rows = [await stage.row("requests", request) for request in (first, second, near)]
    assert [(row.clip_id, row.gpu_seconds_saved) for row in rows] == [(clip.clip_id, 0.0), (clip.clip_id, 2.5), (clip.clip_id, 2.5)]
    assert all(row.completed_at is not None for row in rows)
    assert (await stage.row("requests", gone)).clip_id is None
    job = await stage.row("jobs", found.job_id)
    assert (job.state, job.clip_id, job.progress, job.prompt, job.vector) == ("done", clip.clip_id, 100, "", None)
    assert job.finished_at >= job.started_at >= job.created_at
    async with stage.database.read() as connection:
        assert [tuple(row) for row in await connection.execute(clip_vectors.select())] == [(clip.clip_id, "tiny@1", b"\0" * 8)]


async def test_finishing_twice_is_once(stage: Stage) -> None:
    """The commit came through and its answer was lost: the worker tries again."""
    await stage.job_for(take())
    (lease,) = await stage.leases.lease("w", REVISION)
    await stage.leases.finish(lease, clip := made())
    await stage.leases.finish(lease, clip)
    assert len(await stage.all_clips()) == 1


async def test_a_late_worker_changes_nothing(stage: Stage) -> None:
    job = await stage.job_for(take())
    (late,) = await stage.leases.lease("w", REVISION)
    await stage.age(job, lease_until=60)
    assert (await stage.leases.expire()).queued == [job]
    (current,) = await stage.leases.lease("w", REVISION)  # it has the job again, but not under the attempt that it writes for
    assert not await stage.leases.holds(late)
    with pytest.raises(LeaseLost):
        await stage.leases.renew(late, Progress("denoise", 90))
    with pytest.raises(LeaseLost):
        await stage.leases.finish(late, made())
    with pytest.raises(LeaseLost):
        await stage.leases.fail(late, "render_failed", "too late")
    with pytest.raises(LeaseLost):
        await stage.leases.release(late)
    assert await stage.all_clips() == []
    assert (await stage.row("jobs", job)).progress == 0
    await stage.leases.finish(current, made())
    assert len(await stage.all_clips()) == 1


async def test_a_failure_reaches_those_who_asked_for_the_spec_and_frees_those_near_it(stage: Stage) -> None:
    first, found = await stage.ask(take())
    assert isinstance(found, SubmittedJob)
    second, _ = await stage.ask(take())
    near = await stage.join_near(take("a crimson ball"), found.job_id)
    assert near is not None
    (lease,) = await stage.leases.lease("w", REVISION)
    assert await stage.leases.fail(lease, "out_of_memory", "the clip does not fit") == [near]
    for request in (first, second):
        row = await stage.row("requests", request)
        assert (row.error_code, row.error_message, row.clip_id) == ("out_of_memory", "the clip does not fit", None)
    freed = await stage.row("requests", near)
    assert (freed.error_code, freed.job_id) == (None, None)
    assert [one.id for one in await stage.asked.orphans(10)] == [near]
    async with stage.database.write() as connection:
        own = await stage.queue.submit(connection, new_job(take("a crimson ball")))
        assert isinstance(own, SubmittedJob)
        assert await adopt_orphan(connection, near, own.job_id, joined=own.joined)
        assert not await adopt_orphan(connection, near, own.job_id, joined=own.joined)
    assert await stage.asked.orphans(10) == []
    (lease,) = await stage.leases.lease("w", REVISION)
    assert await stage.leases.fail(lease, "out_of_memory", "nor does this") == [], "its own failure ends it"
    assert (await stage.row("requests", near)).error_message == "nor does this"


async def test_an_orphan_that_joins_its_own_spec_fails_with_it(stage: Stage) -> None:
    job = await stage.job_for(take())
    near = await stage.join_near(take("a crimson ball"), job)
    assert near is not None
    own = await stage.job_for(take("a crimson ball"))
    await stage.queue.cancel(job)
    async with stage.database.write() as connection:
        assert await adopt_orphan(connection, near, own, joined=True)
    await stage.queue.cancel(own)
    assert (await stage.row("requests", near)).error_code == "cancelled"


async def test_an_orphan_takes_a_clip_made_meanwhile(stage: Stage) -> None:
    job = await stage.job_for(take())
    near = await stage.join_near(take("a crimson ball"), job)
    assert near is not None
    await stage.queue.cancel(job)
    await stage.add(clip := draft(take("a crimson ball")))
    async with stage.database.write() as connection:
        assert await adopt_clip(connection, near, clip.id, clip.gpu_seconds)
    row = await stage.row("requests", near)
    assert (row.clip_id, row.verdict, row.gpu_seconds_saved) == (clip.id, "exact", 2.5)


async def test_no_store_keeps_nothing_for_others(stage: Stage) -> None:
    request, found = await stage.ask(take(), joinable=False, embedder="tiny@1", vector=b"\0" * 8)
    assert isinstance(found, SubmittedJob)
    (lease,) = await stage.leases.lease("w", REVISION)
    await stage.leases.finish(lease, clip := made())
    row = await stage.row("clips", clip.clip_id)
    assert (row.state, row.private, row.prompt) == ("superseded", True, None)
    assert row.expires_at == pytest.approx(row.created_at + 600, abs=1)
    assert (await stage.row("requests", request)).clip_id == clip.clip_id
    assert (await stage.row("jobs", found.job_id)).prompt == ""
    async with stage.database.read() as connection:
        assert await stage.shelf.find_exact(connection, take().spec.key) is None
        assert (await connection.execute(clip_vectors.select())).all() == []
    assert isinstance((await stage.ask(take()))[1], SubmittedJob)


# The sweep


async def test_a_job_that_loses_its_worker_three_times_is_given_up(stage: Stage) -> None:
    request, found = await stage.ask(take())
    assert isinstance(found, SubmittedJob)
    (lease,) = await stage.leases.lease("w", REVISION)
    await stage.leases.release(lease)  # in order: does not count
    for lost in (1, 2, 3):
        (lease,) = await stage.leases.lease("w", REVISION)
        assert (await stage.leases.expire()).queued == [], "a lease that holds is left alone"
        await stage.age(found.job_id, lease_until=60)
        expired = await stage.leases.expire()
        assert (expired.queued, expired.failed) == (([], [found.job_id]) if lost == 3 else ([found.job_id], []))
    assert (await stage.row("requests", request)).error_code == "worker_lost"
    assert (await stage.row("jobs", found.job_id)).attempt == 4


async def test_a_hung_render_is_failed_though_its_worker_lives(stage: Stage) -> None:
    request, found = await stage.ask(take())
    assert isinstance(found, SubmittedJob)
    await stage.leases.lease("w", REVISION)
    flag = stage.dispatch.stop_signal(found.job_id)
    await stage.age(found.job_id, started_at=1801)
    assert (await stage.leases.expire()).failed == [found.job_id]
    assert flag.is_set()
    assert (await stage.row("requests", request)).error_code == "timed_out"


async def test_downtime_is_no_render_time(stage: Stage) -> None:
    job = await stage.job_for(take())
    await stage.leases.lease("w", REVISION)
    await stage.age(job, started_at=100_000, lease_until=100_000)
    assert (await stage.leases.expire()).queued == [job]


async def test_a_restarted_instance_takes_its_leases_back_at_once(stage: Stage) -> None:
    job = await stage.job_for(take())
    (lease,) = await stage.leases.lease("w", REVISION)
    assert (await stage.leases.expire(every=True)).queued == [job]
    with pytest.raises(LeaseLost):
        await stage.leases.renew(lease)


# Withdrawing


async def test_the_render_stops_when_the_last_one_leaves(stage: Stage) -> None:
    first, found = await stage.ask(take())
    assert isinstance(found, SubmittedJob)
    second, _ = await stage.ask(take())
    near = await stage.join_near(take("a crimson ball"), found.job_id)
    assert near is not None
    await stage.leases.lease("w", REVISION)
    flag = stage.dispatch.stop_signal(found.job_id)
    assert not (await stage.queue.withdraw(first)).stop
    assert not (await stage.queue.withdraw(first)).changed
    assert not (await stage.queue.withdraw(near, deleted=True)).stop
    assert not flag.is_set()
    assert (await stage.queue.withdraw(second)).stop
    assert flag.is_set()
    job, standing = (await stage.queue.look([found.job_id, "job_unknown"]))[found.job_id]
    assert standing == QueuePosition(None, None)
    assert (job.state, job.error_code) == (JobState.CANCELLED, "cancelled")
    row = await stage.row("requests", first)
    assert (row.error_code, row.deleted_at) == ("cancelled", None)
    row = await stage.row("requests", near)
    assert (row.error_code, row.deleted_at is None) == ("cancelled", False)


async def test_an_answered_request_can_be_deleted_but_not_cancelled(stage: Stage) -> None:
    request, _ = await stage.ask(take())
    (lease,) = await stage.leases.lease("w", REVISION)
    await stage.leases.finish(lease, made())
    assert not (await stage.queue.withdraw(request)).changed
    assert (await stage.row("requests", request)).error_code is None
    assert (await stage.queue.withdraw(request, deleted=True)).changed
    assert not (await stage.queue.withdraw(request, deleted=True)).changed
    row = await stage.row("requests", request)
    assert (row.error_code, row.clip_id is None, row.deleted_at is None) == (None, False, False)


async def test_withdrawing_what_never_was(stage: Stage) -> None:
    async with stage.database.write() as connection:
        assert not (await withdraw(connection, "video_unknown")).changed


async def test_cancelling_a_job_tells_everyone(stage: Stage) -> None:
    request, found = await stage.ask(take())
    assert isinstance(found, SubmittedJob)
    assert await stage.queue.cancel(found.job_id, "by an operator")
    assert not await stage.queue.cancel(found.job_id)
    row = await stage.row("requests", request)
    assert (row.error_code, row.error_message) == ("cancelled", "by an operator")


# Positions and times


async def test_position_and_eta_come_from_measured_times(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "_KEPT", 0)
    began = time.monotonic()
    await stage.ask(take("first"))
    (lease,) = await stage.leases.lease("w", REVISION)
    assert (await place(stage, lease.job.id)) == QueuePosition(None, None)
    await stage.age(lease.job.id, started_at=10)
    await stage.leases.finish(lease, made())
    stage = set_stage(stage.database, Path(str(stage.database.url.database)).parent)  # forgets the medians that it read
    second, third = [await stage.job_for(take(words)) for words in ("second", "third")]
    stand = [await place(stage, job) for job in (second, third)]
    assert [one.position for one in stand] == [1, 2]
    # The first took ten seconds and what this test itself needed; two such jobs take twice that.
    next_eta, last_eta = (one.eta_seconds or 0 for one in stand)
    assert 10 <= next_eta < 10 + (time.monotonic() - began) + 1
    assert last_eta == pytest.approx(2 * next_eta, rel=0.01)
    await stage.leases.lease("w", REVISION)
    assert (await place(stage, second)).position is None
    assert (await place(stage, third)).position == 1


async def place(stage: Stage, job_id: str) -> QueuePosition:
    return (await stage.queue.look([job_id]))[job_id][1]


async def test_the_queue_is_read_a_tenth_of_the_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [await stage.job_for(take(words)) for words in ("first", "second")]
    reads = list[int]()
    read = times.read_waiting

    async def slowly(connection: AsyncConnection) -> list[Waiting]:
        reads.append(1)
        await asyncio.sleep(0.1)
        return await read(connection)

    monkeypatch.setattr(times, "read_waiting", slowly)
    for _ in range(20):
        assert [(await place(stage, job)).position for job in jobs] == [1, 2]
    assert len(reads) == 1
    assert (await place(stage, await stage.job_for(take("third")))).position == 3, "what came since is not missed"
    assert len(reads) == 2
    await stage.leases.lease("w", REVISION)
    assert (await place(stage, jobs[0])).position is None, "a job that a worker has shows none, whatever is kept"
    assert len(reads) == 2


def waiting(job_id: str, place: int, *, leased_by: str | None = None, background: bool = False, revision: str = "r") -> Waiting:
    state, priority = (JobState.QUEUED if leased_by is None else JobState.LEASED), (BACKGROUND if background else Priority.INTERACTIVE)
    return Waiting(job_id, place, priority, state, "recipe", revision, leased_by, 4.0, 0)


def test_two_workers_halve_the_wait_and_other_models_do_not_count() -> None:
    known = medians([("recipe", "r", 10.0), ("recipe", "r", 12.0), ("recipe", "r", 11.0)])
    queue = [
        waiting("a", 1, leased_by="w1"), waiting("b", 2, leased_by="w2"), waiting("x", 3, revision="other"),
        waiting("plan", 4, background=True), waiting("mine", 5),
    ]  # fmt: skip
    stand = standings(in_turns(queue), known)
    assert stand == standings(in_turns(queue[::-1]), known)
    assert stand["mine"] == QueuePosition(1, (7 + 7) / 2 + 11)
    assert stand["plan"] == QueuePosition(2, (7 + 7 + 11) / 2 + 11)
    assert stand["a"] == QueuePosition(None, 7)
    assert stand["x"] == QueuePosition(1, 11)
    assert retry_after(queue, 5, known) == 11 / 2
    assert retry_after(queue, 5, medians([])) == 5.0


@pytest.mark.parametrize("terms", [LeaseTerms(lease=0.05)])
async def test_a_lease_runs_out_by_the_clock_of_the_database(database: Database, tmp_path: Path, terms: LeaseTerms) -> None:
    stage = set_stage(database, tmp_path, terms)
    job = await stage.job_for(take())
    await stage.leases.lease("w", REVISION)
    await asyncio.sleep(0.1)
    assert (await stage.leases.expire()).queued == [job]
