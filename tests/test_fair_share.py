"""Whose turn it is: tenants take turns, however much each of them asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cache.errors import QueueFull
from cache.storage.database.database import Database
from generator.job import Priority
from generator.queue.queue import Queue, SubmittedJob
from generator.queue.times import read_waiting
from tests.stage import SERVED, Stage, new_job, set_stage, take


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


async def ask(stage: Stage, tenant: str, words: str, priority: Priority = Priority.INTERACTIVE) -> str:
    async with stage.database.write() as connection:
        found = await stage.queue.submit(connection, replace(new_job(take(f"{tenant} {words}")), tenant=tenant, priority=priority))
    assert isinstance(found, SubmittedJob)
    return found.job_id


async def leased(stage: Stage, worker: str = "worker") -> str:
    (lease,) = await stage.leases.lease(worker, SERVED.revision)
    return lease.job.prompt


async def test_tenants_take_turns(stage: Stage) -> None:
    for number in range(3):
        await ask(stage, "many", f"{number}")
    await ask(stage, "few", "0")
    await ask(stage, "late", "0", Priority.BACKGROUND)
    async with stage.database.read() as connection:
        foreseen = [job.tenant for job in await read_waiting(connection)]
    assert foreseen == ["many", "few", "many", "many", "late"]
    order = [await leased(stage, f"worker {number}") for number in range(5)]
    assert order == ["many 0", "few 0", "many 1", "many 2", "late 0"]


async def test_who_was_served_longest_ago_is_next(stage: Stage) -> None:
    for number, tenant in enumerate(("first", "second", "first", "second", "first")):
        await ask(stage, tenant, str(number))
    served = []
    for _ in range(5):
        (lease,) = await stage.leases.lease("worker", SERVED.revision)
        served.append(lease.job.tenant)
        await stage.leases.fail(lease, "render_failed", "as asked")
    assert served == ["first", "second", "first", "second", "first"]


async def test_one_tenant_cannot_fill_the_queue(stage: Stage) -> None:
    narrow = replace(stage, queue=Queue(stage.database, stage.dispatch, stage.signals, 4, 2))
    await ask(narrow, "many", "0")
    await ask(narrow, "many", "1")
    with pytest.raises(QueueFull) as refused:
        await ask(narrow, "many", "2")
    assert (refused.value.waiting, refused.value.limit) == (2, 2)
    await ask(narrow, "few", "0")
    await ask(narrow, "other", "0")
    with pytest.raises(QueueFull) as refused:
        await ask(narrow, "new", "0")
    assert (refused.value.waiting, refused.value.limit) == (4, 4)
