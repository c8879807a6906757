"""The batches keep their promises: order, errors to everyone, a bound, and no work for those who left."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cache.errors import Busy, Unavailable
from cache.matching.encoding.batching import Batches


async def test_every_caller_gets_its_own_answer_and_crowds_share_a_batch() -> None:
    sizes: list[int] = []

    def answer(asks: list[int]) -> list[int]:
        sizes.append(len(asks))
        return [ask * 2 for ask in asks]

    batches = Batches(answer, name="double")
    assert await asyncio.gather(*[batches.ask(number) for number in range(100)]) == [number * 2 for number in range(100)]
    assert max(sizes) == 16
    assert len(sizes) < 40
    await asyncio.to_thread(batches.close)


async def test_an_error_reaches_every_caller_and_the_thread_lives_on() -> None:
    def answer(asks: list[str]) -> list[str]:
        if "bad" in asks:
            raise ValueError("no such word")
        return asks

    batches = Batches(answer, name="echo", linger=0.05)
    first = batches.ask("warm")
    await first
    answers = await asyncio.gather(*[batches.ask(word) for word in ("bad", "bad", "bad")], return_exceptions=True)
    assert all(isinstance(answer, ValueError) for answer in answers)
    assert await batches.ask("good") == "good"
    await asyncio.to_thread(batches.close)


async def test_a_wrong_number_of_answers_is_an_error_not_a_hang() -> None:
    batches: Batches[int, int] = Batches(lambda asks: [], name="silent")
    with pytest.raises(RuntimeError, match="returned 0 answers for 1 requests"):
        await batches.ask(1)
    await asyncio.to_thread(batches.close)


async def test_a_full_queue_is_said_at_once_and_leavers_cost_nothing() -> None:
    go = threading.Event()
    answered: list[int] = []

    def answer(asks: list[int]) -> list[int]:
        go.wait(10)
        answered.extend(asks)
        return asks

    batches = Batches(answer, name="slow", limit=3)
    first = asyncio.create_task(batches.ask(0))
    await asyncio.sleep(0.1)  # the thread holds 0
    waiting = [asyncio.create_task(batches.ask(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await batches.ask(4)
    waiting[1].cancel()
    await asyncio.sleep(0)
    go.set()
    assert list(await asyncio.gather(first, waiting[0], waiting[2])) == [0, 1, 3]
    assert answered == [0, 1, 3]
    await asyncio.to_thread(batches.close)


async def test_closing_answers_what_was_asked_before_and_refuses_what_comes_after() -> None:
    batches: Batches[int, int] = Batches(lambda asks: asks, name="echo")
    asked = [asyncio.create_task(batches.ask(number)) for number in range(40)]
    await asyncio.sleep(0)
    await asyncio.to_thread(batches.close)
    assert await asyncio.gather(*asked) == list(range(40))
    with pytest.raises(Unavailable):
        await batches.ask(1)
