"""What the rows know of a Spec before its prompt is judged, on both databases, and when there is no database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from cache.errors import DatabaseAway
from cache.storage.database.database import Database
from cache.storage.database.driver import DriverConnection, by_statement
from cache.storage.requests.labels import Labels
from cache.storage.requests.lookup_queries import LookupQueries, LookupRows
from cache.storage.tables import clips
from tests.stage import Stage, draft, new_request, seeded, set_stage, spec, take

NOBODY: frozenset[str] = frozenset()


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


async def test_a_clip_in_service_is_exact(stage: Stage) -> None:
    queries, asked = LookupQueries(stage.database), spec("a red ball")
    assert await queries.at(asked) == LookupRows(False, NOBODY)
    await stage.add(clip := draft(take("a red ball")))
    assert await queries.at(asked) == LookupRows(True, NOBODY)
    assert not (await queries.at(spec("a blue ball"))).exact
    await stage.shelf.withdraw([clip.id], "invalidated")
    assert not (await queries.at(asked)).exact


async def test_what_is_private_or_past_its_time_is_not(stage: Stage) -> None:
    await stage.add(draft(take("a red ball"), private=True))
    await stage.add(draft(take("a blue ball"), keep_seconds=-1.0))
    await stage.add(draft(take("a green ball"), keep_seconds=60.0))
    found = {words: (await LookupQueries(stage.database).at(spec(words))).exact for words in ("a red ball", "a blue ball", "a green ball")}
    assert found == {"a red ball": False, "a blue ball": False, "a green ball": True}


async def test_a_pinned_seed_is_that_variant_alone(stage: Stage) -> None:
    queries, asked = LookupQueries(stage.database), seeded("a red ball", 7)
    await stage.add(draft(take("a red ball")))
    assert not (await queries.at(asked.spec, asked.key)).exact
    await stage.add(draft(asked))
    assert (await queries.at(asked.spec, asked.key)).exact


async def test_words_against_a_clip_count_until_others_follow(stage: Stage) -> None:
    """A weak word is half a person; the latest full one clears what stood before it. Another Spec knows nothing of it."""
    await stage.add(clip := draft(take("a red ball")))
    queries, labels, asked = LookupQueries(stage.database), Labels(), take("the red ball")
    said = [(False, 0.5, NOBODY), (False, 0.5, {clip.id}), (True, 1.0, NOBODY), (False, 1.0, {clip.id})]
    for right, weight, expected in said:
        async with stage.database.write() as connection:
            request = new_request(asked, "near", clip_id=clip.id)
            await stage.asked.insert(connection, request)
            await labels.add(connection, request, right, "client", weight)
        assert (await queries.at(asked.spec)).refused == expected
        assert (await queries.at(spec("a blue ball"))).refused == NOBODY


async def test_a_reader_waits_for_no_writer(stage: Stage) -> None:
    await stage.add(draft(take("a red ball")))
    async with stage.database.write() as connection:
        await connection.execute(clips.update().values(state="withdrawn", withdrawn_at=1.0))
        rows = await asyncio.wait_for(LookupQueries(stage.database).at(spec("a red ball")), 2.0)
        assert rows.exact, "what is not committed has not happened"


async def test_all_that_waited_for_a_connection_fail_with_it() -> None:
    tries = 0

    def connect() -> sqlite3.Connection:
        nonlocal tries
        tries += 1
        time.sleep(0.1)
        raise sqlite3.OperationalError("nobody answers")

    driver = DriverConnection(connect, by_statement)
    told = await asyncio.gather(*(driver.run(lambda _: None) for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in told} == {sqlite3.OperationalError, ConnectionError}
    assert tries == 1
    with pytest.raises(sqlite3.OperationalError):
        await driver.run(lambda _: None)
    assert tries == 2, "who comes later tries anew"
    await driver.close()


async def test_a_database_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/held.db")
    database.url = database.url.set(database=f"{tmp_path}/file/none.db")
    with pytest.raises(DatabaseAway):
        await LookupQueries(database).at(spec("a red ball"))
    await database.close()
