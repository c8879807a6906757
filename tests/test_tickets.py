"""Procrastinate's tickets, between real workers on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from cache.storage.database.database import Database
from generator.job import Priority
from generator.queue import procrastinate_dispatch
from generator.queue.leases import LeaseTerms
from generator.queue.procrastinate_dispatch import ProcrastinateDispatch
from tests.databases import open_postgres
from tests.stage import SERVED, PredictableRenderer, Stage, new_job, set_stage, take
from tests.test_worker import closed, working

pytest.register_assert_rewrite("tests.test_worker")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_postgres(tmp_path) as opened:
        yield opened


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    """A gateway's view: it announces and takes nothing."""
    return machine(database, tmp_path)


@pytest.fixture
def making(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "making"


def machine(database: Database, folder: Path, terms: LeaseTerms | None = None) -> Stage:
    return set_stage(database, folder, terms, dispatch=ProcrastinateDispatch(database.url))


@asynccontextmanager
async def workers(database: Database, folder: Path, *renderers: PredictableRenderer) -> AsyncIterator[None]:
    """A machine each, which shares nothing with the others but the database and the store."""
    async with AsyncExitStack() as stack:
        for number, renderer in enumerate(renderers):
            await stack.enter_async_context(working(machine(database, folder).worker(renderer, folder / f"making-{number}")))
        yield


def ticketed(stage: Stage) -> ProcrastinateDispatch:
    assert isinstance(stage.dispatch, ProcrastinateDispatch)
    return stage.dispatch


async def test_a_ticket_comes_with_the_commit_or_not_at_all(stage: Stage) -> None:
    with pytest.raises(RuntimeError):
        async with stage.database.write() as connection:
            await stage.queue.submit(connection, new_job(take("a blue ball")))
            raise RuntimeError
    job = await stage.job_for(take())
    assert [ticket["job"] for ticket in await ticketed(stage).tickets()] == [job]


async def test_two_workers_render_each_job_once(stage: Stage, tmp_path: Path) -> None:
    jobs = [await stage.job_for(take(f"ball {number}")) for number in range(8)]
    renderers = PredictableRenderer(step_seconds=0.03), PredictableRenderer(step_seconds=0.03)
    async with workers(stage.database, tmp_path, *renderers):
        assert [await closed(stage, job) for job in jobs] == ["done"] * len(jobs)
    assert {(await stage.row("jobs", job)).attempt for job in jobs} == {1}
    assert sum(len(renderer.rendered) for renderer in renderers) == len(jobs)
    assert all(renderer.rendered for renderer in renderers)
    assert await ticketed(stage).tickets() == []


async def test_interactive_goes_first_and_a_person_who_joins_hurries_a_plan(stage: Stage, tmp_path: Path) -> None:
    planned = [await stage.job_for(take(f"plan {number}"), priority=Priority.BACKGROUND) for number in range(3)]
    await stage.job_for(take("now"))
    await stage.ask(take("plan 2"))
    renderer = PredictableRenderer()
    async with workers(stage.database, tmp_path, renderer):
        for job in planned:
            await closed(stage, job)
    assert {order.prompt for order in renderer.rendered[:2]} == {"now", "plan 2"}
    assert [order.prompt for order in renderer.rendered[2:]] == ["plan 0", "plan 1"]


async def test_a_lost_ticket_costs_a_moment_and_not_the_job(stage: Stage, tmp_path: Path) -> None:
    job = await stage.job_for(take())
    async with stage.database.write() as connection:
        await connection.execute(text("DELETE FROM procrastinate_jobs"))
    async with workers(stage.database, tmp_path, PredictableRenderer()):
        assert await closed(stage, job) == "done"


async def test_a_worker_gets_no_tickets_of_another_revision(stage: Stage, tmp_path: Path) -> None:
    job = await stage.job_for(take())
    other = PredictableRenderer(served=replace(SERVED, revision="f" * 64))
    async with workers(stage.database, tmp_path, other):
        await asyncio.sleep(1.5)
        assert (await stage.row("jobs", job)).state == "queued"
    assert [ticket["job"] for ticket in await ticketed(stage).tickets()] == [job]


async def test_a_lease_that_ran_out_brings_a_new_ticket(stage: Stage, tmp_path: Path) -> None:
    job = await stage.job_for(take())
    await stage.leases.lease("gone", SERVED.revision)
    await stage.age(job, lease_until=100)
    assert (await stage.leases.expire()).queued == [job]
    assert [ticket["job"] for ticket in await ticketed(stage).tickets()] == [job, job]
    async with workers(stage.database, tmp_path, PredictableRenderer()):
        assert await closed(stage, job) == "done"
    assert (await stage.row("jobs", job)).attempt == 2


async def test_a_worker_that_stops_hands_its_job_on(stage: Stage, tmp_path: Path) -> None:
    job = await stage.job_for(take())
    slow = PredictableRenderer(steps=2000)
    async with workers(stage.database, tmp_path, slow):
        await asyncio.to_thread(slow.begun.wait, 10)
    assert (await stage.row("jobs", job)).state == "queued"
    async with workers(stage.database, tmp_path, PredictableRenderer()):
        assert await closed(stage, job) == "done"


async def test_tickets_are_still_tidied_after_the_database_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries to reach it nothing is open to ask."""
    monkeypatch.setattr(procrastinate_dispatch, "_TIDY", 0.01)
    dispatch = ProcrastinateDispatch(make_url("postgresql+psycopg://nobody@127.0.0.1:9/nowhere"))
    tidying = asyncio.create_task(dispatch._tidy())
    await asyncio.sleep(0.2)
    assert not tidying.done()
    tidying.cancel()
