"""What the miss path commits, and what it must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import event, select, update

from cache.storage.clips.provenance import Provenance
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database, Transaction
from cache.storage.requests.requests import Requests
from cache.storage.tables import clips, jobs, requests
from gateway.answering.assisting import NO_ASSISTANCE
from gateway.answering.settled import Queued, Settled
from gateway.answering.submission import AskedBefore, RenderRequest, Submission, Submitted
from gateway.upkeep.sweeps import Upkeep
from tests.databases import open_sqlite
from tests.stage import Stage, draft, new_request, seeded, set_stage, spec, take

NOBODY = cast(Any, None)  # parts that these stories never ask


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


def submission(stage: Stage, shelf: Shelf | None = None) -> Submission:
    return Submission(stage.database, shelf or stage.shelf, stage.asked, NOBODY, stage.queue, stage.dispatch, NO_ASSISTANCE)


async def open_jobs(stage: Stage) -> list[str]:
    async with stage.database.read() as connection:
        return list((await connection.scalars(select(jobs.c.id).where(jobs.c.state == "queued"))).all())


async def test_what_nobody_claims_is_not_rendered(stage: Stage) -> None:
    async def nobody(_: Transaction, settled: Settled) -> bool:
        assert isinstance(settled, Queued)
        return False

    _, claimed = await submission(stage).settle(RenderRequest("local", spec()), nobody)
    assert not claimed
    assert await open_jobs(stage) == []


async def test_a_second_request_under_one_idempotency_key_makes_no_second_job(stage: Stage) -> None:
    """With no-cache each would render a take of its own."""
    wanted = RenderRequest("local", spec(), fresh=True)
    first, second = (new_request(take(), "bypass") for _ in range(2))
    placed = await submission(stage).submit(wanted, first, ("a key", "b" * 64))
    assert isinstance(placed, Submitted)
    assert isinstance(await submission(stage).submit(wanted, second, ("a key", "b" * 64)), AskedBefore)
    assert await open_jobs(stage) == [placed.request.job_id]


async def test_a_clip_that_may_not_be_served_does_not_keep_its_spec_from_being_made(stage: Stage) -> None:
    await stage.add(draft(seeded()))
    async with stage.database.write() as connection:
        await connection.execute(update(clips).values(provenance="f" * 64))
    strict = Shelf(stage.database, stage.objects, Provenance(["ours"]))
    asked = new_request(seeded(), "miss")
    placed = await submission(stage, strict).submit(RenderRequest("local", spec(), pinned_seed=seeded().pinned_seed), asked, None)
    assert isinstance(placed, Submitted)
    assert await open_jobs(stage) == [placed.request.job_id]


async def test_an_orphan_whose_words_were_erased_ends(stage: Stage) -> None:
    """Rather than get a clip of no words at all."""
    async with stage.database.write() as connection:
        orphan = await stage.insert(connection, take(), "joined", similarity=0.97, confidence=0.99)
        await connection.execute(update(requests).where(requests.c.id == orphan).values(prompt=None))
    parts = (stage.leases, stage.shelf, stage.asked, NOBODY, submission(stage), NOBODY, NOBODY, NOBODY, NOBODY)
    await Upkeep(*parts, grace=600.0)._adopt()
    row = await stage.row("requests", orphan)
    assert (row.error_code, row.error_message, row.job_id) == ("cancelled", "its words were erased", None)
    assert await stage.asked.orphans(10) == []


async def test_orphans_are_found_without_reading_all_that_was_answered(tmp_path: Path) -> None:
    """Every hit is a request without a job, too."""
    asked: list[tuple[str, Any]] = []
    async with open_sqlite(tmp_path) as database:
        event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
        await Requests(database).orphans(100)
        ((statement, values),) = [said for said in asked if "requests" in said[0]]
        async with database.read() as connection:
            plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)).all()
    assert any("ix_requests_open" in row.detail for row in plan), plan
