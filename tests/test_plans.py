"""Plans at rest, what they are mined from, and what came of them, on every database."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from cache.catalog import DEMO, ServedModel
from cache.errors import Conflict, NotFound
from cache.ids import new_id
from cache.matching.encoding.encoders import Loading
from cache.matching.popular import Bounds
from cache.plan import NewPrompt, PlanCover
from cache.storage.database.database import Database
from cache.storage.requests.erasure import Erasure
from cache.storage.requests.plans import Plans
from cache.storage.requests.traffic import at_hand, gpu_seconds, tenants_asking, traffic
from cache.storage.tables import clips, jobs, plan_covers, plan_prompts, plans, recipes, requests
from cache.variant import Spec
from gateway.answering.models import Models
from gateway.precompute.planner import Planner
from generator.queue.withdrawal import unwanted
from tests.stage import RECIPE, SERVED, Stage, draft, made, set_stage, spec, take

DAY = 86_400.0


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture
def kept(stage: Stage) -> Plans:
    return Plans(stage.database)


def prompt(words: str, *covered: str, hits: float = 2.0) -> NewPrompt:
    covers = [PlanCover(spec(words).key, words, 3, 1.0), *(PlanCover(spec(one).key, one, 1, 0.99) for one in covered)]
    return NewPrompt(words, spec(words).key, RECIPE, hits, 1.5, tuple(covers))


async def asked(stage: Stage, words: str, verdict: Any = "miss", at: float | None = None, **more: Any) -> str:
    async with stage.database.write() as connection:
        request = await stage.insert(connection, take(words), verdict, **more)
        if at is not None:
            await connection.execute(update(requests).where(requests.c.id == request).values(created_at=at))
    return request


# Rows


async def test_a_plan_is_read_as_it_was_added(kept: Plans) -> None:
    plan_id = await kept.add("local", "mined", [prompt("a", "b"), prompt("c")], 5, DAY, start=False)
    plan = await kept.by_id(plan_id)
    assert (plan.tenant, plan.source, plan.state, plan.budget, plan.expected_hits) == ("local", "mined", "proposed", 5, 4.0)
    assert (plan.counts.waiting, plan.counts.total, plan.gpu_seconds, plan.realised_hits) == (2, 2, 3.0, 0)
    first, second = await kept.prompts(plan_id, 0, 10)
    assert (first.rank, first.prompt, first.recipe, first.state) == (1, "a", RECIPE, "waiting")
    assert [(cover.prompt, cover.asks) for cover in first.covers] == [("a", 3), ("b", 1)]
    assert await kept.prompts(plan_id, 1, 10) == [second]
    assert [one.id for one in await kept.newest(10)] == [plan_id]
    assert await kept.newest(10, "other") == []
    with pytest.raises(NotFound):
        await kept.by_id(new_id("plan"))
    with pytest.raises(NotFound):
        await kept.by_id("' OR 1=1")


async def test_the_moves_of_a_plan(kept: Plans) -> None:
    plan_id = await kept.add("local", "list", [prompt("a")], 1, 0.0, start=False)
    assert await kept.running(10) == []
    await kept.start(plan_id)
    with pytest.raises(Conflict):
        await kept.start(plan_id)
    assert [plan.id for plan in await kept.running(10)] == [plan_id]
    await kept.cancel(plan_id)
    with pytest.raises(Conflict):
        await kept.cancel(plan_id)
    assert await kept.running(10) == []
    await kept.start(plan_id)  # it goes on
    (one,) = await kept.in_state(plan_id, "waiting", 10)
    await kept.mark(one, "failed", error="x" * 1000)
    await kept.finish(plan_id)
    plan = await kept.by_id(plan_id)
    assert (plan.state, plan.counts.failed) == ("done", 1)
    with pytest.raises(Conflict):
        await kept.cancel(plan_id)


async def test_what_holds_a_plan_up_is_told_and_taken_back(kept: Plans) -> None:
    plan_id = await kept.add("local", "list", [prompt("a")], 1, 0.0, start=True)
    for error in ("100 jobs wait", "100 jobs wait", None, None, "no model"):
        await kept.told(plan_id, error)
        assert (await kept.by_id(plan_id)).error == error


async def test_old_plans_of_a_tenant_go_running_ones_stay(kept: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache.storage.requests.plans._KEPT", 2)
    running = await kept.add("local", "list", [prompt("a")], 1, 0.0, start=True)
    others = await kept.add("other", "list", [prompt("a")], 1, 0.0, start=False)
    names = [await kept.add("local", "mined", [prompt("a", "b")], 1, 0.0, start=False) for _ in range(3)]
    assert {plan.id for plan in await kept.newest(10)} == {running, others, *names[1:]}


async def test_a_job_belongs_to_its_prompt_until_it_ends(stage: Stage, kept: Plans) -> None:
    plan_id = await kept.add("local", "list", [prompt("a"), prompt("b")], 2, 0.0, start=True)
    one, other = await kept.in_state(plan_id, "waiting", 10)
    job_id = await stage.job_for(take("a"))
    async with stage.database.write() as connection:
        await connection.execute(update(requests).values(deleted_at=1.0))
        assert await unwanted(connection, 10) == [job_id]
        assert await kept.claim(connection, one, job_id, False, None)
        assert not await kept.claim(connection, one, job_id, False, None)
        assert await unwanted(connection, 10) == [], "the doctor leaves it alone"
        assert await kept.claim(connection, other, None, False, "clip_1")
    assert await kept.ended(plan_id, 10) == []
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    result = made()
    await stage.leases.finish(lease, result)
    ((ended, clip_id, reason),) = await kept.ended(plan_id, 10)
    assert (ended.rank, clip_id, reason) == (1, result.clip_id, None)
    assert (await kept.by_id(plan_id)).counts.hit == 1


async def test_realised_hits_are_those_of_people_within_the_horizon(stage: Stage, kept: Plans) -> None:
    plan_id = await kept.add("local", "mined", [prompt("a")], 1, 100.0, start=True)
    await stage.add(clip := draft(take("a")))
    (one,) = await kept.in_state(plan_id, "waiting", 1)
    await kept.mark(one, "made", clip_id=clip.id)
    started = (await kept.by_id(plan_id)).started_at
    assert started is not None
    await asked(stage, "a", "exact", started + 5, clip_id=clip.id)
    await asked(stage, "b", "near", started + 50, clip_id=clip.id)
    await asked(stage, "a", "exact", started - 5, clip_id=clip.id)
    await asked(stage, "a", "exact", started + 500, clip_id=clip.id)
    assert (await kept.by_id(plan_id)).realised_hits == 2
    assert [one.hits for one in await kept.prompts(plan_id, 0, 10)] == [2]
    await kept.settle(10)
    async with stage.database.write() as connection:
        assert (await connection.execute(select(plans.c.realised_hits))).scalar_one() is None, "its time is not over"
        await connection.execute(update(plans).values(started_at=started - 1000))
        await connection.execute(update(requests).values(created_at=requests.c.created_at - 1000))
    await kept.settle(10)
    async with stage.database.write() as connection:
        await connection.execute(requests.delete())
    assert (await kept.by_id(plan_id)).realised_hits == 2, "written down before requests are pruned"


# Mining


async def test_traffic_counts_what_a_cache_could_have_answered(stage: Stage) -> None:
    now = time.time()
    await asked(stage, "a", "miss", now - 7200)
    await asked(stage, "a", "exact", now - 60, clip_id="clip_1")
    await asked(stage, "b", "joined", now - 30)
    await asked(stage, "c", "near", now - 20, clip_id="clip_1")
    await asked(stage, "d", at=now, no_store=True)
    await asked(stage, "e", "bypass", now)
    await asked(stage, "f", at=now, error_code="out_of_memory")
    await asked(stage, "g", at=now - 10 * DAY)
    hidden = await asked(stage, "h")
    gone = await asked(stage, "i")
    async with stage.database.write() as connection:
        await connection.execute(update(requests).where(requests.c.id == hidden).values(prompt=None))
        await connection.execute(update(requests).where(requests.c.id == gone).values(deleted_at=now))
    async with stage.database.read() as connection:
        found = await traffic(connection, "local", now - DAY, 100)
        assert await traffic(connection, "other", now - DAY, 100) == replace(found, specs=[], since=None)
        assert await tenants_asking(connection, now - DAY) == ["local"]
    counted = {one.prompt: sum(asks.count for asks in one.asks) for one in found.specs}
    assert counted == {"a": 2, "b": 1, "c": 1}
    assert found.since == pytest.approx(now - 7200, abs=1)
    assert {one.spec_key for one in found.specs} == {spec(words).key for words in "abc"}


async def test_what_is_at_hand_is_not_made(stage: Stage) -> None:
    await stage.add(draft(take("a"), gpu_seconds=4.0))
    await stage.job_for(take("b"))
    async with stage.database.read() as connection:
        assert await at_hand(connection, [spec(words).key for words in "abc"]) == {spec("a").key, spec("b").key}
        assert await gpu_seconds(connection, RECIPE.key) == 4.0
        assert await gpu_seconds(connection, "0" * 64) is None


def planner(stage: Stage, kept: Plans, served: ServedModel = SERVED) -> Planner:
    """Without a near tier: what the judge adds is tried through a whole server."""

    def never() -> Any:
        raise AssertionError("no encoder is wanted")

    lookup: Any = None
    return Planner(
        stage.database, lookup, Loading(never, 1.0), Models([served], {}), kept,
        near=False, both_ways=False, max_wrong=0.02, horizon=DAY,
    )  # fmt: skip


async def test_a_plan_is_mined_from_misses_and_by_tenant(stage: Stage, kept: Plans) -> None:
    for words, times in (("often", 5), ("twice", 2), ("made", 9)):
        for _ in range(times):
            await asked(stage, words)
    await stage.add(draft(take("made"), gpu_seconds=3.0))
    plan_id, mined = await planner(stage, kept).plan("local", Bounds(2), start=True)
    assert plan_id is not None
    assert (mined.specs, mined.answered) == (3, 1)
    first, second = await kept.prompts(plan_id, 0, 10)
    assert [(one.prompt, one.gpu_seconds) for one in (first, second)] == [("often", 3.0), ("twice", 3.0)]
    assert first.expected_hits > second.expected_hits > 0
    assert (await kept.by_id(plan_id)).state == "running"
    assert await planner(stage, kept).plan("other", Bounds(2), start=True) == (None, replace(mined, prompts=[], specs=0, answered=0))


async def test_words_stay_popular_when_their_model_is_renewed(stage: Stage, kept: Plans) -> None:
    await asked(stage, "a red ball")
    renewed = ServedModel(DEMO, "revision-2", "pipeline")
    mined = await planner(stage, kept, renewed).mine("local", Bounds(2))
    (one,) = mined.prompts
    wanted = replace(RECIPE, revision="revision-2")
    assert (one.prompt, one.recipe) == ("a red ball", wanted)
    assert one.spec_key == Spec("tenant:local", spec("a red ball").prompt, wanted).key
    other = ServedModel(replace(DEMO, name="another"), "revision-2", "pipeline")
    assert (await planner(stage, kept, other).mine("local", Bounds(2))).prompts == []


# Words that must not stay


async def test_erasing_takes_the_words_out_of_plans_and_ghosts(stage: Stage, kept: Plans) -> None:
    from cache.storage.clips.eviction import Eviction
    from cache.storage.tables import ghosts
    from tests.test_eviction import put, standing

    wordy = replace(RECIPE, negative_prompt="no rain")
    said = Spec("tenant:local", spec("a red ball").prompt, wordy)
    new = NewPrompt("a red ball", said.key, wordy, 1.0, 1.0, (PlanCover(spec("b").key, "b", 1, 1.0),))
    cover = NewPrompt("b", spec("b").key, RECIPE, 1.0, 1.0, (PlanCover(said.key, "a red ball", 1, 1.0),))
    mine = await kept.add("local", "mined", [new, cover], 2, DAY, start=True)
    theirs = await kept.add("other", "mined", [new], 1, DAY, start=True)
    clip_id = await put(stage, "a red ball")
    async with stage.database.write() as connection:
        await connection.execute(update(clips).where(clips.c.id == clip_id).values(spec_key=said.key))
    await Eviction(stage.database, stage.shelf, 10).evict([standing(clip_id)])
    job_id = await stage.job_for(take("coming"))
    async with stage.database.write() as connection:
        await connection.execute(update(jobs).where(jobs.c.id == job_id).values(spec_key=said.key))
        request = await stage.insert(connection, take("a red ball"), "miss")
        await connection.execute(update(requests).where(requests.c.id == request).values(spec_key=said.key))
    found = replace(await stage.asked.by_id("local", request), recipe=wordy)
    await Erasure(stage.database, stage.shelf).erase(found)
    async with stage.database.read() as connection:
        words = {(row.plan_id, row.rank): row.prompt for row in await connection.execute(select(plan_prompts))}
        covers = {(row.plan_id, row.rank): row.prompt for row in await connection.execute(select(plan_covers))}
        assert (await connection.execute(select(func.count()).select_from(ghosts))).scalar_one() == 0
        assert (await connection.execute(select(jobs.c.keep_words).where(jobs.c.id == job_id))).scalar_one() is False
        named = (await connection.scalars(select(recipes.c.key))).all()
    assert words == {(mine, 1): None, (mine, 2): "b", (theirs, 1): "a red ball"}
    assert covers == {(mine, 1): "b", (mine, 2): None, (theirs, 1): "b"}
    assert wordy.key in named, "the other tenant's plan names it still"
