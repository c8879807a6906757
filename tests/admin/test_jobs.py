"""Jobs: what waits and what is at work, cancelled and raised by hand. At rest on every database, and over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from cache.storage.database.database import Database
from generator.job import Priority
from generator.queue.board import Board
from generator.queue.queue import SubmittedJob
from generator.renderer import Progress
from tests.admin.pages import HOSTILE, api, html, post, until
from tests.conftest import StartServer
from tests.live import PATIENCE
from tests.stage import SERVED, Stage, made, set_stage, take

BACKGROUND = Priority.BACKGROUND
STEPS = 4
SLOW = 60


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


async def test_the_board_shows_the_order_of_leasing(stage: Stage) -> None:
    board = Board(stage.database)
    assert await board.open(10) == ([], 0)
    plan = await stage.job_for(take("a plan"), priority=BACKGROUND)
    second = await stage.job_for(take("second"))
    await stage.leases.lease("w1", SERVED.revision)
    third = await stage.job_for(take("third"))
    found, count = await board.open(10)
    assert [(one.job.id, one.position) for one in found] == [(second, None), (third, 1), (plan, 2)]
    assert count == 3
    working = found[0]
    assert (working.job.worker, working.asking, working.prompt) == ("w1", 1, "second")
    assert working.worked is not None
    assert working.lease_left is not None
    assert working.lease_left > 0
    assert len((await board.open(2))[0]) == 2


async def test_what_ended_says_how(stage: Stage) -> None:
    board = Board(stage.database)
    await stage.ask(take("good"))
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    await stage.leases.renew(lease, Progress("denoise", 40))
    await stage.leases.finish(lease, made(stages_ms={"queue": 1.0, "denoise": 20.0}))
    await stage.ask(take("bad"))
    (failing,) = await stage.leases.lease("w", SERVED.revision)
    await stage.leases.fail(failing, "render_failed", "it failed")
    gone = await stage.job_for(take("unwanted"))
    assert await stage.queue.cancel(gone)
    newest = await board.ended("all", 10)
    assert [(one.job.state.value, one.prompt) for one in newest] == [("cancelled", "unwanted"), ("failed", "bad"), ("done", "good")]
    (done,) = await board.ended("done", 10)
    assert done.stages_ms == {"queue": 1.0, "denoise": 20.0}
    assert done.clip_id is not None
    (failed,) = await board.ended("failed", 10)
    assert (failed.job.error_code, failed.job.error_message) == ("render_failed", "it failed")
    assert await board.one(gone) is not None
    assert await board.one("job_unknown") is None


async def test_words_that_must_not_stay_are_not_shown(stage: Stage) -> None:
    job = await stage.job_for(take("a secret"), keep_words=False, joinable=False)
    found = await Board(stage.database).one(job)
    assert found is not None
    assert found.prompt is None


async def test_a_raised_job_goes_before_the_plan(stage: Stage) -> None:
    first = await stage.job_for(take("first"), priority=BACKGROUND)
    second = await stage.job_for(take("second"), priority=BACKGROUND)
    before = await stage.row("jobs", second)
    assert await stage.queue.raise_priority(second)
    assert not await stage.queue.raise_priority(second), "it is interactive already"
    after = await stage.row("jobs", second)
    assert (after.priority, after.place, after.attempt, after.state) == ("interactive", before.place, 0, "queued")
    assert after.sequence > before.sequence
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    assert lease.job.id == second
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    assert lease.job.id == first


async def test_raising_what_is_leased_leaves_the_lease_alone(stage: Stage) -> None:
    job = await stage.job_for(take(), priority=BACKGROUND)
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    assert await stage.queue.raise_priority(job)
    await stage.leases.renew(lease, Progress("denoise", 50))
    await stage.leases.release(lease)
    assert (await stage.row("jobs", job)).priority == "interactive"
    (again,) = await stage.leases.lease("w", SERVED.revision)
    await stage.leases.finish(again, made())
    assert not await stage.queue.raise_priority(job), "closed"
    assert not await stage.queue.raise_priority("job_unknown")


async def test_a_cancel_by_hand_tells_everyone(stage: Stage) -> None:
    request, found = await stage.ask(take())
    assert isinstance(found, SubmittedJob)
    assert await stage.queue.cancel(found.job_id, "cancelled by an operator")
    assert (await stage.row("requests", request)).error_message == "cancelled by an operator"


# Over HTTP


def test_jobs_are_seen_raised_and_cancelled(start: StartServer) -> None:
    live = start()
    done = live.made("a red ball", steps=STEPS)
    working = live.post(HOSTILE, steps=SLOW)
    plans = [live.post(f"a plan {number}", steps=STEPS, priority="background") for number in range(2)]
    until(lambda: any(job["state"] == "leased" for job in api(live, "jobs")["queue"]))
    jobs: list[dict[str, Any]] = api(live, "jobs")["queue"]
    assert [(job["prompt"], job["position"]) for job in jobs] == [(HOSTILE, None), ("a plan 0", 1), ("a plan 1", 2)]
    assert jobs[0]["worker"]
    assert jobs[0]["requests_waiting"] == 1
    page = html(live, "/admin/jobs")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert 'data-live="2"' in page
    raised = jobs[2]["job"]
    assert post(live, f"/admin/api/jobs/{raised}/raise").json()["done"] == "raise"
    again = post(live, f"/admin/api/jobs/{raised}/raise")
    assert (again.status_code, again.json()["error"]["message"]) == (409, "this job is already interactive")
    assert [job["prompt"] for job in api(live, "jobs")["queue"]][1:] == ["a plan 1", "a plan 0"]
    part = httpx.post(f"{live.url}/admin/jobs/{jobs[0]['job']}/cancel", headers={"HX-Request": "true"}, timeout=PATIENCE)
    assert part.text.lstrip().startswith('<div id="now"')
    video = live.finished(live.get(working["id"]))
    assert (video["error"]["code"], video["error"]["message"]) == ("cancelled", "cancelled by an operator")
    assert [live.finished(plan)["status"] for plan in plans] == ["completed", "completed"]
    ended = api(live, "jobs", ended="done")["ended"]
    assert "denoise" in ended[0]["stages_ms"]
    assert {job["clip"] for job in ended} >= {done["reprise"]["clip"]}
    one = ended[0]["job"]
    assert "Where the time went" in html(live, f"/admin/jobs/{one}")
    closed = post(live, f"/admin/jobs/{one}/cancel")
    assert closed.status_code == 409
    for path, status in ((f"jobs/job_{'0' * 32}/cancel", 404), ("jobs/x/raise", 404), (f"jobs/{one}/melt", 404)):
        assert post(live, f"/admin/api/{path}").status_code == status, path
    assert httpx.get(f"{live.url}/admin/jobs?ended=soon").status_code == 400
