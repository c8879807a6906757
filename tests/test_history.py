"""An older state of the database under processes that run: whoever has read more than it holds notices, and reads anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, update

from cache.matching.vectors.generations import Generations
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import Projection, RowLog
from cache.matching.vectors.snapshot import Manifest, Unusable
from cache.storage.database.changes import identity, latest
from cache.storage.database.database import Database
from cache.storage.fleet.announcements import Announcements
from cache.storage.fleet.workers import Workers
from cache.storage.tables import clips, counters, models, workers
from gateway.answering import announced_models
from tests.stage import SERVED, PredictableRenderer, Stage, draft, set_stage, take

DIMENSION = 16


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture
def index() -> Iterator[Index]:
    opened = Index()
    yield opened
    opened.close()


async def clip(stage: Stage, number: int, *, private: bool = False) -> str:
    vector = np.random.default_rng(number).standard_normal(DIMENSION).astype("<f2").tobytes()
    made = draft(take(f"clip {number}"), vectors={"e1": vector}, private=private)
    await stage.add(made)
    return made.id


async def restore(database: Database, sequence: int) -> None:
    """As if a dump of then had taken the place of the rows."""
    async with database.write() as connection:
        await connection.execute(delete(clips).where(clips.c.sequence > sequence))
        await connection.execute(update(counters).where(counters.c.name == "sequence").values(value=sequence))


async def numbers(database: Database) -> tuple[int, str]:
    async with database.read() as connection:
        return await latest(connection), await identity(connection)


async def within(seconds: float, holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(seconds / 0.02)):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def following(index: Index, database: Database) -> Projection:
    return Projection(index, RowLog(database, "e1"), "e1", DIMENSION)


def known(index: Index) -> set[str]:
    return {clip_id for portion in index.moment().portions for ids, _ in portion.rows() for clip_id in ids}


@pytest.mark.parametrize("made_since", [0, 2, 5], ids=["fewer", "as many", "more"])
async def test_numbers_that_were_given_twice_are_read_anew(stage: Stage, index: Index, made_since: int) -> None:
    """However many changes came after the restore, before anybody looked."""
    kept = {await clip(stage, number) for number in range(3)}
    before, history = await numbers(stage.database)
    projection = following(index, stage.database)
    lost = {await clip(stage, number) for number in (3, 4)}
    await projection.catch_up()
    assert known(index) == kept | lost
    await restore(stage.database, before)
    since = {await clip(stage, number) for number in range(10, 10 + made_since)}
    await projection.catch_up()
    assert known(index) == kept | since
    assert projection.caught_up.is_set()
    assert (await numbers(stage.database))[1] != history, "so that others notice, and old snapshots are not read"
    since.add(await clip(stage, 20))
    await projection.catch_up()
    assert known(index) == kept | since


async def test_who_looks_later_learns_it_from_the_identity(stage: Stage, index: Index) -> None:
    other = Index()
    projections = [following(index, stage.database), following(other, stage.database)]
    first = await clip(stage, 0)
    before, _ = await numbers(stage.database)
    gone = await clip(stage, 1)
    for projection in projections:
        await projection.catch_up()
    await restore(stage.database, before)
    await projections[0].catch_up()
    changed = (await numbers(stage.database))[1]
    async with stage.database.write() as connection:  # nothing else tells the second: the very clip is there again
        await stage.shelf.add(connection, draft(take("clip 1"), id=gone, vectors={}))
    await projections[1].catch_up()
    assert known(other) == {first}
    assert (await numbers(stage.database))[1] == changed, "said once"
    other.close()


async def test_what_happens_every_day_is_no_restore(stage: Stage, index: Index) -> None:
    _, history = await numbers(stage.database)
    projection = following(index, stage.database)
    await projection.catch_up()
    for number in range(3):
        made = await clip(stage, number)
        await projection.catch_up()
        await stage.shelf.withdraw([made], "evicted")
        await projection.catch_up()
        assert await stage.shelf.collect(grace=0) == [made], "the newest row is gone"
        await projection.catch_up()
    private = await clip(stage, 9, private=True)
    await projection.catch_up()
    await stage.shelf.withdraw([private], "erased")
    await stage.shelf.collect(grace=3600)
    await projection.catch_up()
    assert await stage.clip(private) is None
    assert (await numbers(stage.database))[1] == history


async def test_a_snapshot_of_before_a_restore_is_never_read(stage: Stage, index: Index, tmp_path: Path) -> None:
    """Neither while the numbers are below its own, which tells it, nor once they are above, when nothing would."""
    for number in range(3):
        await clip(stage, number)
    before, _ = await numbers(stage.database)
    await clip(stage, 3)
    await following(index, stage.database).catch_up()
    generations = Generations(stage.database, None, tmp_path / "index", "e1", DIMENSION, worth=1)
    assert isinstance(await generations.keep(index), Manifest)
    await restore(stage.database, before)
    for at_start in range(2):
        fresh = Index()
        assert isinstance(await generations.bring(fresh), Unusable), at_start
        fresh.close()
        for number in range(10, 13):
            await clip(stage, 10 * at_start + number)


async def test_a_worker_whose_row_is_gone_tells_of_itself_again(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced_models, "_BEAT", 0.05)
    renderer, announcements, known_workers = PredictableRenderer(), Announcements(stage.database), Workers(stage.database)
    worker = stage.worker(renderer, tmp_path / "work")
    worker.loaded.set()
    telling = asyncio.create_task(announced_models.announce(worker, renderer, announcements, known_workers, "cpu"))

    async def told() -> bool:
        return await announcements.alive(SERVED, 30) and bool(await known_workers.list())

    try:
        for table in (models, workers, models):
            await within(60, told)
            async with stage.database.write() as connection:
                await connection.execute(delete(table))
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
