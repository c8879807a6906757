"""Clips that go for want of room, on every database, and as clients see it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from cache.assist import Start
from cache.eviction import ClipValue
from cache.ids import new_id
from cache.plan import NewPrompt
from cache.storage.clips.eviction import Eviction
from cache.storage.clips.ghosts import Ghosts
from cache.storage.database.database import Database
from cache.storage.requests.plans import Plans
from cache.storage.tables import clips, ghosts, plans, requests
from tests.conftest import StartServer
from tests.live import PATIENCE
from tests.stage import Stage, draft, set_stage, take

VECTOR = b"\x00\x3c" * 4
HOUR = 3600.0


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


async def put(stage: Stage, words: str, number: int = 0, size: int = 1000, **more: Any) -> str:
    clip_id = new_id("clip")
    stored = await stage.objects.put(clip_id, "video", bytes(size), "video/mp4")
    await stage.add(draft(take(words, number), id=clip_id, objects=(stored,), vectors={"tiny@1": VECTOR}, **more))
    return clip_id


async def asked(stage: Stage, words: str, clip_id: str, ago: float, times: int = 1, fetched: bool = True) -> None:
    async with stage.database.write() as connection:
        for _ in range(times):
            request = await stage.insert(connection, take(words), "exact", clip_id=clip_id)
            at = time.time() - ago
            values = {"created_at": at, "completed_at": at, "downloaded_at": at if fetched else None}
            await connection.execute(update(requests).where(requests.c.id == request).values(**values))


async def change(stage: Stage, clip_id: str, **values: Any) -> None:
    async with stage.database.write() as connection:
        await connection.execute(update(clips).where(clips.c.id == clip_id).values(**values))


def standing(clip_id: str, asks: float = 1.0) -> ClipValue:
    return ClipValue(clip_id, asks, 2.5, 1000)


async def test_used_counts_what_is_in_service(stage: Stage) -> None:
    eviction = Eviction(stage.database, stage.shelf, 10)
    assert await eviction.used() == 0
    first, _ = await put(stage, "a red ball"), await put(stage, "a blue ball", size=500)
    assert await eviction.used() == 1500
    seen = await eviction.changed(-1)
    assert seen is not None
    assert await eviction.changed(seen) is None
    await eviction.evict([standing(first)])
    assert await eviction.changed(seen) is not None
    assert await eviction.used() == 500


async def test_nominees_know_their_decayed_asks(stage: Stage) -> None:
    eviction = Eviction(stage.database, stage.shelf, 10)
    fresh, old, planned, former = [await put(stage, words) for words in ("a", "b", "c", "d")]
    await put(stage, "d", number=1)
    await asked(stage, "a", fresh, ago=600.0, times=2)
    await asked(stage, "b", old, ago=100 * HOUR)
    found = {one.clip_id: one for one in await eviction.nominees(10)}
    assert found[fresh].asks == pytest.approx(1.0, rel=0.05)
    assert found[old].asks == pytest.approx(600 / (600 + 100 * HOUR), rel=0.05)
    assert found[planned].asks == pytest.approx(1.0, rel=0.05), "nobody asked yet: it counts as asked when it was made"
    assert (found[former].state, found[former].asks) == ("superseded", 0.0)
    assert [one.clip_id for one in await eviction.nominees(1)] == [former]


async def test_what_a_plan_foresees_counts_until_its_horizon_is_over(stage: Stage) -> None:
    eviction, kept = Eviction(stage.database, stage.shelf, 10), Plans(stage.database)
    often, listed, late = [await put(stage, words) for words in ("a", "b", "c")]
    foreseen = {"a": 5.0, "b": 0.0, "c": 5.0}
    for words, clip_id in zip(foreseen, (often, listed, late), strict=True):
        prompts = [NewPrompt(words, take(words).spec.key, take(words).spec.recipe, foreseen[words], 1.5)]
        plan_id = await kept.add("local", "mined", prompts, 1, HOUR, start=True)
        (waiting,) = await kept.in_state(plan_id, "waiting", 1)
        async with stage.database.write() as connection:
            assert await kept.claim(connection, waiting, None, joined=False, clip_id=clip_id)
            if clip_id == late:
                await connection.execute(update(plans).where(plans.c.id == plan_id).values(started_at=time.time() - 2 * HOUR))
        await change(stage, clip_id, created_at=time.time() - HOUR)
    found = {one.clip_id: one.asks for one in await eviction.nominees(10)}
    assert (found[often], found[listed]) == (5.0, 1.0)
    assert found[late] == pytest.approx(600 / (600 + HOUR), rel=0.05)


async def test_some_clips_stay_whatever_they_are_worth(stage: Stage) -> None:
    eviction = Eviction(stage.database, stage.shelf, 10)
    pinned, donor, awaited, gone, free = [await put(stage, words) for words in ("a", "b", "c", "d", "e")]
    await change(stage, pinned, pinned=True)
    await stage.job_for(replace(take("f"), start=Start(donor, 0.75, "take")))
    await asked(stage, "c", awaited, ago=60.0, fetched=False)
    await stage.shelf.withdraw([gone], "invalidated")
    await put(stage, "g", private=True)
    assert [one.clip_id for one in await eviction.nominees(10)] == [free]
    # What changed between the choice and the deed counts, too.
    everyone = [standing(clip_id) for clip_id in (pinned, donor, awaited, gone, free)]
    assert await eviction.evict(everyone) == [free]
    row = await stage.row("clips", free)
    assert (row.state, row.withdrawn_reason) == ("withdrawn", "evicted")


async def test_the_row_goes_first_and_the_objects_after_the_grace_time(stage: Stage) -> None:
    eviction = Eviction(stage.database, stage.shelf, 10)
    clip_id = await put(stage, "a red ball")
    await eviction.evict([standing(clip_id)])
    assert await stage.shelf.collect(grace=HOUR) == []
    assert await eviction.count() == 1
    assert await stage.shelf.collect(grace=0) == [clip_id]
    assert await Ghosts(stage.database).evicted() == 1, "a ghost outlives its clip"


async def test_only_the_newest_ghosts_are_kept(stage: Stage) -> None:
    eviction = Eviction(stage.database, stage.shelf, 2)
    names = [await put(stage, words) for words in ("a", "b", "c")]
    for name in names:
        await eviction.evict([standing(name)])
    async with stage.database.read() as connection:
        rows = (await connection.execute(select(ghosts).order_by(ghosts.c.evicted_at))).all()
    assert [row.clip_id for row in rows] == names[1:]
    assert [(row.prompt, row.embedder, row.vector) for row in rows] == [("b", "tiny@1", VECTOR), ("c", "tiny@1", VECTOR)]
    none = Eviction(stage.database, stage.shelf, 0)
    await none.evict([standing(await put(stage, "d"))])
    assert await Ghosts(stage.database).evicted() == 0


async def test_a_miss_that_a_ghost_would_have_answered_counts_once(stage: Stage) -> None:
    eviction, remembered = Eviction(stage.database, stage.shelf, 10), Ghosts(stage.database)
    kept, clip_id = await put(stage, "a blue ball"), await put(stage, "a red ball")
    await eviction.evict([standing(clip_id)])
    evicted_at = await remembered.oldest()
    assert evicted_at is not None
    cursor = await remembered.cursor(int(evicted_at * 1000))
    await stage.ask(take("a red ball"))
    await stage.ask(take("a green ball"))
    misses = await remembered.misses(cursor / 1000, time.time() + 1, 10)
    assert [one.prompt for one in misses] == ["a red ball", "a green ball"]
    assert [await remembered.same(one) for one in misses] == [clip_id, None]
    assert [one.clip_id for one in await remembered.like(misses[1], "tiny@1")] == [clip_id]
    assert await remembered.like(misses[1], "other@1") == []
    later = cursor + 5000
    assert await remembered.count([clip_id], cursor, later)
    assert not await remembered.count([clip_id], cursor, later), "another gateway counted them"
    assert await remembered.cursor(0) == later
    (summary,) = await remembered.summary()
    assert (summary.clips, summary.bytes, summary.would_hit, summary.gpu_seconds) == (1, 1000, 1, 2.5)
    assert (await stage.row("clips", kept)).state == "live"


# As clients see it


def until(found: Any, wanted: Any) -> None:
    end = time.monotonic() + 60
    while not wanted(told := found()):
        assert time.monotonic() < end, told
        time.sleep(0.3)


def test_a_server_keeps_within_its_room(start: StartServer) -> None:
    probe = start("probe")
    probe.made("a red ball", quality="draft")
    size = httpx.get(f"{probe.url}/admin/api/plans", timeout=PATIENCE).json()["capacity"]["used"]
    assert size > 0
    probe.stop()
    live = start(CAPACITY_GB=3.4 * size / 1e9, GRACE_SECONDS=0)
    words = ["a red ball", "a blue square", "a green star", "a yellow triangle", "a pink circle"]
    videos = []
    for prompt in words:
        video = live.made(prompt, quality="draft")
        live.content(video["id"])
        videos.append(video)
        if prompt == words[0]:
            for _ in range(3):
                assert live.post(words[0], quality="draft")["reprise"]["verdict"] == "exact"
                live.content(live.post(words[0], quality="draft")["id"])

    def room() -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{live.url}/admin/api/plans", timeout=PATIENCE).json()
        return told

    until(room, lambda told: told["capacity"]["evicted"] >= 2 and told["capacity"]["used"] <= 0.95 * told["capacity"]["bytes"])
    again = live.post(words[0], quality="draft")
    assert again["reprise"]["verdict"] == "exact", "what was asked for most is still there"
    gone = [video for video in videos if httpx.get(f"{live.url}/v1/videos/{video['id']}/content", timeout=PATIENCE).status_code == 410]
    assert gone
    assert all(video["id"] != videos[0]["id"] for video in gone)
    miss = live.post(gone[0]["prompt"], quality="draft")
    assert miss["reprise"]["verdict"] == "miss"
    until(room, lambda told: sum(one["would_hit"] for one in told["ghosts"][-1:]) >= 1)
