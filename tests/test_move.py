"""An embedded cache goes to PostgreSQL and a bucket, whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cache.errors import Conflict
from cache.ids import new_id
from cache.storage.bytes.objects import open_store
from cache.storage.clips.doctor import Doctor
from cache.storage.clips.move import move_cache
from cache.storage.database.database import Database
from cache.storage.tables import clip_objects, metadata
from generator.queue.leases import Made
from generator.queue.queue import AlreadyMade
from tests.databases import open_postgres, open_sqlite
from tests.servers.swift import NoSwift, Swift
from tests.stage import SERVED, Stage, set_stage, take


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    try:
        server = Swift(tmp_path_factory.mktemp("move-swift"))
    except NoSwift as reason:
        pytest.skip(str(reason))
    server.start().client().make_bucket("clips")
    yield server
    server.stop()


async def counts(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        tables = [table for table in metadata.sorted_tables if table.name not in {"counters", "models"}]
        return {table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one() for table in tables}


async def made(stage: Stage, words: str) -> None:
    await stage.ask(take(words))
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    clip_id = new_id("clip")
    video = await stage.objects.put(clip_id, "video", words.encode(), "video/mp4")
    await stage.leases.finish(lease, Made(clip_id, (video,), 1.0))


async def test_everything_is_there_afterwards(tmp_path: Path, swift: Swift) -> None:
    async with open_sqlite(tmp_path) as source, open_postgres(tmp_path) as target:
        old = set_stage(source, tmp_path)
        for words in ("a red ball", "a blue ball", "a lost ball"):
            await made(old, words)
        waiting = await old.job_for(take("not made yet"))
        await old.leases.lease("a worker of the old place", SERVED.revision)
        async with source.read() as connection:
            lost = (await connection.execute(select(clip_objects.c.name).where(clip_objects.c.sha256.is_not(None)).limit(1))).scalar_one()
        (tmp_path / "objects" / lost).write_bytes(b"spoilt")

        bucket = open_store(swift.url("clips"))
        done = await move_cache(source, old.objects, target, bucket)
        assert (done.objects, done.skipped) == (2, 1)
        assert await counts(target) == await counts(source)

        new = set_stage(target, tmp_path, objects=bucket)
        assert sorted(clip.state for clip in await new.all_clips()) == ["live", "live", "withdrawn"]
        hits = [(await new.ask(take(words)))[1] for words in ("a red ball", "a blue ball", "a lost ball")]
        assert sum(isinstance(hit, AlreadyMade) for hit in hits) == 2
        assert {lease.job.id for lease in await new.leases.lease("w", SERVED.revision)} == {waiting}
        assert (await Doctor(target, bucket, new.shelf).examine(older=60)).sound
        with pytest.raises(Conflict):
            await move_cache(source, old.objects, target, bucket)
        await bucket.close()
