"""The worker against real rows and real videos; only the renderer is small and predictable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import pytest

from cache.clip import KINDS, Clip, StoredKind, StoredObject
from cache.errors import DatabaseAway, DiskFull, OutOfMemory, RenderFailed, RenderStopped, StoreAway, Unavailable
from cache.storage.bytes.folder import FolderObjects
from cache.storage.database.database import Database
from generator.queue.leases import LeaseTerms
from generator.queue.queue import SubmittedJob
from generator.renderer import Progress, RenderOrder
from generator.worker.heartbeat import Heartbeat
from generator.worker.worker import Worker
from tests.stage import RECIPE, SERVED, PredictableRenderer, Stage, frames_of, seeded, set_stage, take


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture
def making(tmp_path: Path) -> Path:
    return tmp_path / "making"


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(grace=0)
        await running


async def closed(stage: Stage, job_id: str, timeout: float = 15) -> str:
    """The state that the job ends in."""
    with stage.signals.watch(job_id) as watch:
        async with asyncio.timeout(timeout):
            while (row := await stage.row("jobs", job_id)).state in {"queued", "leased"}:
                await watch.changed(1.0)
    return str(row.state)


async def eventually(holds: Callable[[], bool], timeout: float = 10) -> None:
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110  # a flag of another thread
            await asyncio.sleep(0.01)


async def clip_of(stage: Stage, job_id: str) -> Clip:
    clip = await stage.clip((await stage.row("jobs", job_id)).clip_id)
    assert clip is not None
    return clip


def remains(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def objects_of(stage: Stage) -> list[str]:
    return [name async for name, _, _ in stage.objects.names("")]


async def test_a_job_becomes_a_video(stage: Stage, making: Path, tmp_path: Path) -> None:
    renderer = PredictableRenderer()
    async with working(stage.worker(renderer, making)):
        request, found = await stage.ask(seeded(seed=5))
        assert isinstance(found, SubmittedJob)
        assert await closed(stage, found.job_id) == "done"
    clip = await clip_of(stage, found.job_id)
    assert (await stage.row("requests", request)).clip_id == clip.id
    assert set(clip.objects) == set(KINDS)
    assert set(clip.stages_ms) == {"queue", "text_encode", "denoise", "vae_decode", "video_encode", "store"}
    assert all(took > 0 for took in clip.stages_ms.values())
    assert clip.gpu_seconds == 0.5
    assert await stage.shelf.read(clip, "latent") == b"latent"
    with av.open(str(tmp_path / "objects" / clip.objects["video"].name)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    drawn = frames_of(renderer.rendered[0])
    assert len(shown) == len(drawn)
    assert abs(shown[0].mean(axis=(0, 1)) - drawn[0].mean(axis=(0, 1))).max() < 12, "this seed's colour"
    assert renderer.rendered == [RenderOrder("a red ball", RECIPE, 5, pinned=True)]
    assert remains(making) == []


async def test_one_render_for_all_who_ask(stage: Stage, making: Path) -> None:
    renderer = PredictableRenderer()
    async with working(stage.worker(renderer, making)):
        asked = await asyncio.gather(*(stage.ask(take()) for _ in range(10)))
        jobs = {found.job_id for _, found in asked if isinstance(found, SubmittedJob)}
        assert [await closed(stage, job) for job in jobs] == ["done"]
    assert len(renderer.rendered) == 1
    assert len({(await stage.row("requests", request)).clip_id for request, _ in asked}) == 1


async def test_progress_is_told_and_written_and_never_goes_back(stage: Stage, making: Path) -> None:
    told: list[tuple[str, int]] = []
    async with working(stage.worker(PredictableRenderer(steps=10, step_seconds=0.06), making)):
        job = await stage.job_for(take())
        written = 0

        async def listen() -> None:  # beside the rows, which a busy database may read slower than a stage passes
            with stage.signals.watch(job) as watch:
                while True:
                    if (progress := stage.signals.progress(job)) is not None:
                        told.append((progress.stage, progress.percent))
                    await watch.changed(1.0)

        listening = asyncio.create_task(listen())
        while (row := await stage.row("jobs", job)).state in {"queued", "leased"}:
            written = max(written, row.progress)
            await asyncio.sleep(0.01)
        listening.cancel()
    percents = [percent for _, percent in told]
    assert percents == sorted(percents)
    assert {"text_encode", "denoise"} <= {stage for stage, _ in told}
    assert max(percents) < 100, "only the committed clip makes it 100"
    assert 0 < written < 100
    assert stage.signals.progress(job) is None
    assert (await stage.row("jobs", job)).progress == 100


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (OutOfMemory("too large for this GPU"), "out_of_memory"),
        (RenderFailed("NaN"), "render_failed"),
        (ZeroDivisionError("secret detail"), "internal_error"),
        (RenderStopped("nobody told it to"), "render_failed"),
    ],
)
async def test_a_failed_render_fails_its_job_and_not_the_worker(stage: Stage, making: Path, fault: Exception, code: str) -> None:
    async with working(stage.worker(PredictableRenderer(faults=[fault]), making)):
        request, found = await stage.ask(take("one"))
        assert isinstance(found, SubmittedJob)
        assert await closed(stage, found.job_id) == "failed"
        row = await stage.row("requests", request)
        assert row.error_code == code
        assert "secret" not in row.error_message
        assert await closed(stage, await stage.job_for(take("two"))) == "done"
    assert remains(making) == []


async def test_a_cancel_stops_the_renderer_within_a_step(stage: Stage, making: Path) -> None:
    renderer = PredictableRenderer(steps=1000, step_seconds=0.02)
    async with working(stage.worker(renderer, making)):
        request, found = await stage.ask(take())
        assert isinstance(found, SubmittedJob)
        await eventually(renderer.begun.is_set)
        assert (await stage.queue.withdraw(request)).stop
        await eventually(lambda: renderer.stopped == 1, timeout=1)
        renderer.steps = 2
        assert await closed(stage, await stage.job_for(take("next"))) == "done"
    assert (await stage.row("jobs", found.job_id)).state == "cancelled"
    assert len(await stage.all_clips()) == 1


async def test_a_cancel_in_another_process_is_seen_by_the_next_beat(stage: Stage, making: Path, tmp_path: Path) -> None:
    elsewhere = set_stage(stage.database, tmp_path)
    renderer = PredictableRenderer(steps=1000, step_seconds=0.02)
    async with working(stage.worker(renderer, making)):
        job = await stage.job_for(take())
        await eventually(renderer.begun.is_set)
        await elsewhere.queue.cancel(job)
        await eventually(lambda: renderer.stopped == 1, timeout=3)
    assert await stage.all_clips() == []


async def test_a_worker_that_lost_its_lease_keeps_no_object(stage: Stage, making: Path) -> None:
    """The lease runs out in the last moment of the render; the job is made anew, once."""
    loop = asyncio.get_running_loop()

    async def lose() -> None:
        # As another gateway's sweep would: this process hears nothing of it. A sign of life may come in between.
        elsewhere = set_stage(stage.database, making.parent)
        while not (await elsewhere.leases.expire()).queued:
            await stage.age(job, lease_until=600)

    def once() -> None:
        renderer.after_render = lambda: None
        asyncio.run_coroutine_threadsafe(lose(), loop).result(5)

    renderer = PredictableRenderer(after_render=once)
    job = await stage.job_for(take())
    async with working(stage.worker(renderer, making)):
        assert await closed(stage, job) == "done"
    assert len(renderer.rendered) == 2
    (clip,) = await stage.all_clips()
    assert sorted(await objects_of(stage)) == sorted(stored.name for stored in clip.objects.values())
    assert (await stage.row("jobs", job)).attempt == 2


async def test_the_lease_is_renewed_while_the_renderer_is_busy(database: Database, tmp_path: Path, making: Path) -> None:
    stage = set_stage(database, tmp_path, LeaseTerms(lease=0.6))
    async with working(stage.worker(PredictableRenderer(steps=1, step_seconds=1.5), making)):
        job = await stage.job_for(take())
        while (await stage.row("jobs", job)).state != "done":
            assert not (await stage.leases.expire()).queued
            await asyncio.sleep(0.1)
    assert (await stage.row("jobs", job)).attempt == 1


async def test_an_attempt_over_its_time_is_failed(database: Database, tmp_path: Path, making: Path) -> None:
    stage = set_stage(database, tmp_path, LeaseTerms(job=0.3))
    renderer = PredictableRenderer(steps=1000, step_seconds=0.02)
    async with working(stage.worker(renderer, making)):
        request, found = await stage.ask(take())
        assert isinstance(found, SubmittedJob)
        assert await closed(stage, found.job_id) == "failed"
        assert (await stage.row("requests", request)).error_code == "timed_out"
        await eventually(lambda: renderer.stopped == 1)


async def test_an_orderly_stop_finishes_within_the_grace_time(stage: Stage, making: Path) -> None:
    renderer = PredictableRenderer(steps=10, step_seconds=0.02)
    worker = stage.worker(renderer, making)
    running = asyncio.create_task(worker.run())
    job, waiting = await stage.job_for(take("one")), await stage.job_for(take("two"))
    await eventually(renderer.begun.is_set)
    await worker.stop(grace=10)
    await running
    assert [(await stage.row("jobs", one)).state for one in (job, waiting)] == ["done", "queued"]


async def test_an_orderly_stop_hands_back_what_takes_longer(stage: Stage, making: Path) -> None:
    renderer = PredictableRenderer(steps=1000, step_seconds=0.02)
    worker = stage.worker(renderer, making)
    running = asyncio.create_task(worker.run())
    job = await stage.job_for(take())
    await eventually(renderer.begun.is_set)
    await worker.stop(grace=0.05)
    await running
    row = await stage.row("jobs", job)
    assert (row.state, row.lost, row.worker) == ("queued", 0, None)
    renderer.steps = 2
    async with working(stage.worker(renderer, making)):
        assert await closed(stage, job) == "done"


class Faulty(FolderObjects):
    """A store that is away, or its disk full, for a number of puts."""

    away = 0
    fault: Unavailable = StoreAway("the store does not answer")

    async def put(self, owner_id: str, kind: StoredKind, body: Path | bytes, content_type: str) -> StoredObject:
        if self.away > 0:
            self.away -= 1
            raise self.fault
        return await super().put(owner_id, kind, body, content_type)


async def test_a_store_that_is_away_for_a_moment_costs_no_render(database: Database, tmp_path: Path, making: Path) -> None:
    objects = Faulty(tmp_path / "objects")
    objects.away = 2
    stage = set_stage(database, tmp_path, objects=objects)
    renderer = PredictableRenderer()
    async with working(stage.worker(renderer, making)):
        assert await closed(stage, await stage.job_for(take())) == "done"
    assert len(renderer.rendered) == 1


async def test_a_store_that_stays_away_loses_no_job(
    database: Database, tmp_path: Path, making: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.worker.attempt._INSIST", 0.1)
    monkeypatch.setattr("generator.worker.worker._PAUSE", 0.05)
    objects = Faulty(tmp_path / "objects")
    objects.away = 1000
    stage = set_stage(database, tmp_path, objects=objects)
    worker = stage.worker(PredictableRenderer(), making)
    async with working(worker):
        job = await stage.job_for(take())
        await eventually(lambda: worker.trouble is not None)
        objects.away = 0
        assert await closed(stage, job) == "done"
    assert (await stage.row("jobs", job)).lost == 0


async def test_a_disk_that_stays_full_ends_the_job_after_the_last_attempt(
    database: Database, tmp_path: Path, making: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.worker.attempt._INSIST", 0.1)
    monkeypatch.setattr("generator.worker.worker._PAUSE", 0.05)
    objects, renderer = Faulty(tmp_path / "objects"), PredictableRenderer()
    objects.away, objects.fault = 1000, DiskFull("the object store's disk is full")
    stage = set_stage(database, tmp_path, LeaseTerms(attempts=2), objects=objects)
    async with working(stage.worker(renderer, making)):
        job = await stage.job_for(take())
        assert await closed(stage, job) == "failed"
    row = await stage.row("jobs", job)
    assert (row.error_code, row.attempt, row.lost, len(renderer.rendered)) == ("disk_full", 2, 0, 2)


async def test_a_commit_whose_answer_is_lost_keeps_its_clip(stage: Stage, making: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, calls = stage.leases.finish, []

    async def deaf(*args: Any) -> None:
        await finish(*args)
        calls.append(args)
        if len(calls) == 1:
            raise DatabaseAway("the answer was lost")

    monkeypatch.setattr(stage.leases, "finish", deaf)
    async with working(stage.worker(PredictableRenderer(), making)):
        job = await stage.job_for(take())
        await eventually(lambda: len(calls) == 2)
    clip = await clip_of(stage, job)
    assert await stage.shelf.read(clip, "latent") == b"latent"


async def test_objects_stay_where_nobody_knows_whether_the_commit_came_through(
    stage: Stage, making: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = stage.leases.finish

    async def deaf(*args: Any) -> None:
        await finish(*args)
        raise DatabaseAway("the answer was lost")

    monkeypatch.setattr("generator.worker.attempt._INSIST", 0.0)
    monkeypatch.setattr(stage.leases, "finish", deaf)
    async with working(stage.worker(PredictableRenderer(), making)):
        job = await stage.job_for(take())
        assert await closed(stage, job) == "done"
    assert await stage.shelf.read(await clip_of(stage, job), "latent") == b"latent"


async def test_a_second_attempt_goes_on_from_the_percentage_of_the_first(stage: Stage) -> None:
    await stage.job_for(take())
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    await stage.leases.renew(lease, Progress("denoise", 60))
    await stage.leases.release(lease)
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    beat = Heartbeat(stage.leases, stage.signals, lease, threading.Event())
    beat.note(Progress("denoise", 20))
    assert stage.signals.progress(lease.job.id) == Progress("denoise", 60)
    beat.note(Progress("vae_decode", 100))
    assert stage.signals.progress(lease.job.id) == Progress("vae_decode", 99)


async def test_nothing_is_rendered_on_a_full_disk(stage: Stage, making: Path) -> None:
    worker = stage.worker(renderer := PredictableRenderer(), making, min_free_bytes=2**60)
    async with working(worker):
        job = await stage.job_for(take())
        await eventually(lambda: worker.trouble is not None)
    assert "are free" in str(worker.trouble)
    assert (await stage.row("jobs", job)).state == "queued"
    assert renderer.rendered == []


async def test_a_model_that_loads_late_is_waited_for(stage: Stage, making: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.worker.worker._PAUSE", 0.05)
    faults = [RenderFailed("weights are not there yet"), OSError("nor is the folder")]
    worker = stage.worker(PredictableRenderer(load_faults=faults), making)
    job = await stage.job_for(take())
    async with working(worker):
        assert await closed(stage, job) == "done"
    assert worker.loaded.is_set()


async def test_jobs_of_another_revision_are_left_alone(stage: Stage, making: Path) -> None:
    other = SERVED.__class__(SERVED.row, "revision-2", SERVED.renderer)
    async with working(stage.worker(PredictableRenderer(served=other), making)):
        job = await stage.job_for(take())
        await asyncio.sleep(0.2)
    assert (await stage.row("jobs", job)).state == "queued"
