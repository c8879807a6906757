"""Rows that our renderers did not write answer nobody: forged, moved to another tenant, or with another object."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Update, update

from cache.clip import StoredObject
from cache.storage.bytes.folder import FolderObjects
from cache.storage.clips.provenance import FILE, Provenance, signing_keys
from cache.storage.clips.shelf import Shelf
from cache.storage.clips.signing import resign, sign_unsigned
from cache.storage.database.database import Database
from cache.storage.tables import clip_objects, clips
from tests.stage import draft, take

OBJECT = StoredObject("video", "clips/clip_" + "0" * 32 + "/" + "0" * 64 + ".mp4", "0" * 64, 10, "video/mp4")


def shelf(database: Database, folder: Path, *keys: str) -> Shelf:
    return Shelf(database, FolderObjects(folder / "objects"), Provenance(keys) if keys else None)


async def served(database: Database, on: Shelf, clip_id: str) -> bool:
    """By every way in."""
    async with database.read() as connection:
        found = [
            await on.by_id(connection, clip_id) is not None,
            await on.by_ids(connection, [clip_id]) != [],
            await on.find_exact(connection, take().spec.key) is not None,
        ]
    assert len(set(found)) == 1
    return found[0]


async def stored(database: Database, on: Shelf) -> str:
    spec = draft(take(), objects=[OBJECT])
    async with database.write() as connection:
        await on.add(connection, spec)
    return spec.id


async def test_what_was_written_here_is_served_and_a_changed_row_is_not(database: Database, tmp_path: Path) -> None:
    on = shelf(database, tmp_path, "one")
    clip = await stored(database, on)
    assert await served(database, on, clip)
    changes: list[tuple[Update, dict[str, str | None], dict[str, str | None]]] = [
        (update(clips).where(clips.c.id == clip), {"tenant": "eve"}, {"tenant": "local"}),
        (update(clips).where(clips.c.id == clip), {"variant_key": "f" * 64}, {"variant_key": take().key}),
        (update(clip_objects), {"sha256": "1" * 64}, {"sha256": OBJECT.sha256}),
        (update(clips).where(clips.c.id == clip), {"provenance": None}, {}),
    ]
    for change, forged, right in changes:
        async with database.write() as connection:
            await connection.execute(change.values(**forged))
        assert not await served(database, on, clip), forged
        if right:
            async with database.write() as connection:
                await connection.execute(change.values(**right))
            assert await served(database, on, clip)


async def test_the_newest_key_signs_and_all_verify(database: Database, tmp_path: Path) -> None:
    clip = await stored(database, shelf(database, tmp_path, "old"))
    assert await served(database, shelf(database, tmp_path, "new", "old"), clip)
    assert not await served(database, shelf(database, tmp_path, "new"), clip)
    assert await resign(database, Provenance(["new", "old"])) == 1
    assert await served(database, shelf(database, tmp_path, "new"), clip)
    assert not await served(database, shelf(database, tmp_path, "old"), clip)


async def test_only_the_unsigned_are_signed_first(database: Database, tmp_path: Path) -> None:
    clip = await stored(database, shelf(database, tmp_path))
    on = shelf(database, tmp_path, "one")
    assert not await served(database, on, clip)
    assert await sign_unsigned(database, Provenance(["one"])) == 1
    assert await served(database, on, clip)
    assert await sign_unsigned(database, Provenance(["another"])) == 0


def test_every_part_counts() -> None:
    provenance, spec = Provenance(["one"]), draft(take(), objects=[OBJECT])
    signature = provenance.sign(spec, [OBJECT])
    assert provenance.holds(spec, [OBJECT], signature)
    others = [replace(spec, tenant="eve"), replace(spec, id="clip_" + "1" * 32), replace(spec, variant_key="0" * 64),
              replace(spec, recipe=replace(spec.recipe, revision="x")), replace(spec, recipe=replace(spec.recipe, model="x"))]  # fmt: skip
    assert not any(provenance.holds(other, [OBJECT], signature) for other in others)
    assert not provenance.holds(spec, [replace(OBJECT, kind="thumbnail")], signature)
    assert not provenance.holds(spec, [], signature)
    assert not Provenance(["two"]).holds(spec, [OBJECT], signature)
    with pytest.raises(ValueError, match="at least one key"):
        Provenance([])


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (made,) = signing_keys([], folder)
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert signing_keys([], folder) == [made]
    assert len(made) == 64
    assert signing_keys(["ours"], folder) == ["ours"]


def test_an_empty_key_file_is_no_key(tmp_path: Path) -> None:
    """As a crash may leave one: whoever knows of it could sign whatever they like."""
    (tmp_path / FILE).touch()
    with pytest.raises(ValueError, match="is empty"):
        signing_keys([], tmp_path)


def test_all_who_start_at_once_sign_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as several:
        made = list(several.map(lambda _: signing_keys([], tmp_path), range(8)))
    assert made == [made[0]] * 8
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
