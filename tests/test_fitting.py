"""Memory and batches: what is decided before a render, and what the worker does when it was wrong, over real rows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.catalog import WAN_TI2V_5B, AskedSettings, ServedModel, resolve
from cache.errors import OutOfMemory
from cache.recipe import Recipe
from cache.storage.database.database import Database
from cache.variant import Spec, Variant
from generator.job import Priority
from generator.queue.queue import SubmittedJob
from generator.renderer import Progress, Rendered, RenderOrder, Room, Stop
from generator.worker.batching import WORTH, Paces
from generator.worker.memory import Fit, Load, Peaks, estimate, fit, load_of, smaller
from generator.worker.memory_peaks import MemoryPeaks
from generator.worker.worker import Worker
from tests.stage import RECIPE, SERVED, PredictableRenderer, Stage, new_job, set_stage, spec, take

# Pure: memory

SIDES = st.sampled_from([128, 256, 480, 640, 704, 1280])
LOADS = st.builds(Load, SIDES, SIDES, st.integers(1, 30).map(lambda n: 4 * n + 1), st.integers(1, 8), st.booleans())


def taken(load: Load) -> int:
    """A device as they are: weights, then what grows with the pixels, less of it in tiles."""
    return 24_000_000 + load.pixels // (2 if load.tiled else 1)


SEEN = st.lists(LOADS, max_size=12).map(lambda loads: {load: taken(load) for load in loads})


@given(SEEN, LOADS)
def test_an_estimate_lies_between_what_is_within_it_and_what_it_is_within(peaks: Peaks, load: Load) -> None:
    expected = estimate(load, peaks)
    if expected is None:
        assert not any(known.within(load) and known.tiled == load.tiled for known in peaks)
        return
    assert all(bytes_ <= expected for known, bytes_ in peaks.items() if known.within(load))
    assert all(expected <= bytes_ for known, bytes_ in peaks.items() if load.within(known))
    assert load not in peaks or expected == peaks[load]


@given(SEEN, LOADS)
def test_an_estimate_errs_on_the_large_side(peaks: Peaks, load: Load) -> None:
    expected = estimate(load, peaks)
    assert expected is None or expected >= taken(load)


@given(SEEN, LOADS, st.integers(1, 16), st.integers(0, 3_000_000_000))
def test_what_is_decided(peaks: Peaks, asked: Load, batch: int, limit: int) -> None:
    recipe = replace(RECIPE, width=asked.width, height=asked.height, frames=asked.frames)
    decided = fit(recipe, batch, peaks, limit)
    alone = load_of(recipe)
    if decided is None:
        assert any(bytes_ > limit and known.within(alone) for known, bytes_ in peaks.items()), "only what was seen refuses a clip"
        return
    assert 1 <= decided.batch <= batch
    assert not decided.tiled or decided.batch == 1
    chosen = load_of(recipe, decided.batch, tiled=decided.tiled)
    assert all(bytes_ <= limit for known, bytes_ in peaks.items() if known.within(chosen)), "it was seen not to fit"
    whole = [count for count in range(1, batch + 1) if peaks.get(load_of(recipe, count), limit + 1) <= limit]
    assert not whole or (decided.batch >= max(whole) and not decided.tiled), "what was seen to fit is not given up"


def test_tiles_before_nothing_and_a_smaller_batch_before_tiles() -> None:
    one, two = load_of(RECIPE), load_of(RECIPE, 2)
    assert fit(RECIPE, 2, {}, 10) == Fit(2)
    assert fit(RECIPE, 2, {one: 10, two: 12}, 11) == Fit(1)
    assert fit(RECIPE, 2, {one: 12}, 11) == Fit(1, tiled=True)
    assert fit(RECIPE, 1, {load_of(RECIPE, tiled=True): 12}, 11) is None


def test_the_steps_down_have_ever_fewer_pixels() -> None:
    served = ServedModel(WAN_TI2V_5B, "r", "pipeline")
    for size in WAN_TI2V_5B.sizes:
        recipe = resolve(served, AskedSettings(size=f"{size[0]}x{size[1]}"))
        steps = [recipe, *smaller(WAN_TI2V_5B, recipe)]
        pixels = [load_of(step).pixels for step in steps]
        assert pixels == sorted(set(pixels), reverse=True)
        assert {(step.width >= step.height) for step in steps} == {size[0] >= size[1]}
        assert all(step.frames % 4 == 1 and step.frames >= 5 for step in steps)
        assert steps[-1].frames == 5


# Pure: batches


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.floats(0.1, 10)), st.integers(1, 8))
def test_a_batch_is_kept_only_where_it_pays(figures: dict[int, float], most: int) -> None:
    paces = Paces()
    for count, seconds in figures.items():
        paces.note("r", count, seconds * 100)  # the first pays for what is built at first use
        paces.note("r", count, seconds)
    best = paces.best("r", most)
    assert 1 <= best <= most
    if 1 not in figures:
        assert best == 1
    elif best in figures and best > 1:
        assert figures[1] >= WORTH * figures[best]
    elif best > 1:
        below = max(count for count in figures if count <= most)
        assert best <= 2 * below, "in steps of two"
        assert below == 1 or figures[1] >= WORTH * figures[below], "only after one that paid"


def test_a_pace_follows_the_machine() -> None:
    paces = Paces()
    for seconds in (9.0, 1.0, 1.0):
        paces.note("r", 1, seconds)
    assert paces.best("r", 8) == 2
    for _ in range(2):
        paces.note("r", 2, 0.5)
    assert paces.best("r", 8) == 4
    for _ in range(2):
        paces.note("r", 4, 0.49)
    assert paces.best("r", 4) == 4
    for _ in range(20):
        paces.note("r", 4, 2.0)
    assert paces.best("r", 4) == 2
    assert paces.best("other", 8) == 1


# The worker


@dataclass
class Card(PredictableRenderer):
    """A renderer with so much memory: a clip takes a byte a pixel, and decoding whole as much again. What does not fit in
    tiles either is OutOfMemory, as the port says. `surprises` are raised first, whatever fits."""

    room: Room | None = field(default_factory=lambda: Room("a card", 10**12))
    surprises: list[OutOfMemory] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    pay: float = 2.0  # times as fast for each doubling
    gated: bool = False

    def _render(self, orders: list[RenderOrder], told: Callable[[Progress], None], stop: Stop) -> list[Rendered]:
        assert self.room is not None
        if self.gated:
            self.begun.set()
            assert self.gate.wait(20)
        if self.surprises:
            raise self.surprises.pop()
        pixels = load_of(orders[0].recipe, len(orders)).pixels
        tiled = orders[0].tiled or 2 * pixels > self.room.limit
        if pixels * (1 if tiled else 2) > self.room.limit:
            raise OutOfMemory("it does not fit")
        made = super()._render(orders, told, stop)
        self.batches.append(len(orders))
        seconds = 1.0 / self.pay ** (len(orders) - 1)
        peak = pixels * (1 if tiled else 2)
        return [replace(one, peak_bytes=peak, tiled=tiled, gpu_seconds=seconds, steps_ms=(1.0, 2.0)) for one in made]


PIXELS = load_of(RECIPE).pixels


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@asynccontextmanager
async def working(stage: Stage, renderer: Card, folder: Path) -> AsyncIterator[Worker]:
    worker = stage.worker(renderer, folder / "making", peaks=MemoryPeaks(stage.database))
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        renderer.gate.set()
        await worker.stop(grace=5)
        await running


async def closed(stage: Stage, job_id: str) -> str:
    with stage.signals.watch(job_id) as watch:
        async with asyncio.timeout(30):
            while (row := await stage.row("jobs", job_id)).state in {"queued", "leased"}:
                await watch.changed(1.0)
    return str(row.state)


async def asked(stage: Stage, words: str, **more: Any) -> tuple[str, str]:
    """Request and job of a background ask."""
    request, found = await stage.ask(take(words), priority=Priority.BACKGROUND, **more)
    assert isinstance(found, SubmittedJob)
    return request, found.job_id


async def recipe_of(stage: Stage, request: str) -> Recipe:
    clip = await stage.clip((await stage.row("requests", request)).clip_id)
    assert clip is not None
    return clip.recipe


LARGE = resolve(SERVED, AskedSettings(seconds=2))  # 17 frames: there is a step down from it


def large(words: str) -> Variant:
    return Variant(Spec(spec(words).scope, spec(words).prompt, LARGE), take=0)


async def ask_large(stage: Stage, words: str, **more: Any) -> tuple[str, str]:
    request, found = await stage.ask(large(words), **more)
    assert isinstance(found, SubmittedJob)
    return request, found.job_id


async def test_what_a_render_took_is_kept_on_the_clip_and_known_to_the_next_worker(stage: Stage, tmp_path: Path) -> None:
    async with working(stage, Card(), tmp_path):
        request, job = await asked(stage, "a red ball")
        assert await closed(stage, job) == "done"
    clip = await stage.clip((await stage.row("requests", request)).clip_id)
    assert clip is not None
    assert (clip.steps_ms, clip.peak_bytes) == ((1.0, 2.0), 2 * PIXELS)
    peaks = MemoryPeaks(stage.database)
    assert await peaks.read("a card", SERVED.revision) == {load_of(RECIPE): 2 * PIXELS}
    await peaks.keep("a card", SERVED.revision, load_of(RECIPE), 5)
    await peaks.keep("a card", SERVED.revision, load_of(RECIPE, tiled=True), 7)
    assert await peaks.read("a card", SERVED.revision) == {load_of(RECIPE): 2 * PIXELS, load_of(RECIPE, tiled=True): 7}
    assert await peaks.read("another card", SERVED.revision) == {}


async def test_what_had_to_be_tiled_once_is_tiled_from_the_start(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(room=Room("a card", PIXELS + 10))
    async with working(stage, renderer, tmp_path):
        for words in ("one", "two"):
            assert await closed(stage, (await asked(stage, words))[1]) == "done"
    assert [order.tiled for order in renderer.rendered] == [False, True]


async def test_an_interactive_job_that_does_not_fit_fails_and_the_worker_goes_on(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(room=Room("a card", 2 * PIXELS))
    large_pixels = load_of(LARGE).pixels
    assert large_pixels > 2 * PIXELS
    async with working(stage, renderer, tmp_path):
        for words in ("one", "two"):  # the second is not even tried
            request, job = await ask_large(stage, words)
            assert await closed(stage, job) == "failed"
            row = await stage.row("requests", request)
            assert row.error_code == "out_of_memory"
            assert "128x128 of 17 frames" in row.error_message
        assert await closed(stage, (await asked(stage, "three"))[1]) == "done"
    assert len(renderer.rendered) == 1


async def test_a_background_job_steps_down_where_it_may(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(room=Room("a card", load_of(LARGE).pixels - 1))
    async with working(stage, renderer, tmp_path):
        request, job = await ask_large(stage, "a red ball", priority=Priority.BACKGROUND, allow_smaller=True)
        refused, other = await ask_large(stage, "a blue ball", priority=Priority.BACKGROUND)
        assert [await closed(stage, one) for one in (job, other)] == ["done", "failed"]
    made = await recipe_of(stage, request)
    assert (made.frames, made.size) == (9, "128x128")
    row = await stage.row("requests", request)
    assert row.notes == ["made as 128x128 of 9 frames: 128x128 of 17 frames did not fit into memory"]
    clip = await stage.clip(row.clip_id)
    assert clip is not None
    expected = Variant(replace(large("a red ball").spec, recipe=made), take=0)
    assert (clip.variant_key, clip.spec_key, clip.seed) == (expected.key, expected.spec.key, expected.seed)
    assert renderer.rendered[-1].seed == expected.seed
    assert (await stage.row("requests", refused)).error_code == "out_of_memory"


async def test_a_step_that_fails_ends_its_job_and_not_the_worker(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the row is not what it should be")

    monkeypatch.setattr(stage.leases, "step_down", broken)
    async with working(stage, Card(room=Room("a card", load_of(LARGE).pixels - 1)), tmp_path):
        request, job = await ask_large(stage, "a red ball", priority=Priority.BACKGROUND, allow_smaller=True)
        assert await closed(stage, job) == "failed"
        small = Variant(replace(large("a blue ball").spec, recipe=smaller(SERVED.row, LARGE)[0]), take=0)
        assert await closed(stage, await stage.job_for(small)) == "done"
    assert (await stage.row("requests", request)).error_code == "internal_error"


async def test_it_joins_the_smaller_one_where_that_is_being_made(stage: Stage, tmp_path: Path) -> None:
    step = smaller(SERVED.row, LARGE)[0]
    renderer = Card(room=Room("a card", load_of(LARGE).pixels - 1), gated=True)
    first, job = await ask_large(stage, "a red ball", priority=Priority.BACKGROUND, allow_smaller=True)
    async with working(stage, renderer, tmp_path):
        assert await asyncio.to_thread(renderer.begun.wait, 10)
        second, found = await stage.ask(Variant(replace(large("a red ball").spec, recipe=step), take=0), priority=Priority.BACKGROUND)
        assert isinstance(found, SubmittedJob)
        assert found.job_id != job
        renderer.gate.set()
        assert await closed(stage, found.job_id) == "done"
        assert await closed(stage, job) == "cancelled"
        rows = [await stage.row("requests", request) for request in (first, second)]
        assert rows[0].clip_id == rows[1].clip_id is not None
        assert len(rows[0].notes) == 1
        assert rows[1].notes == []
        # And where it is there already, it is the answer.
        third, again = await ask_large(stage, "a red ball", priority=Priority.BACKGROUND, allow_smaller=True)
        assert await closed(stage, again) == "cancelled"
        assert (await stage.row("requests", third)).clip_id == rows[0].clip_id
    assert len(renderer.rendered) == 1


async def test_who_joins_and_wants_no_less_keeps_it_whole(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(room=Room("a card", 2 * PIXELS), gated=True)
    async with working(stage, renderer, tmp_path):
        first, job = await ask_large(stage, "a red ball", priority=Priority.BACKGROUND, allow_smaller=True)
        assert await asyncio.to_thread(renderer.begun.wait, 10)
        second, joined = await ask_large(stage, "a red ball", priority=Priority.BACKGROUND)
        assert joined == job
        renderer.gate.set()
        assert await closed(stage, job) == "failed"
    assert [(await stage.row("requests", request)).error_code for request in (first, second)] == ["out_of_memory"] * 2


async def queued(stage: Stage, count: int, named: str) -> list[tuple[str, str]]:
    return [await asked(stage, f"{named} {number}") for number in range(count)]


async def test_batches_grow_while_they_pay(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(longest_batch=4)
    jobs = await queued(stage, 13, "clip")
    async with working(stage, renderer, tmp_path):
        assert {await closed(stage, job) for _, job in jobs} == {"done"}
    assert renderer.batches == [1, 1, 2, 2, 4, 3]
    assert sorted(order.prompt for order in renderer.rendered) == sorted(f"clip {number}" for number in range(13))
    for request, _ in jobs:
        clip = await stage.clip((await stage.row("requests", request)).clip_id)
        assert clip is not None
        assert clip.prompt == (await stage.row("requests", request)).prompt


async def test_batches_that_do_not_pay_are_given_up(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(longest_batch=4, pay=1.02)
    jobs = await queued(stage, 9, "clip")
    async with working(stage, renderer, tmp_path):
        assert {await closed(stage, job) for _, job in jobs} == {"done"}
    assert renderer.batches == [1, 1, 2, 2, 1, 1, 1]


async def test_out_of_memory_in_a_batch_halves_it(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(longest_batch=2, surprises=[])
    jobs = await queued(stage, 4, "clip")
    async with working(stage, renderer, tmp_path):
        async with asyncio.timeout(20):
            while len(renderer.batches) < 2:  # noqa: ASYNC110  # of another thread
                await asyncio.sleep(0.005)
        renderer.surprises.append(OutOfMemory("now"))
        assert {await closed(stage, job) for _, job in jobs} == {"done"}
    assert renderer.batches[:2] == [1, 1]
    assert sum(renderer.batches) == 4


async def test_one_of_a_batch_is_cancelled_and_the_others_are_made(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(longest_batch=2)
    async with working(stage, renderer, tmp_path):
        for request, job in await queued(stage, 2, "first"):
            assert await closed(stage, job) == "done", request
        renderer.gated, renderer.begun = True, threading.Event()
        async with stage.database.write() as connection:  # both at once, or the first is leased before the second is there
            pairs = []
            for number in range(2):
                found = await stage.queue.submit(connection, new_job(take(f"pair {number}"), priority=Priority.BACKGROUND))
                assert isinstance(found, SubmittedJob)
                await stage.insert(connection, take(f"pair {number}"), "miss", priority="background", job_id=found.job_id)
                pairs.append(found.job_id)
        stage.dispatch.wake()
        assert await asyncio.to_thread(renderer.begun.wait, 10)
        assert {(await stage.row("jobs", job)).state for job in pairs} == {"leased"}
        assert await stage.queue.cancel(pairs[0])
        renderer.gate.set()
        assert [await closed(stage, job) for job in pairs] == ["cancelled", "done"]
    assert renderer.batches[-1] == 2


async def test_an_interactive_ask_goes_before_the_rest_of_the_plan(stage: Stage, tmp_path: Path) -> None:
    renderer = Card(longest_batch=1, gated=True)
    await queued(stage, 3, "plan")
    async with working(stage, renderer, tmp_path):
        assert await asyncio.to_thread(renderer.begun.wait, 10)
        job = await stage.job_for(take("a person's"))
        renderer.gated = False
        renderer.gate.set()
        assert await closed(stage, job) == "done"
    assert [order.prompt for order in renderer.rendered[:2]] == ["plan 0", "a person's"]


async def test_a_spec_is_made_while_the_next_clip_renders(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    put = stage.objects.put

    async def slow(*args: Any) -> Any:
        entered.set()
        await leave.wait()
        return await put(*args)

    monkeypatch.setattr(stage.objects, "put", slow)
    renderer = Card()
    jobs = [(await asked(stage, words))[1] for words in ("one", "two", "three")]
    async with working(stage, renderer, tmp_path):
        await entered.wait()
        async with asyncio.timeout(10):
            while len(renderer.rendered) < 2:  # noqa: ASYNC110  # of another thread
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert [(await stage.row("jobs", job)).state for job in jobs] == ["leased", "leased", "queued"], "one in the tail at most"
        leave.set()
        assert {await closed(stage, job) for job in jobs} == {"done"}
