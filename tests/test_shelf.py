"""Clips at rest: which one answers, and in which order rows and objects come and go. On every database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from cache.clip import Clip
from cache.errors import ClipGone, ObjectCorrupt, StoreAway
from cache.ids import new_id
from cache.storage.bytes.folder import FolderObjects
from cache.storage.database.changes import ClipChange, add_vectors, changes_since, latest, vectors_since, without_vector
from cache.storage.database.database import Database
from cache.storage.tables import clips
from cache.variant import Variant
from tests.stage import Stage, draft, seeded, set_stage, take

VECTOR = b"\x00\x3c" * 4


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


async def exact(stage: Stage, variant: Variant, max_age: float | None = None) -> str | None:
    key = None if variant.pinned_seed is None else variant.key
    async with stage.database.read() as connection:
        found = await stage.shelf.find_exact(connection, variant.spec.key, key, max_age)
    return None if found is None else found.id


async def put(stage: Stage, variant: Variant, body: bytes = b"a video", **more: object) -> Clip:
    """A clip whose video is stored, object first."""
    clip_id = new_id("clip")
    stored = await stage.objects.put(clip_id, "video", body, "video/mp4")
    await stage.add(draft(variant, id=clip_id, objects=(stored,), **more))
    clip = await stage.clip(clip_id)
    assert clip is not None
    return clip


def video_path(stage: Stage, clip: Clip, tmp_path: Path) -> Path:
    return tmp_path / "objects" / clip.objects["video"].name


# Which one answers


async def test_the_highest_take_answers_then_the_newest_pinned_seed(stage: Stage) -> None:
    assert await exact(stage, take()) is None
    await stage.add(old := draft(seeded(seed=1)))
    await stage.add(new := draft(seeded(seed=2)))
    assert await exact(stage, take()) == new.id
    await stage.add(first := draft(take(number=0)))
    assert await exact(stage, take()) == first.id
    assert await stage.add(second := draft(take(number=1))) == "live"
    assert await exact(stage, take()) == second.id
    assert await exact(stage, seeded(seed=1)) == old.id
    assert await exact(stage, seeded(seed=3)) is None
    assert await exact(stage, take("a blue ball")) is None
    assert [(await stage.row("clips", one.id)).state for one in (old, new, first, second)] == ["live", "live", "superseded", "live"]


async def test_a_lower_take_that_comes_late_is_superseded_at_once(stage: Stage) -> None:
    await stage.add(higher := draft(take(number=3)))
    assert await stage.add(late := draft(take(number=2))) == "superseded"
    assert await exact(stage, take()) == higher.id
    assert await stage.clip(late.id) is not None, "those who waited for it read it"


async def test_a_withdrawn_or_expired_take_blocks_no_lower_one(stage: Stage) -> None:
    await stage.add(withdrawn := draft(take(number=3)))
    await stage.shelf.withdraw([withdrawn.id], "invalidated")
    await stage.add(draft(take(number=2), keep_seconds=-1.0))
    assert await stage.add(lower := draft(take(number=1))) == "live"
    assert await exact(stage, take()) == lower.id


async def test_a_seed_rendered_again_replaces_its_clip(stage: Stage) -> None:
    await stage.add(old := draft(seeded()))
    await stage.add(new := draft(seeded()))
    assert await exact(stage, seeded()) == new.id
    assert (await stage.row("clips", old.id)).state == "superseded"


async def test_private_clips_answer_nobody_and_displace_nothing(stage: Stage) -> None:
    await stage.add(shared := draft(take(), vectors={"tiny@1": VECTOR}))
    await stage.add(private := draft(take(), private=True, vectors={"tiny@1": VECTOR}))
    assert await exact(stage, take()) == shared.id
    assert await stage.clip(private.id) is not None
    async with stage.database.read() as connection:
        changed = await changes_since(connection, 0, "tiny@1", 10)
    assert [change.clip_id for change in changed] == [shared.id]


async def test_age_and_expiry_are_respected(stage: Stage) -> None:
    await stage.add(old := draft(take()))
    async with stage.database.write() as connection:
        await connection.execute(update(clips).values(created_at=clips.c.created_at - 100))
    assert await exact(stage, take(), max_age=90) is None
    assert await exact(stage, take(), max_age=110) == old.id
    async with stage.database.write() as connection:
        await connection.execute(update(clips).values(expires_at=clips.c.created_at + 99))
    assert await exact(stage, take()) is None
    assert await stage.shelf.withdraw_expired() == [old.id]
    assert (await stage.row("clips", old.id)).withdrawn_reason == "expired"


async def test_a_clip_is_read_as_it_was_drafted(stage: Stage) -> None:
    wanted = draft(take(), stages_ms={"video_encode": 1.5}, notes=("smaller",), tags=("a", "b"), keep_seconds=60.0)
    await stage.add(wanted)
    clip = await stage.clip(wanted.id)
    assert clip is not None
    assert clip.expires_at == pytest.approx(clip.created_at + 60, abs=1)
    for name in ("id", "variant_key", "spec_key", "prompt", "recipe", "seed", "take", "stages_ms", "notes", "tags", "gpu_seconds"):
        assert getattr(clip, name) == getattr(wanted, name), name
    async with stage.database.read() as connection:
        assert await stage.shelf.by_ids(connection, [wanted.id, "clip_unknown"]) == [clip]


# Out: the row first, the objects after the grace time


async def test_withdrawn_at_once_collected_after_the_grace_time(stage: Stage, tmp_path: Path) -> None:
    clip = await put(stage, take(), vectors={"tiny@1": VECTOR})
    assert await stage.shelf.withdraw([clip.id, "clip_unknown"], "invalidated") == [clip.id]
    assert await stage.shelf.withdraw([clip.id], "invalidated") == []
    assert await exact(stage, take()) is None
    withdrawn = await stage.clip(clip.id)
    assert withdrawn is not None
    with pytest.raises(ClipGone):
        await stage.shelf.read(withdrawn, "video")
    assert await stage.shelf.collect(grace=3600) == []
    assert video_path(stage, clip, tmp_path).exists()
    assert await stage.shelf.collect(grace=0) == [clip.id]
    assert not video_path(stage, clip, tmp_path).exists()
    assert await stage.clip(clip.id) is None
    assert await stage.shelf.collect(grace=0) == []


async def test_erased_and_private_clips_are_collected_without_grace(stage: Stage) -> None:
    erased, private = await put(stage, take()), await put(stage, take(), private=True)
    await stage.shelf.withdraw([erased.id], "erased")
    await stage.shelf.withdraw([private.id], "downloaded")
    assert await stage.shelf.collect(grace=3600) == sorted([erased.id, private.id])


async def test_a_crash_between_object_and_row_is_made_good(stage: Stage, database: Database, tmp_path: Path) -> None:
    class Failing(FolderObjects):
        async def delete(self, name: str) -> None:
            await super().delete(name)
            raise StoreAway("gone in the middle")

    clip = await put(stage, take())
    await stage.shelf.withdraw([clip.id], "evicted")
    failing = set_stage(database, tmp_path, objects=Failing(tmp_path / "objects"))
    with pytest.raises(StoreAway):
        await failing.shelf.collect(grace=0)
    assert (await stage.row("clips", clip.id)).state == "withdrawn", "the row still names what is left to delete"
    assert await stage.shelf.collect(grace=0) == [clip.id]


@pytest.mark.parametrize("damage", [b"b video", b"half", None])
async def test_a_corrupt_object_takes_its_clip_out_of_service(stage: Stage, tmp_path: Path, damage: bytes | None) -> None:
    clip = await put(stage, take())
    assert await stage.shelf.read(clip, "video") == b"a video"
    path = video_path(stage, clip, tmp_path)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    with pytest.raises(ObjectCorrupt):
        await stage.shelf.open(clip, "video", 0, clip.objects["video"].length)
    row = await stage.row("clips", clip.id)
    assert (row.state, row.withdrawn_reason) == ("withdrawn", "corrupt")
    assert await exact(stage, take()) is None


async def test_a_store_that_is_away_takes_nothing_out_of_service(stage: Stage, tmp_path: Path) -> None:
    clip = await put(stage, take())
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreAway):
        await stage.shelf.read(clip, "video")
    assert await exact(stage, take()) == clip.id


async def test_bytes_come_in_pieces(stage: Stage) -> None:
    clip = await put(stage, take(), body=b"0123456789")
    assert b"".join([piece async for piece in await stage.shelf.open(clip, "video", 2, 5)]) == b"23456"
    with pytest.raises(ClipGone, match="no thumbnail"):
        await stage.shelf.read(clip, "thumbnail")


# The log of changes


async def test_the_log_shows_every_change_once_in_order(stage: Stage) -> None:
    await stage.add(first := draft(take(number=0), vectors={"tiny@1": VECTOR}))
    await stage.add(other := draft(take("a blue ball"), vectors={"tiny@2": VECTOR}))

    async def since(sequence: int) -> list[ClipChange]:
        async with stage.database.read() as connection:
            return await changes_since(connection, sequence, "tiny@1", 10)

    seen = await since(0)
    assert [(change.clip_id, change.vector) for change in seen] == [(first.id, VECTOR), (other.id, None)]
    await stage.add(second := draft(take(number=1), vectors={"tiny@1": VECTOR}))
    await stage.shelf.withdraw([other.id], "invalidated")
    news = await since(seen[-1].sequence)
    assert {(change.clip_id, change.state, change.vector) for change in news} == {
        (first.id, "superseded", None),
        (second.id, "live", VECTOR),
        (other.id, "withdrawn", None),
    }
    assert [change.sequence for change in news] == sorted({change.sequence for change in news})
    async with stage.database.read() as connection:
        assert await latest(connection) == news[-1].sequence
        assert [change.clip_id for change in await vectors_since(connection, 0, "tiny@1", 10)] == [second.id]


async def test_vectors_that_come_later_are_a_change(stage: Stage) -> None:
    await stage.add(clip := draft(take()))
    await stage.add(draft(take("a blue ball"), prompt=None))
    async with stage.database.write() as connection:
        seen = await latest(connection)
        assert await without_vector(connection, "tiny@1", 10) == [(clip.id, clip.prompt)]
        assert await add_vectors(connection, "tiny@1", {clip.id: VECTOR, "clip_unknown": VECTOR}) == 1
        assert await add_vectors(connection, "tiny@1", {clip.id: VECTOR}) == 0
        assert await without_vector(connection, "tiny@1", 10) == []
    async with stage.database.read() as connection:
        (change,) = await changes_since(connection, seen, "tiny@1", 10)
    assert (change.clip_id, change.vector) == (clip.id, VECTOR)
