from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.matching.vectors.delivery import fetch, publish
from cache.matching.vectors.index import Index, Placed, Removed
from cache.matching.vectors.snapshot import MANIFEST, Manifest, Origin, Unusable, load_snapshot, read_manifest, save
from tests.matching_index.parts import HERE, PARTITIONS, Model, beside, has_graph, index_of, units

ORIGIN = Origin("e1", 16, "db-1")
VECTORS = units(160, 16)


def fill(index: Index, model: Model | None = None) -> None:
    """A graph with dead rows and a crowd on one vector, clips beside it, a small partition, and one that is empty again."""
    changes: list[Placed | Removed] = [Placed(HERE, f"clip_{n}", n + 1, VECTORS[n % 90]) for n in range(100)]
    changes += [Placed(PARTITIONS[1], f"other_{n}", 200 + n, VECTORS[n]) for n in range(7)]
    changes += [Placed(PARTITIONS[2], "gone", 300, VECTORS[0]), Removed("gone", 301)]
    later: list[Placed | Removed] = [Removed(f"clip_{n}", 400 + n) for n in range(5)]
    later += [Placed(HERE, f"late_{n}", 500 + n, VECTORS[100 + n]) for n in range(4)]
    for part in (changes, later):
        index.apply(part)
        assert index.settle(60)
        for change in part:
            if model is not None:
                model.apply(change)


def filled(**changed: Any) -> Any:
    return index_of(graph_from=50, **changed)


def written(folder: Path) -> Manifest:
    with filled() as index:
        fill(index)
        return save(index, folder, ORIGIN)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    model = Model()
    with filled() as index:
        fill(index, model)
        manifest = save(index, tmp_path, ORIGIN)
        assert manifest.count == index.count() and manifest.sequence == index.sequence == 503
    with filled() as index:
        assert load_snapshot(index, tmp_path, ORIGIN, latest=503) == manifest
        assert has_graph(index) and index.sequence == 503
        for partition in PARTITIONS:
            assert index.count(partition) == len(model.live(partition))
            for vector in VECTORS[::7]:
                model.agrees(partition, vector, 6, index.search_now(partition, vector, 6))
        # It goes on from there: what is in it can be removed, what was removed before stays so, new clips come in.
        for change in (Removed("clip_50", 600), Removed("clip_3", 403), Placed(PARTITIONS[1], "new", 601, VECTORS[120])):
            model.apply(change)
            index.apply([change])
        assert not index.add(HERE, "clip_2", 3, VECTORS[2])
        assert not index.add(HERE, "gone", 300, VECTORS[0])
        model.agrees(HERE, VECTORS[50], 6, index.search_now(HERE, VECTORS[50], 6))
        model.agrees(PARTITIONS[1], VECTORS[120], 6, index.search_now(PARTITIONS[1], VECTORS[120], 6))
        # A graph that lies in a file can be built anew and saved again.
        index.apply([Placed(HERE, f"more_{n}", 700 + n, VECTORS[n]) for n in range(90)])
        index.apply([Removed(f"more_{n}", 800 + n) for n in range(90)])
        assert index.settle(60)
        again = save(index, tmp_path, ORIGIN)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([again.generation, MANIFEST])
    with filled() as index:
        assert load_snapshot(index, tmp_path, ORIGIN) == again
        model.agrees(HERE, VECTORS[50], 6, index.search_now(HERE, VECTORS[50], 6))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2), st.integers(-20, 39)), max_size=150))
def test_round_trip_of_anything(tmp_path: Path, drawn: list[tuple[int, int, int]]) -> None:
    shutil.rmtree(tmp_path)
    model = Model()
    with index_of(graph_from=10, delta_limit=4) as index:
        for sequence, (clip, place, vector) in enumerate(drawn, 1):
            clip_id = f"clip_{clip}"
            change = Placed(PARTITIONS[place], clip_id, sequence, VECTORS[vector]) if vector >= 0 else Removed(clip_id, sequence)
            model.apply(change)
            index.apply([change])
        save(index, tmp_path, ORIGIN)  # builds may be under way
    with index_of(graph_from=10, delta_limit=4) as index:
        assert isinstance(load_snapshot(index, tmp_path, ORIGIN), Manifest)
        assert index.sequence == len(drawn)
        for partition in PARTITIONS:
            model.agrees(partition, VECTORS[1], 5, index.search_now(partition, VECTORS[1], 5))


def test_what_nobody_searches_stays_in_its_file(tmp_path: Path) -> None:
    first = written(tmp_path / "first")
    with filled() as index:
        load_snapshot(index, tmp_path / "first", ORIGIN)
        before = index.nbytes()
        again = save(index, tmp_path / "second", ORIGIN)
        assert index.nbytes() == before  # to save it is not to search it
        assert {name: file.sha256 for name, file in again.files.items()} == {name: file.sha256 for name, file in first.files.items()}
        index.remove("other_3", 600)
        third = save(index, tmp_path / "third", ORIGIN)
        assert third.count == first.count - 1
        assert third.files["vectors.bin"].length == first.files["vectors.bin"].length - ORIGIN.dimension * 2
        assert index.search_now(PARTITIONS[1], VECTORS[4], 1)[0].clip_id == "other_4"
        assert index.nbytes() > before
    with filled() as index:
        load_snapshot(index, tmp_path / "third", ORIGIN)
        found = index.search_now(PARTITIONS[1], VECTORS[3], 7)
        assert len(found) == 6 and "other_3" not in {neighbour.clip_id for neighbour in found}


def refused(folder: Path, origin: Origin = ORIGIN, latest: int | None = None) -> str:
    with filled() as index:
        outcome = load_snapshot(index, folder, origin, latest)
        assert isinstance(outcome, Unusable)
        assert index.count() == 0 and index.sequence == 0
        assert index.add(HERE, "clip_a", 1, VECTORS[0])  # and the rows can be read into it
        return outcome.reason


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    manifest = written(tmp_path / "good")
    assert {"clips.json", "partitions.json", "sequences.bin", "starts.bin", "vectors.bin"} < set(manifest.files)
    assert any(name.endswith(".faiss") for name in manifest.files)
    damages: tuple[Callable[[Path], None], ...] = (cut, flip, Path.unlink)
    for name in manifest.files:
        for damage in damages:
            shutil.copytree(tmp_path / "good", tmp_path / "bad")
            damage(tmp_path / "bad" / manifest.generation / name)
            assert name in refused(tmp_path / "bad")
            shutil.rmtree(tmp_path / "bad")
    cut(tmp_path / "good" / MANIFEST)
    assert "manifest" in refused(tmp_path / "good")
    assert refused(tmp_path / "nothing") == "there is none"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99}, {"count": 3}, {"generation": "../../etc"}, {"generation": 7}, {"files": {"../x.bin": {"sha256": "", "length": 0}}},
        {"sequence": None}, {"origin": {"embedder": "e1", "dimension": 8, "database": "db-1"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_manifest_that_says_something_else_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    written(tmp_path)
    path = tmp_path / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(tmp_path)


def test_files_with_right_digests_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    """What a faulty writer could have left: every digest is right."""
    manifest = written(tmp_path)
    place = tmp_path / manifest.generation
    originals = {name: (place / name).read_bytes() for name in manifest.files}
    edges = np.frombuffer(originals["starts.bin"], "<i8").copy()
    edges[1:-1] = edges[1:-1][::-1]
    ids = json.loads(originals["clips.json"])
    wrong = {
        "clips.json": json.dumps(ids[:-1]).encode(),
        "sequences.bin": originals["sequences.bin"][:-8],
        "starts.bin": edges.tobytes(),
        "vectors.bin": originals["vectors.bin"][:-32],
        next(name for name in originals if name.endswith(".faiss")): b"not one of our graphs",
        "partitions.json": b"[]",
    }
    for name, body in wrong.items():
        (place / name).write_bytes(body)
        document = json.loads((tmp_path / MANIFEST).read_text())
        document["files"][name] = {"sha256": hashlib.sha256(body).hexdigest(), "length": len(body)}
        kept = (tmp_path / MANIFEST).read_bytes()
        (tmp_path / MANIFEST).write_text(json.dumps(document))
        assert "fit" in refused(tmp_path), name
        (tmp_path / MANIFEST).write_bytes(kept)
        (place / name).write_bytes(originals[name])


def test_another_origin_and_another_past_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    assert "e2" in refused(tmp_path, Origin("e2", 16, "db-1"))
    assert "db-2" in refused(tmp_path, Origin("e1", 16, "db-2"))
    assert "dimension" in refused(tmp_path, Origin("e1", 32, "db-1"))
    assert "older state" in refused(tmp_path, latest=502)


class Killed(BaseException):
    """Nothing in the code under test may catch it."""


def test_a_kill_at_any_step_of_saving_leaves_the_old_snapshot_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dies at the first step that reaches the disk, then at the second, and so on until a save gets through."""
    with filled() as index:
        fill(index)
        old = save(index, tmp_path, ORIGIN)
        index.add(HERE, "newer", 900, VECTORS[150])
        deaths, seen = 0, set[int]()
        while True:
            left = deaths

            def dying(call: Callable[..., Any]) -> Callable[..., Any]:
                def step(*parts: Any, **named: Any) -> Any:
                    nonlocal left
                    if left == 0:
                        raise Killed
                    left -= 1
                    return call(*parts, **named)

                return step

            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", dying(os.fsync))
                patch.setattr(Path, "replace", dying(Path.replace))
                patch.setattr(shutil, "rmtree", dying(shutil.rmtree))
                try:
                    new = save(index, tmp_path, ORIGIN)
                except Killed:
                    deaths += 1
                else:
                    break
            with filled() as reader:
                outcome = load_snapshot(reader, tmp_path, ORIGIN)
                assert isinstance(outcome, Manifest)
                seen.add(outcome.sequence)
        assert deaths > 8 and seen == {old.sequence, new.sequence}
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([new.generation, MANIFEST])


class Shelf:
    """A remote store in memory; `broken` counts down to the call that fails."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.broken = -1

    def _call(self) -> None:
        self.broken -= 1
        if self.broken == -1:
            raise Killed

    async def put(self, name: str, source: Path) -> None:
        self._call()
        self.kept[name] = await asyncio.to_thread(source.read_bytes)

    async def fetch(self, name: str, target: Path) -> bool:
        self._call()
        if name in self.kept:
            await asyncio.to_thread(target.write_bytes, self.kept[name])
        return name in self.kept

    async def names(self, prefix: str) -> AsyncIterator[str]:
        self._call()
        for name in list(self.kept):
            if name.startswith(prefix):
                yield name

    async def delete(self, name: str) -> None:
        self._call()
        self.kept.pop(name, None)


async def test_one_gateway_publishes_another_fetches(tmp_path: Path) -> None:
    remote, ours, theirs = Shelf(), tmp_path / "ours", tmp_path / "theirs"
    remote.kept["index/e1/notes.txt"] = b"somebody else's"
    assert fetched(await fetch(remote, theirs, "index/e1/")) == "there is none"
    assert fetched(await publish(ours, remote, "index/e1/")) == "there is none"
    generations = []
    with filled() as index:
        fill(index)
        for sequence in (1000, 1001, 1002):
            index.add(HERE, f"clip_{sequence}", sequence, VECTORS[3])
            manifest = save(index, ours, ORIGIN)
            generations.append(manifest.generation)
            assert await publish(ours, remote, "index/e1/") == manifest
            assert await fetch(remote, theirs, "index/e1/") == manifest
            with filled() as other:
                assert load_snapshot(other, theirs, ORIGIN) == manifest
                assert other.count() == index.count()
    assert {name.split("/")[2] for name in remote.kept} == {*generations[1:], MANIFEST, "notes.txt"}
    assert sorted(path.name for path in theirs.iterdir()) == sorted([generations[-1], MANIFEST])
    before = dict(remote.kept)
    remote.broken = 1
    assert isinstance(await fetch(remote, theirs, "index/e1/"), Manifest)  # it has that one: only the manifest is read
    assert remote.kept == before


def fetched(outcome: Manifest | Unusable) -> str:
    assert isinstance(outcome, Unusable)
    return outcome.reason


async def test_an_exchange_cut_off_anywhere_leaves_what_was_there(tmp_path: Path) -> None:
    remote, ours, theirs = Shelf(), tmp_path / "ours", tmp_path / "theirs"
    with filled() as index:
        fill(index)
        old = save(index, ours, ORIGIN)
        await publish(ours, remote, "i/")
        await fetch(remote, theirs, "i/")
        index.add(HERE, "newer", 900, VECTORS[150])
        new = save(index, ours, ORIGIN)
    exchanges: tuple[Callable[[], Awaitable[object]], ...] = (lambda: publish(ours, remote, "i/"), lambda: fetch(remote, theirs, "i/"))
    for exchange in exchanges:
        for step in range(100):
            remote.broken = step
            try:
                await exchange()
            except Killed:
                remote.broken = -1
                known = read_manifest(theirs)
                assert known in (old, new)
                probe = tmp_path / f"probe-{step}"
                assert await fetch(remote, probe, "i/") in (old, new)
                with filled() as index:
                    assert isinstance(load_snapshot(index, probe, ORIGIN), Manifest)
                shutil.rmtree(probe)
            else:
                break
        else:
            raise AssertionError("never got through")
        remote.broken = -1
    assert read_manifest(theirs) == new
    with filled() as index:
        assert load_snapshot(index, theirs, ORIGIN) == new


async def test_a_fetch_while_the_snapshot_goes_away_is_refused(tmp_path: Path) -> None:
    remote = Shelf()
    manifest = written(tmp_path / "ours")
    await publish(tmp_path / "ours", remote, "i/")
    del remote.kept[f"i/{manifest.generation}/vectors.bin"]
    assert "vectors.bin" in fetched(await fetch(remote, tmp_path / "theirs", "i/"))
    assert list((tmp_path / "theirs").iterdir()) == []


def test_saving_while_writers_write_gives_one_moment(tmp_path: Path) -> None:
    """Each clip comes with a twin in another partition, in one call: no snapshot may hold one without the other."""
    vectors = beside(np.repeat(VECTORS[:1], 400, axis=0), 0.9)
    with index_of(graph_from=60, delta_limit=30) as index:
        stop = threading.Event()

        def write() -> None:
            for n in range(400):
                if stop.is_set():
                    return
                index.apply([Placed(HERE, f"clip_{n}", 2 * n + 1, vectors[n]), Placed(PARTITIONS[1], f"twin_{n}", 2 * n + 2, vectors[n])])

        thread = threading.Thread(target=write)
        thread.start()
        for _ in range(8):
            manifest = save(index, tmp_path, ORIGIN)
            with index_of(graph_from=10_000) as reader:
                assert load_snapshot(reader, tmp_path, ORIGIN) == manifest
                assert reader.count(HERE) == reader.count(PARTITIONS[1]) == manifest.sequence // 2
        stop.set()
        thread.join()
