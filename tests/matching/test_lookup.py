"""A look-up while its index is still being read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from cache.errors import StillLoading
from cache.matching.encoding.encoders import Encoders, Loading
from cache.matching.lookup import Lookup
from cache.matching.vectors.index import Index, Placed
from cache.storage.database.database import Database
from cache.storage.requests.lookup_queries import LookupQueries
from cache.variant import Partition
from cache.verdict import Near
from migrations.upgrade import migrate
from tests.stage import Stage, draft, set_stage, spec, take


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/reprise.db")
    await migrate(database)
    yield set_stage(database, tmp_path)
    await database.close()


async def test_nothing_is_called_far_before_the_index_is_read(stage: Stage, encoders: Encoders) -> None:
    index, caught_up, loading = Index(), asyncio.Event(), Loading(lambda: encoders, wait=5.0)
    queries = LookupQueries(stage.database)
    lookup = Lookup(stage.database, stage.shelf, queries, index, caught_up, loading, wait=0.2, near=True, max_wrong=0.02)
    loading.start()
    await loading.ready()
    made = draft(take("a red ball bouncing on grass"))
    await stage.add(made)
    asked = spec("the red ball is bouncing on the grass")
    with pytest.raises(StillLoading, match="index"):
        await lookup.near(asked, 0.0, time.time())

    waiting = asyncio.create_task(lookup.near(asked, 0.0, time.time()))
    vector = np.asarray(encoders.embedder.embed_now(["a red ball bouncing on grass"])[0], np.float32)
    index.apply([Placed(Partition(made.scope, made.recipe.key, encoders.embedder.version), made.id, 7, vector)])
    caught_up.set()
    found = await waiting
    assert isinstance(found.verdict, Near)
    assert (found.verdict.clip.id, found.seen) == (made.id, 7)
    index.close()
