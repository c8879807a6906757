"""Hits at rest, on both databases: written with all they say, counted with their clip, refused once it went out of service."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from cache.errors import DatabaseAway
from cache.ids import new_id
from cache.request import Request
from cache.storage.clips.shelf import ClipDraft
from cache.storage.database.database import Database
from cache.storage.requests.requests import Requests
from cache.verdict import Refusal
from migrations.upgrade import migrate
from tests.servers.postgres import Postgres
from tests.stage import Stage, draft, set_stage, spec, take


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


def hit(clip_id: str, words: str = "a red ball", **more: object) -> Request:
    asked = spec(words)
    request = Request(
        id=new_id("video"),
        tenant="local",
        scope=asked.scope,
        created_at=time.time(),
        prompt=words,
        spec_key=asked.key,
        recipe=asked.recipe,
        pinned_seed=None,
        take=0,
        priority="interactive",
        verdict="exact",
        clip_id=clip_id,
        gpu_seconds_saved=2.5,
        completed_at=time.time(),
    )
    return replace(request, **more)  # type: ignore[arg-type]


async def added(stage: Stage, made: ClipDraft) -> str:
    await stage.add(made)
    return made.id


async def asked_before(stage: Stage, request: Request) -> bool:
    return bool((await stage.row("requests", request.id)).asked_before)


async def test_a_hit_says_in_the_database_what_it_said(stage: Stage) -> None:
    clip = await added(stage, draft(take()))
    near = hit(
        clip,
        "ein „roter“ Ball \\ \t 🎈 红球",
        verdict="near",
        similarity=0.1 + 0.2,
        confidence=0.99,
        pinned_seed=2**63 - 1,
        tags=("a", "ß"),
        notes=('it said "so"',),
        refused=(Refusal("camera: left / right", 0.97), Refusal("seed pinned")),
        no_store=True,
        end_user="Ann's „id“",
        metadata={"größe": "L \\ 'x'", "empty": ""},
        expires_at=time.time() + 3,
    )
    assert await stage.asked.record_hit(near)
    assert await stage.asked.by_id("local", near.id) == near


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=some.text(some.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40),
    share=some.floats(0, 1),
    seconds=some.floats(0, 1e9),
)
async def test_any_words_and_numbers_survive(stage: Stage, words: str, share: float, seconds: float) -> None:
    clip = await added(stage, draft(take()))
    try:
        said = replace(hit(clip), prompt=words, notes=(words,), similarity=share, gpu_seconds_saved=seconds)
        assert await stage.asked.record_hit(said)
        assert await stage.asked.by_id("local", said.id) == said
    finally:
        await stage.shelf.withdraw([clip], "test")


async def test_hits_are_counted_with_their_clips_and_refused_without(stage: Stage) -> None:
    one, two, gone = [await added(stage, draft(take(words))) for words in ("a red ball", "a blue ball", "a green ball")]
    await stage.shelf.withdraw([gone], "test")
    asks = [hit(clip) for clip in (one, gone, two, one, gone, one)]
    assert await asyncio.gather(*(stage.asked.record_hit(ask) for ask in asks)) == [True, False, True, True, False, True]
    assert [(await stage.row("clips", clip)).hits for clip in (one, two, gone)] == [3, 1, 0]
    assert (await stage.row("clips", one)).last_hit_at == pytest.approx(asks[-1].created_at, abs=1)
    listed, _ = await stage.asked.page("local", None, 20, "asc")
    assert {request.id for request in listed} == {ask.id for ask in asks if ask.clip_id != gone}


async def test_the_second_judged_ask_for_the_same_words_is_told_apart(stage: Stage) -> None:
    clip = await added(stage, draft(take()))
    exact, first, again, other = (
        hit(clip, "one"), hit(clip, "one", verdict="near"), hit(clip, "one", verdict="near"), hit(clip, "two", verdict="near")
    )  # fmt: skip
    assert all(await asyncio.gather(*(stage.asked.record_hit(ask) for ask in (exact, first, again, other))))
    together = [await asked_before(stage, ask) for ask in (first, again)]
    assert sorted(together) == [False, True]
    assert not await asked_before(stage, exact)
    assert not await asked_before(stage, other)
    later = hit(clip, "two", verdict="near")
    assert await stage.asked.record_hit(later)
    assert await asked_before(stage, later)


async def test_gateways_that_count_the_same_clips_do_not_lock_each_other_out(stage: Stage) -> None:
    """Each in another order, and on connections of their own."""
    named = [await added(stage, draft(take(f"ball {number}"))) for number in range(8)]
    others = [Requests(Database(stage.database.url.render_as_string(hide_password=False))) for _ in range(3)]
    try:
        gateways = [stage.asked, *others]
        asks = [
            gateway.record_hit(hit(clip))
            for _ in range(20)
            for turn, gateway in enumerate(gateways)
            for clip in (named if turn % 2 else reversed(named))
        ]
        assert all(await asyncio.gather(*asks))
    finally:
        for gateway in others:
            await gateway.close()
            await gateway._database.close()
    assert {(await stage.row("clips", clip)).hits for clip in named} == {80}


async def test_a_restart_of_the_server_between_two_hits_is_not_noticed() -> None:
    server = Postgres()
    try:
        database = Database(await asyncio.to_thread(lambda: server.start().create("hits")))
        await migrate(database)
        stage = set_stage(database, server.folder)
        clip = await added(stage, draft(take()))
        assert await stage.asked.record_hit(hit(clip))
        await asyncio.to_thread(server.kill)
        with pytest.raises(DatabaseAway):
            await stage.asked.record_hit(hit(clip))
        await asyncio.to_thread(server.start)
        assert await stage.asked.record_hit(hit(clip))
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        assert await stage.asked.record_hit(hit(clip))
        assert (await stage.row("clips", clip)).hits == 3
        await stage.asked.close()
        await database.close()
    finally:
        await asyncio.to_thread(server.close)


async def test_an_idempotency_key_is_taken_once(database: Database) -> None:
    requests = Requests(database)

    async def take_it(request_id: str) -> bool:
        async with database.write() as connection:
            return await requests.remember(connection, "local", "one-key", "0" * 64, request_id)

    ids = [new_id("video") for _ in range(6)]
    taken = await asyncio.gather(*(take_it(request_id) for request_id in ids))
    assert taken.count(True) == 1
    async with database.read() as connection:
        assert await requests.remembered(connection, "local", "one-key") == ("0" * 64, ids[taken.index(True)])
