"""Shadow audits: which near hits are chosen, what becomes of them, and that nothing already answered changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from cache.ids import new_id
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.operators.audits import Audits, chosen
from cache.storage.requests.erasure import Erasure
from cache.storage.tables import audits, requests
from generator.job import Priority
from generator.queue.queue import SubmittedJob
from tests.admin.pages import api, post, until
from tests.conftest import StartServer
from tests.live import PATIENCE, Live
from tests.stage import SERVED, Stage, draft, made, new_job, set_stage, take

STEPS = 4


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_the_smaller_one_in_it(one: float, other: float) -> None:
    ids = [f"video_{number:032x}" for number in range(50)]
    fewer, more = ({name for name in ids if chosen(name, share)} for share in sorted((one, other)))
    assert fewer <= more


def test_the_share_is_kept() -> None:
    ids = [new_id("video") for _ in range(20_000)]
    assert sum(chosen(name, 0.1) for name in ids) == pytest.approx(2000, abs=6 * (20_000 * 0.1 * 0.9) ** 0.5)
    assert not any(chosen(name, 0.0) for name in ids)
    assert all(chosen(name, 1.0) for name in ids)


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture
def kept(stage: Stage) -> Audits:
    return Audits(stage.database, stage.shelf)


async def near(stage: Stage, words: str, clip_id: str, **more: Any) -> str:
    async with stage.database.write() as connection:
        return await stage.insert(connection, take(words), "near", clip_id=clip_id, similarity=0.97, confidence=0.99, **more)


async def rows(stage: Stage) -> dict[str, Any]:
    async with stage.database.read() as connection:
        return {row.request_id: row for row in await connection.execute(select(audits))}


async def asked(stage: Stage, kept: Audits, video: str, words: str) -> str:
    """The audit of `video` has its job, which no request waits for."""
    async with stage.database.write() as connection:
        found = await stage.queue.submit(connection, new_job(take(words), priority=Priority.BACKGROUND))
        assert isinstance(found, SubmittedJob)
        assert await kept.claim(connection, video, found.job_id, None)
    return found.job_id


async def test_only_what_a_person_may_look_at_is_chosen(stage: Stage, kept: Audits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    await stage.add(pooled := draft(take("another's ball"), scope="tenant:acme", tenant="acme"))
    good = await near(stage, "the red ball", clip.id)
    await near(stage, "a private ball", clip.id, no_store=True)
    await near(stage, "a ball of the pool", pooled.id)
    erased, deleted, old = [await near(stage, f"ball {number}", clip.id) for number in range(3)]
    async with stage.database.write() as connection:
        await stage.insert(connection, take("a red ball"), "exact", clip_id=clip.id)
        for video, values in ((erased, {"prompt": None}), (deleted, {"deleted_at": 1.0}), (old, {"created_at": 1.0})):
            await connection.execute(update(requests).where(requests.c.id == video).values(**values))
    assert await kept.choose(0.0, 3600) == 0
    assert await kept.choose(1.0, 3600) == 1
    assert await kept.choose(1.0, 3600) == 0, "a second gateway finds nothing new"
    assert set(await rows(stage)) == {good}
    audit = await kept.next()
    assert audit is not None
    assert (audit.request_id, audit.served_clip_id) == (good, clip.id)


async def test_many_are_chosen_page_by_page(stage: Stage, kept: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache.storage.operators.audits._MOST", 3)
    await stage.add(clip := draft(take("a red ball")))
    videos = [await near(stage, f"ball {number}", clip.id) for number in range(8)]
    assert await kept.choose(0.5, 3600) == len([video for video in videos if chosen(video, 0.5)])
    assert set(await rows(stage)) == {video for video in videos if chosen(video, 0.5)}


async def test_an_audit_takes_the_spec_of_its_job(stage: Stage, kept: Audits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    good, bad = await near(stage, "the red ball", clip.id), await near(stage, "the ball", clip.id)
    await kept.choose(1.0, 3600)
    job = await asked(stage, kept, good, "the red ball")
    other = await asked(stage, kept, bad, "the ball")
    async with stage.database.write() as connection:
        assert not await kept.claim(connection, good, "job_other", None), "it is asked already"
    assert await kept.settle() == 0
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    assert lease.job.id == job
    spec = made()
    await stage.leases.finish(lease, spec)
    await stage.queue.cancel(other)
    assert await kept.settle() == 2
    found = await rows(stage)
    assert (found[good].state, found[good].clip_id) == ("made", spec.clip_id)
    assert (found[bad].state, found[bad].clip_id) == ("failed", None)
    row = await stage.row("requests", good)
    assert row.clip_id == clip.id, "what was answered stays answered"


async def erased(stage: Stage, clip_id: str) -> bool:
    """Its bare row stays for the grace time, so that every index hears of it."""
    row = await stage.row("clips", clip_id)
    return row.state == "withdrawn" and row.withdrawn_reason.startswith("erased") and row.prompt is None


async def test_words_erased_meanwhile_leave_no_spec(stage: Stage, kept: Audits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    video = await near(stage, "the red ball", clip.id)
    await kept.choose(1.0, 3600)
    await asked(stage, kept, video, "the red ball")
    await Erasure(stage.database, stage.shelf).erase(await stage.asked.by_id("local", video))
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    spec = made()
    await stage.leases.finish(lease, spec)
    await kept.settle()
    assert await rows(stage) == {}
    assert await erased(stage, spec.clip_id)


async def test_erasing_takes_the_spec_of_the_audit_along(stage: Stage, kept: Audits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    await stage.add(own := draft(take("the red ball")))
    await stage.add(held := draft(take("the red ball", 1)))
    video = await near(stage, "the red ball", clip.id)
    await kept.choose(1.0, 3600)
    async with stage.database.write() as connection:
        await kept.claim(connection, video, None, own.id)
    await Erasure(stage.database, stage.shelf).erase(await stage.asked.by_id("local", video))
    assert await erased(stage, own.id)
    assert not await erased(stage, held.id)
    assert await rows(stage) == {}


async def test_rows_of_requests_that_are_gone_go(stage: Stage, kept: Audits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    video, other = await near(stage, "the red ball", clip.id), await near(stage, "a ball", clip.id)
    await kept.choose(1.0, 3600)
    async with stage.database.write() as connection:
        await connection.execute(requests.delete().where(requests.c.id == video))
    assert await kept.prune() == 1
    assert set(await rows(stage)) == {other}
    await kept.give_up(other)
    assert (await rows(stage))[other].state == "failed"
    assert await kept.next() is None


async def test_without_a_share_which_is_the_default_nothing_is_chosen(stage: Stage, kept: Audits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    await near(stage, "the red ball", clip.id)
    await kept.choose(Settings().audit_share, 3600)
    assert await rows(stage) == {}


# On a real server


def audited(live: Live) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api(live, "near-hits", kind="audit")["data"]
    return found


def test_a_near_hit_is_rendered_anew_when_nobody_waits(start: StartServer) -> None:
    live = start(AUDIT_SHARE=1)
    served = live.made("a red ball on grass", steps=STEPS)
    near = live.made("The red ball is on the grass", steps=STEPS)
    private = live.made("A red ball is on grass", steps=STEPS, headers={"Cache-Control": "no-store"})
    assert (near["reprise"]["verdict"], private["reprise"]["verdict"]) == ("near", "near")
    until(lambda: bool(audited(live)), 2 * PATIENCE)
    (pair,) = audited(live)
    assert (pair["request"], pair["clip"]) == (near["id"], served["reprise"]["clip"])
    assert pair["audit_clip"] not in {None, pair["clip"]}
    (job,) = [one for one in api(live, "jobs", ended="done")["ended"] if one["clip"] == pair["audit_clip"]]
    assert (job["priority"], job["prompt"]) == ("background", "The red ball is on the grass")
    videos = httpx.get(f"{live.url}/v1/videos").json()["data"]
    assert len(videos) == 3, "an audit is nobody's request"
    assert live.get(near["id"])["reprise"]["clip"] == served["reprise"]["clip"]
    assert live.content(near["id"]) == live.content(served["id"])
    again = live.post("The red ball is on the grass", steps=STEPS)
    assert (again["reprise"]["verdict"], again["reprise"]["clip"]) == ("exact", pair["audit_clip"])
    said = post(live, f"/admin/api/near-hits/audit/{near['id']}/label", right="no").json()
    assert said["right"] is False
    assert api(live, "near-hits", kind="near")["data"][-1]["right"] is False, "it is the same pair"
