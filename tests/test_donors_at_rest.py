"""Donors, latents and reserved clips at rest. On every database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cache.assist import Assistance, Start
from cache.clip import Clip
from cache.ids import new_id
from cache.storage.clips.donors import near_donor, take_donor, was_assisted
from cache.storage.clips.latents import Latents
from cache.storage.clips.pool import Pool
from cache.storage.clips.provenance import Provenance
from cache.storage.clips.reserved import accept
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.storage.requests.labels import Labels
from cache.storage.tables import tenants
from cache.variant import Variant, tenant_scope, user_scope
from tests.stage import PredictableRenderer, Stage, draft, new_request, set_stage, spec, take

LOCAL = tenant_scope("local")

HELP = Assistance(Start("clip_donor", 0.93, "take"), 3, 210.0)


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


async def put(stage: Stage, variant: Variant, latent: bytes | None = b"latent", **more: Any) -> Clip:
    clip_id = new_id("clip")
    stored = [await stage.objects.put(clip_id, "video", b"a video", "video/mp4")]
    if latent is not None:
        stored.append(await stage.objects.put(clip_id, "latent", latent, "application/octet-stream"))
    await stage.add(draft(variant, id=clip_id, objects=stored, **more))
    clip = await stage.clip(clip_id)
    assert clip is not None
    return clip


async def donor_of(stage: Stage, scope: str = LOCAL, max_age: float | None = None) -> str | None:
    async with stage.database.read() as connection:
        return await take_donor(connection, replace(spec(), scope=scope), max_age)


async def test_who_may_be_a_donor(stage: Stage) -> None:
    assert await donor_of(stage) is None
    cold = await put(stage, take())
    assert await donor_of(stage) == cold.id
    assert await donor_of(stage, tenant_scope("acme")) is None, "another tenant's is none of ours"
    assert await donor_of(stage, user_scope("local", "ann")) is None, "nor is a tenant's one of its user's own"
    child = await put(stage, take(number=1), assistance=replace(HELP, start=Start(cold.id, 0.93, "take")))
    await put(stage, take(number=2), latent=None)
    await put(stage, take(number=3), private=True)
    assert child.assistance == replace(HELP, start=Start(cold.id, 0.93, "take"))
    assert await donor_of(stage) == cold.id, "one with a latent, of its own noise, that is nobody's secret"
    async with stage.database.read() as connection:
        assert await near_donor(connection, LOCAL, cold.id) == cold.id
        assert await near_donor(connection, LOCAL, child.id) == cold.id, "an assisted take stands for the clip that it came from"
        assert await near_donor(connection, tenant_scope("acme"), cold.id) is None
        assert await was_assisted(connection, spec().key)
        assert not await was_assisted(connection, spec("a blue ball").key)
    assert await donor_of(stage, max_age=-1.0) is None, "max-age bounds the donor, too"
    async with stage.database.write() as connection:
        await Labels().add(connection, new_request(take(), "exact", clip_id=cold.id), False, "client")
    assert await donor_of(stage) is None, "a person said that it is wrong"
    await stage.shelf.withdraw([cold.id], "evicted")
    async with stage.database.read() as connection:
        assert await near_donor(connection, LOCAL, cold.id) is None


async def test_latents_go_first_and_the_clip_serves_on(database: Database, tmp_path: Path) -> None:
    stage = set_stage(database, tmp_path)
    signed = Shelf(database, stage.objects, Provenance(["a key"]))
    stage.shelf = signed
    latents = Latents(database, stage.objects, signed)
    old, new, donor = [await put(stage, take(words), words.encode() * 10) for words in ("a", "b", "c")]
    await stage.job_for(replace(take("d"), start=Start(donor.id, 0.93, "near")))
    assert await latents.read(LOCAL, Start(old.id, 0.93, "near")) == b"a" * 10
    assert await latents.read(tenant_scope("acme"), Start(old.id, 0.93, "near")) is None
    assert await latents.free(5) == 10
    assert await latents.read(LOCAL, Start(old.id, 0.93, "near")) is None
    left = await stage.clip(old.id)
    assert left is not None, "its signature is that of what is left"
    assert (set(left.objects), left.length, left.state) == ({"video"}, 7, "live")
    assert await stage.objects.read(left.objects["video"]) == b"a video"
    assert [name async for name, *_ in stage.objects.names(f"clips/{old.id}/")] == [old.objects["video"].name]
    assert await latents.free(1000) == 10, "that of an open job's donor stays"
    assert await latents.free(1000) == 0
    assert [set((await stage.clip(one.id) or one).objects) for one in (new, donor)] == [{"video"}, {"video", "latent"}]


async def test_a_corrupt_latent_goes_alone(stage: Stage, tmp_path: Path) -> None:
    latents, clip = Latents(stage.database, stage.objects, stage.shelf), await put(stage, take())
    (tmp_path / "objects" / clip.objects["latent"].name).write_bytes(b"other bytes")
    assert await latents.read(LOCAL, Start(clip.id, 0.93, "take")) is None
    assert set((await stage.clip(clip.id) or clip).objects) == {"video"}


@pytest.mark.parametrize("newer", [False, True])
async def test_a_reserved_clip_answers_nobody_until_it_is_accepted(stage: Stage, newer: bool) -> None:
    first = await put(stage, take(), assistance=HELP, reserved=True)
    assert (first.state, first.reserved) == ("superseded", True)
    if newer:
        own = await put(stage, take(number=1))
        assert own.state == "live"
    async with stage.database.write() as connection:
        assert not await accept(connection, first.id, spec("other words").key)
        await Labels().add(connection, new_request(take(), "miss", clip_id=first.id), False, "client")
    assert (await stage.clip(first.id) or first).reserved, "a no accepts nothing"
    async with stage.database.write() as connection:
        await Labels().add(connection, new_request(take(), "miss", clip_id=first.id), True, "client")
    accepted = await stage.clip(first.id)
    assert accepted is not None
    assert (accepted.reserved, accepted.state) == (False, "superseded" if newer else "live")
    async with stage.database.read() as connection:
        found = await stage.shelf.find_exact(connection, spec().key)
    assert found is not None
    assert found.id == (own.id if newer else first.id)


async def test_a_reserved_job_is_joined_by_nobody(stage: Stage) -> None:
    started = replace(take(), start=Start((await put(stage, take("b"))).id, 0.93, "near"))
    job = await stage.job_for(started, reserved=True)
    async with stage.database.write() as connection:
        assert await stage.queue.open_of_spec(connection, spec().key) == []
        assert not await stage.queue.join(connection, job)
        assert await was_assisted(connection, spec().key)


async def test_a_worker_without_the_latent_renders_the_same_take_from_noise(stage: Stage, tmp_path: Path) -> None:
    donor = await put(stage, take("b"), latent=None)
    started = replace(take(), start=Start(donor.id, 0.93, "near"))
    job = await stage.job_for(started, reserved=True)
    renderer = PredictableRenderer()
    worker = stage.worker(renderer, tmp_path / "videos")
    stage.dispatch.wake()

    def made() -> None:
        worker._stopping.set()
        stage.dispatch.wake()

    renderer.after_render = made
    await worker.run()
    (order,) = renderer.rendered
    assert (order.donor, order.seed) == (None, take().seed)
    row = await stage.row("jobs", job)
    made_row = await stage.row("clips", row.clip_id)
    assert (made_row.variant_key, made_row.donor, made_row.reserved, made_row.state) == (take().key, None, False, "live")


def test_a_start_is_another_variant() -> None:
    started = replace(take(), start=HELP.start)
    assert started.key != take().key
    assert started.seed != take().seed
    assert started.key != replace(take(), start=replace(HELP.start, sigma=0.9)).key
    with pytest.raises(ValueError, match="pinned seed"):
        Variant(spec(), pinned_seed=3, start=HELP.start)


async def test_what_came_from_other_words_is_not_offered_to_the_shared_pool(stage: Stage) -> None:
    pool = Pool(stage.database, stage.shelf)
    async with stage.database.write() as connection:
        await connection.execute(insert(tenants).values(name="local", share="all", created_at=0.0))
    take_child, near_child = HELP, replace(HELP, start=replace(HELP.start, kind="near"))
    offered = await put(stage, take("a"), assistance=take_child)
    await put(stage, take("b"), assistance=near_child)
    assert [clip.id for clip in await pool.unseen(10)] == [offered.id]
