"""Background tasks do not die in silence: they are started again, said once, and health sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
import structlog

from cache.errors import DatabaseAway
from cache.supervision import Supervisor


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for is a state, not an event
            await asyncio.sleep(0.001)


@pytest.fixture
async def supervisor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Supervisor]:
    monkeypatch.setattr("cache.supervision._PROVEN", 0.05)
    one = Supervisor(first=0.001, longest=0.01)
    yield one
    await one.close()


async def test_a_task_that_fails_is_started_again_and_said_once(supervisor: Supervisor) -> None:
    calls: asyncio.Queue[int] = asyncio.Queue()

    async def task() -> None:
        calls.put_nowait(calls.qsize())
        if calls.qsize() < 4:
            raise OSError(28, "No space left on device")
        await asyncio.Event().wait()

    with structlog.testing.capture_logs() as lines:
        supervisor.start("index", task)
        await until(lambda: calls.qsize() == 4)
        assert "No space left" in supervisor.troubles["index"]
        await until(lambda: not supervisor.troubles)
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "background task failed"),
        ("info", "background task recovered"),
    ]
    assert lines[1]["failures"] == 3


async def test_a_step_is_repeated_whatever_becomes_of_it(supervisor: Supervisor) -> None:
    rounds = 0

    async def step() -> None:
        nonlocal rounds
        rounds += 1
        if rounds in {2, 3}:
            raise DatabaseAway("the database does not answer")

    with structlog.testing.capture_logs() as lines:
        supervisor.every(0.001, "plans", step)
        await until(lambda: rounds >= 6)
    assert supervisor.troubles == {}
    assert [(line["log_level"], line["task"]) for line in lines] == [("warning", "plans"), ("info", "plans")]


async def test_the_pause_between_tries_grows_up_to_its_limit() -> None:
    supervisor = Supervisor(first=0.01, longest=0.04)
    began: list[float] = []

    async def task() -> None:
        began.append(asyncio.get_running_loop().time())
        raise RuntimeError("never works")

    supervisor.start("listening", task)
    await until(lambda: len(began) >= 6)
    await supervisor.close()
    pauses = [later - earlier for earlier, later in pairwise(began)]
    assert pauses[0] >= 0.01
    assert all(pause >= 0.04 for pause in pauses[2:])


async def test_what_ends_by_itself_is_not_started_again_and_closing_ends_the_rest(supervisor: Supervisor) -> None:
    ended: list[str] = []

    async def once() -> None:
        ended.append("once")

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("for ever")

    supervisor.start("once", once)
    supervisor.start("for ever", for_ever)
    await asyncio.sleep(0.02)
    assert ended == ["once"]
    await supervisor.close()
    assert ended == ["once", "for ever"]
