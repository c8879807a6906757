"""Words that must go are gone from rows and from what is made of rows, whatever comes in between."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from sqlalchemy import select

from cache.clip import Clip
from cache.errors import DatabaseAway, StoreAway
from cache.ids import new_id
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import Projection, RowLog
from cache.request import Request
from cache.storage.bytes.folder import FolderObjects
from cache.storage.database.database import Database
from cache.storage.operators.tally import Tally
from cache.storage.requests.erasure import Erasure, Scrubbing
from cache.storage.tables import clip_vectors, recipes
from cache.variant import Spec, Variant
from generator.job import Priority
from generator.queue.queue import SubmittedJob
from tests.stage import SERVED, Stage, draft, made, new_request, set_stage, spec, take

EMBEDDER, DIMENSION = "tiny@1", 8
VECTOR = np.eye(1, DIMENSION, dtype="<f2").tobytes()
UNWANTED = Variant(Spec(spec().scope, spec().prompt, replace(spec().recipe, negative_prompt="quokkapelt")), take=0)


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


async def answered(stage: Stage, variant: Variant) -> tuple[Request, str]:
    """A clip with a video and a vector, and a request that holds it."""
    clip_id = new_id("clip")
    video = await stage.objects.put(clip_id, "video", b"a video", "video/mp4")
    await stage.add(draft(variant, id=clip_id, objects=[video], vectors={EMBEDDER: VECTOR}))
    request = new_request(variant, "exact", clip_id=clip_id)
    async with stage.database.write() as connection:
        await stage.asked.insert(connection, request)
    return request, clip_id


async def unwanted(stage: Stage) -> set[str]:
    """All negative prompts that stand anywhere."""
    async with stage.database.read() as connection:
        return {row.fields.get("negative_prompt") for row in await connection.execute(select(recipes.c.fields))} - {"", None}


async def test_every_index_lets_go_of_what_was_erased(stage: Stage) -> None:
    request, _ = await answered(stage, take())
    index = Index()
    projection = Projection(index, RowLog(stage.database, EMBEDDER), EMBEDDER, DIMENSION)
    await projection.catch_up()
    assert index.count() == 1
    await Erasure(stage.database, stage.shelf).erase(request)
    await projection.catch_up()
    assert index.count() == 0
    index.close()


async def test_user_and_metadata_go_with_their_own_request(stage: Stage) -> None:
    request, clip_id = await answered(stage, take())
    asked = {name: new_request(take(), "exact", clip_id=clip_id, end_user=name, metadata={"name": name}) for name in ("ann", "bob")}
    async with stage.database.write() as connection:
        for one in asked.values():
            await stage.asked.insert(connection, one)
    await Erasure(stage.database, stage.shelf).erase(asked["ann"])
    rows = [await stage.row("requests", one.id) for one in (*asked.values(), request)]
    assert [(row.end_user, row.metadata) for row in rows] == [(None, {}), ("bob", {"name": "bob"}), (None, {})]


async def test_of_an_erased_clip_a_bare_row_stays_for_the_grace_time(stage: Stage) -> None:
    request, clip_id = await answered(stage, UNWANTED)
    await Erasure(stage.database, stage.shelf).erase(request)
    row = cast(Clip, await stage.clip(clip_id))
    assert (row.state, row.prompt, row.recipe.negative_prompt) == ("withdrawn", None, "")
    assert [name async for name in stage.objects.names("")] == []
    async with stage.database.read() as connection:
        assert (await connection.execute(select(clip_vectors))).all() == []
    assert await stage.shelf.collect(grace=3600) == []
    assert await stage.clip(clip_id) is not None
    assert await stage.shelf.collect(grace=0) == []
    assert await stage.clip(clip_id) is None


async def test_words_are_gone_though_the_store_is_away(database: Database, tmp_path: Path) -> None:
    class Away(FolderObjects):
        async def delete(self, name: str) -> None:
            raise StoreAway("not now")

    stage = set_stage(database, tmp_path, objects=Away(tmp_path / "objects"))
    request, _ = await answered(stage, UNWANTED)
    with pytest.raises(StoreAway):
        await Erasure(stage.database, stage.shelf).erase(request)
    assert await unwanted(stage) == set()


async def test_words_are_gone_once_their_request_is_only_counted(stage: Stage) -> None:
    old = replace(new_request(UNWANTED, "miss", error_code="cancelled"), created_at=time.time() - 100_000)
    async with stage.database.write() as connection:
        await stage.asked.insert(connection, old)
    assert await unwanted(stage) == {"quokkapelt"}
    assert await Tally(stage.database, keep_days=1).prune() == 1
    assert await unwanted(stage) == set()


async def test_a_clip_that_came_after_the_request_was_read_goes_with_it(stage: Stage) -> None:
    request_id, _ = await stage.ask(take())
    read = await stage.asked.by_id("local", request_id)
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    await stage.leases.finish(lease, clip := made())
    await stage.queue.withdraw(request_id, deleted=True)
    await Erasure(stage.database, stage.shelf).erase(read)
    gone = await stage.clip(clip.clip_id)
    assert gone is None or gone.state == "withdrawn"


@pytest.mark.parametrize("when", ["queued", "leased", "done"])
async def test_what_stepped_down_goes_with_the_words_it_was_asked_by(stage: Stage, when: str) -> None:
    """Memory was short, so the video of these words has another Recipe than what was asked for."""
    one, _ = await stage.ask(UNWANTED, priority=Priority.BACKGROUND, allow_smaller=True)
    await stage.ask(UNWANTED, priority=Priority.BACKGROUND, allow_smaller=True)
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    small = await stage.leases.step_down(lease, replace(lease.job.recipe, width=64), "made smaller")
    assert small is not None
    assert small.job.recipe.width == 64
    read = await stage.asked.by_id("local", one)
    clip = made()
    if when == "queued":
        await stage.leases.release(small)
    if when == "done":
        await stage.leases.finish(small, clip)
    await stage.queue.withdraw(one, deleted=True)
    await Erasure(stage.database, stage.shelf).erase(read)
    if when == "queued":
        (small,) = await stage.leases.lease("w", SERVED.revision)
    if when != "done":
        await stage.leases.finish(small, clip)
    kept = cast(Clip, await stage.clip(clip.clip_id))
    assert (kept.state, kept.prompt) == ("live", None), "the other one holds it"
    assert await unwanted(stage) == set()
    async with stage.database.read() as connection:
        assert (await connection.execute(select(clip_vectors))).all() == []


async def test_whom_it_joined_by_nearness_keeps_its_words(stage: Stage) -> None:
    other, found = await stage.ask(UNWANTED)
    assert isinstance(found, SubmittedJob)
    near = await stage.join_near(take("a ball that is red"), found.job_id)
    read = await stage.asked.by_id("local", cast(str, near))
    await Erasure(stage.database, stage.shelf).erase(read)
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    await stage.leases.finish(lease, clip := made())
    assert cast(Clip, await stage.clip(clip.clip_id)).prompt == UNWANTED.spec.prompt.text
    assert await unwanted(stage) == {"quokkapelt"}
    assert (await stage.row("requests", other)).clip_id == clip.clip_id


async def test_the_log_stays_due_to_be_emptied_until_it_was() -> None:
    class Moody:
        """Away the first time."""

        asked = 0

        async def truncate_log(self) -> bool:
            self.asked += 1
            if self.asked == 1:
                raise DatabaseAway("not now")
            return True

    moody = Moody()
    scrubbing = Scrubbing(cast(Any, moody))
    with pytest.raises(DatabaseAway):
        await scrubbing.run_once()
    await scrubbing.run_once()
    assert moody.asked == 2
    await scrubbing.run_once()
    assert moody.asked == 2, "nothing was deleted since"
