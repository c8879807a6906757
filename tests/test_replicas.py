"""How one gateway's memory follows what others commit: notifications, announced models, and snapshots of the index in the bucket."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cache.catalog import WAN_TI2V_5B, ServedModel
from cache.matching.vectors.generations import Generations
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import Projection, RowLog
from cache.matching.vectors.snapshot import MANIFEST, Manifest, Unusable
from cache.storage.bytes.files import S3Files
from cache.storage.bytes.objects import open_store
from cache.storage.database.database import Database
from cache.storage.database.locks import Lock
from cache.storage.database.notifications import Notifications
from cache.storage.fleet.announcements import Announcements
from cache.supervision import Supervisor
from tests.databases import open_postgres
from tests.servers.postgres import Postgres
from tests.servers.swift import NoSwift, Swift
from tests.stage import SERVED, Stage, draft, set_stage, take

DIMENSION = 16


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    try:
        server = Swift(tmp_path_factory.mktemp("replicas-swift"))
    except NoSwift as reason:
        pytest.skip(str(reason))
    server.start().client().make_bucket("index")
    yield server
    server.stop()


@pytest.fixture
async def remote(swift: Swift) -> AsyncIterator[S3Files]:
    objects = open_store(swift.url("index"))
    files = S3Files(objects)
    async for name in files.names("index/"):
        await files.delete(name)
    yield files
    await objects.close()


async def clip(stage: Stage, number: int) -> str:
    vector = np.random.default_rng(number).standard_normal(DIMENSION).astype("<f2").tobytes()
    made = draft(take(f"clip {number}"), vectors={"e1": vector})
    await stage.add(made)
    return str(made.id)


async def caught_up(index: Index, database: Database) -> Index:
    await Projection(index, RowLog(database, "e1"), "e1", DIMENSION).catch_up()
    return index


async def test_notifications_of_clips_and_jobs_come_with_their_commit(tmp_path: Path) -> None:
    async with open_postgres(tmp_path) as database:
        stage, notifications = set_stage(database, tmp_path), Notifications(database.url)
        told: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()
        listening = asyncio.Event()
        notifications.on("clip", lambda named, state: told.put_nowait(("clip", named, state)))
        notifications.on("job", lambda named, state: told.put_nowait(("job", named, state)))
        notifications.on("model", lambda named, state: told.put_nowait(("model", named, state)))
        notifications.on_gap(listening.set)
        running = asyncio.create_task(notifications.run())
        async with asyncio.timeout(20):
            await listening.wait()
            made = await clip(stage, 1)
            assert await told.get() == ("clip", made, "live")
            await stage.shelf.withdraw([made], "test")
            assert await told.get() == ("clip", made, "withdrawn")
            job = await stage.job_for(take("a job"))
            await stage.leases.lease("w", SERVED.revision)
            assert await told.get() == ("job", job, "leased")
            await stage.queue.cancel(job)
            assert await told.get() == ("job", job, "cancelled")
            await Announcements(database).announce(SERVED, "cpu")
            assert await told.get() == ("model", SERVED.revision, "announced")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_gap_in_the_notifications_is_told() -> None:
    server = Postgres().start()
    gaps: asyncio.Queue[None] = asyncio.Queue()
    notifications = Notifications(Database(server.url()).url)
    notifications.on_gap(lambda: gaps.put_nowait(None))
    supervisor = Supervisor(longest=1.0)
    supervisor.start("notifications", notifications.run)
    try:
        async with asyncio.timeout(30):
            await gaps.get()
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await gaps.get()
    finally:
        await supervisor.close()
        await asyncio.to_thread(server.close)


async def test_each_name_is_known_by_what_was_announced_last(database: Database) -> None:
    announcements = Announcements(database)
    assert await announcements.known() == []
    newer, other = replace(SERVED, revision="b" * 64), ServedModel(WAN_TI2V_5B, "c" * 64, "pipeline")
    for served in (SERVED, other, newer):
        await announcements.announce(served, "cpu")
        await asyncio.sleep(0.01)
    found = {one.model.name: one for one in await announcements.known()}
    assert {name: one.model for name, one in found.items()} == {SERVED.name: newer, other.name: other}
    assert found[SERVED.name].introduced_at < found[other.name].introduced_at, "by its first revision"
    assert all(one.silent < 30 for one in found.values())
    pinned = {one.model.name: one.model for one in await announcements.known(SERVED.revision)}
    assert pinned == {SERVED.name: replace(SERVED, aliases=()), other.name: other}
    await announcements.announce(SERVED, "cpu")
    assert await announcements.known("none such") == [], "a gateway that keeps to a revision waits for it"
    again = {one.model.name: one for one in await announcements.known()}
    assert again[SERVED.name].model.revision == SERVED.revision
    assert again[SERVED.name].introduced_at == found[SERVED.name].introduced_at
    assert await announcements.alive(SERVED, within=30)
    assert not await announcements.alive(SERVED, within=-1)


async def test_one_at_a_time(database: Database) -> None:
    if database.sqlite:  # one process is all there is
        async with database.alone(Lock.PLANS) as only:
            assert only
        return
    async with database.alone(Lock.PLANS) as ours, database.alone(Lock.PLANS) as theirs, database.alone(Lock.CAPACITY) as another:
        assert (ours, theirs, another) == (True, False, True)
    async with database.alone(Lock.PLANS) as again:
        assert again


async def test_a_snapshot_in_the_bucket_spares_another_gateway_the_rows(stage: Stage, remote: S3Files, tmp_path: Path) -> None:
    for number in range(6):
        await clip(stage, number)
    mine = Generations(stage.database, remote, tmp_path / "mine", "e1", DIMENSION, worth=5)
    index = await caught_up(Index(), stage.database)
    saved = await mine.keep(index)
    assert isinstance(saved, Manifest)
    assert await mine.keep(index) is None, "nothing has changed that is worth it"
    await clip(stage, 6)

    theirs = Generations(stage.database, remote, tmp_path / "theirs", "e1", DIMENSION, worth=5)
    other = Index()
    assert await theirs.bring(other) == saved
    assert (other.count(), other.sequence) == (6, saved.sequence)
    assert (await caught_up(other, stage.database)).count() == 7
    index.close()
    other.close()


async def test_an_erased_clip_leaves_the_snapshots_within_a_day(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    made = [await clip(stage, number) for number in range(6)]
    index = await caught_up(Index(), stage.database)
    daily = Generations(stage.database, None, folder, "e1", DIMENSION, worth=5)
    first = await daily.keep(index)
    assert first is not None
    index.remove(made[0], index.sequence + 1)
    assert await daily.keep(index) is None
    yesterday = time.time() - 86_401
    os.utime(folder / MANIFEST, (yesterday, yesterday))
    second = await daily.keep(index)
    assert second is not None and second.count == 5
    assert not (folder / first.generation).exists()
    os.utime(folder / MANIFEST, (yesterday, yesterday))
    assert await daily.keep(index) is None, "nothing has changed since"
    index.close()


async def test_a_snapshot_of_another_database_is_not_read(stage: Stage, remote: S3Files, tmp_path: Path) -> None:
    for number in range(3):
        await clip(stage, number)
    async with open_postgres(tmp_path) as foreign:
        index = await caught_up(Index(), stage.database)
        assert await Generations(stage.database, remote, tmp_path / "mine", "e1", DIMENSION, worth=1).keep(index)
        empty = Index()
        assert isinstance(await Generations(foreign, remote, tmp_path / "theirs", "e1", DIMENSION).bring(empty), Unusable)
        assert (empty.count(), empty.sequence) == (0, 0)
    index.close()
    empty.close()


async def test_a_bucket_that_is_away_costs_only_time(stage: Stage, swift: Swift, tmp_path: Path) -> None:
    objects = open_store(swift.url("nowhere").replace(swift.endpoint, "127.0.0.1:1"))
    index = Index()
    assert isinstance(await Generations(stage.database, S3Files(objects), tmp_path / "i", "e1", DIMENSION).bring(index), Unusable)
    assert index.sequence == 0
    index.close()
    await objects.close()
