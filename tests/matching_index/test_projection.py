from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.catalog import DEMO, AskedSettings, ServedModel, resolve
from cache.clip import ClipState
from cache.errors import DatabaseAway
from cache.ids import new_id
from cache.matching.vectors.block import Vectors
from cache.matching.vectors.codec import unit
from cache.matching.vectors.projection import Projection, RowLog
from cache.prompt import Prompt
from cache.storage.bytes.folder import FolderObjects
from cache.storage.clips.shelf import ClipDraft, Shelf
from cache.storage.database.changes import ClipChange, add_vectors
from cache.storage.database.database import Database
from cache.variant import Partition, Spec, Variant
from tests.databases import DATABASES
from tests.matching_index.parts import HERE, Model, index_of, units

VECTORS = units(20, 16)
RECIPE = resolve(ServedModel(DEMO, "revision-1", "pipeline"), AskedSettings(seconds=0.5))
HOME = Partition("tenant:local", RECIPE.key, "e1")


def stored(vector: Vectors) -> bytes:
    return vector.astype("<f2").tobytes()


def change(clip_id: str, sequence: int, vector: bytes | None, state: ClipState = "live") -> ClipChange:
    return ClipChange(sequence, clip_id, HERE.scope, HERE.recipe_key, state, None, "a prompt", vector)


class Rows:
    """The newest change of each clip, as a database would show it; `away` reads fail first."""

    def __init__(self) -> None:
        self.newest: dict[str, ClipChange] = {}
        self.reads = self.away = 0

    def write(self, *changes: ClipChange) -> None:
        self.newest |= {change.clip_id: change for change in changes}

    async def since(self, sequence: int, limit: int) -> Sequence[ClipChange]:
        self.reads += 1
        if self.away:
            self.away -= 1
            raise DatabaseAway("away")
        found = sorted((change for change in self.newest.values() if change.sequence > sequence), key=lambda change: change.sequence)
        return found[:limit]


async def test_catching_up_in_batches() -> None:
    rows = Rows()
    rows.write(*(change(f"clip_{n}", n + 1, stored(VECTORS[n])) for n in range(20)))
    with index_of() as index:
        projection = Projection(index, rows, "e1", 16, batch=6)
        assert not projection.caught_up.is_set()
        assert await projection.catch_up() == 20
        assert rows.reads == 4 and projection.caught_up.is_set()
        assert index.count(HERE) == 20 and index.sequence == 20
        rows.write(
            change("clip_3", 21, None, "withdrawn"), change("clip_4", 22, None, "superseded"), change("clip_5", 23, stored(VECTORS[6]))
        )
        assert await projection.catch_up() == 3
        assert index.count(HERE) == 18
        assert await projection.catch_up() == 0
        assert {n.clip_id for n in index.search_now(HERE, VECTORS[6], 2)} == {"clip_5", "clip_6"}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-8, 19), st.booleans()), max_size=60))
def test_whatever_happens_to_rows_the_index_is_what_they_are(drawn: list[tuple[int, int, bool]]) -> None:
    async def run() -> None:
        rows, model = Rows(), Model()
        with index_of(graph_from=6, delta_limit=2) as index:
            projection = Projection(index, rows, "e1", 16, batch=3)
            for sequence, (clip, vector, look) in enumerate(drawn, 1):
                rows.write(change(f"clip_{clip}", sequence, stored(VECTORS[vector]) if vector >= 0 else None))
                if look:
                    await projection.catch_up()
            await projection.catch_up()
            for row in rows.newest.values():
                model.apply(projection._applicable(row))
            model.agrees(HERE, VECTORS[0], 4, index.search_now(HERE, VECTORS[0], 4))
            assert index.count() == len(model.live(HERE)) and index.sequence == len(drawn)

    asyncio.run(run())


def test_stored_vectors() -> None:
    read = unit(stored(VECTORS[0] * 3))
    assert read is not None and read.dtype == np.float32 and abs(float(read @ VECTORS[0]) - 1) < 1e-3
    assert abs(float(np.linalg.norm(read)) - 1) < 1e-6
    for bad in (b"", b"abc", bytes(32), stored(VECTORS[0] * np.float32("inf")), stored(VECTORS[0] * np.float32("nan"))):
        assert unit(bad) is None


async def test_a_vector_that_cannot_be_used_stops_nothing() -> None:
    rows = Rows()
    rows.write(change("a", 1, stored(VECTORS[0][:8])), change("b", 2, bytes(32)), change("c", 3, b"x"), change("d", 4, stored(VECTORS[0])))
    with index_of() as index:
        await Projection(index, rows, "e1", 16).catch_up()
        assert index.count() == 1 and index.sequence == 4


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


async def test_running_it_catches_up_when_told_and_after_an_outage_by_itself() -> None:
    rows = Rows()
    rows.away = 2
    with index_of() as index:
        projection = Projection(index, rows, "e1", 16, every=0.05)
        running = asyncio.create_task(projection.run())
        rows.write(change("a", 1, stored(VECTORS[0])))
        await until(projection.caught_up.is_set)
        assert index.count() == 1
        rows.write(change("b", 2, stored(VECTORS[1])))
        await until(lambda: index.count() == 2)  # nobody told
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        patient = Projection(index, rows, "e1", 16, every=600)
        running = asyncio.create_task(patient.run())
        await until(patient.caught_up.is_set)
        rows.write(change("b", 3, None, "withdrawn"))
        patient.tell()
        await until(lambda: index.count() == 1)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_many_who_ask_at_once_read_the_rows_one_after_the_other() -> None:
    rows = Rows()
    rows.write(*(change(f"clip_{n}", n + 1, stored(VECTORS[n])) for n in range(20)))
    with index_of() as index:
        projection = Projection(index, rows, "e1", 16)
        assert sorted(await asyncio.gather(*(projection.catch_up() for _ in range(10)))) == [0] * 9 + [20]


def draft(words: str, number: int, vectors: dict[str, bytes], private: bool = False) -> ClipDraft:
    variant = Variant(Spec("tenant:local", Prompt.parse(words), RECIPE), take=number)
    return ClipDraft(
        id=new_id("clip"), tenant="local", scope="tenant:local", variant_key=variant.key, spec_key=variant.spec.key, prompt=words,
        recipe=RECIPE, seed=variant.seed, take=number, gpu_seconds=1.0, objects=(), vectors=vectors, private=private,
    )  # fmt: skip


@pytest.mark.parametrize("backend", sorted(DATABASES))
async def test_real_rows(backend: str, tmp_path: Path) -> None:
    async with DATABASES[backend](tmp_path) as database:
        await follow_real_rows(database, tmp_path)


async def follow_real_rows(database: Database, tmp_path: Path) -> None:
    shelf = Shelf(database, FolderObjects(tmp_path / "objects"))
    drafts = [
        draft("a red ball", 0, {"e1": stored(VECTORS[0]), "e2": stored(VECTORS[1])}),
        draft("a blue ball", 0, {"e1": stored(VECTORS[2])}),
        draft("a secret ball", 0, {"e1": stored(VECTORS[3])}, private=True),
        draft("a ball unread", 0, {}),
        draft("a ball read by another", 0, {"e2": stored(VECTORS[4])}),
    ]
    with index_of() as index:
        projection = Projection(index, RowLog(database, "e1"), "e1", 16, batch=2)
        for each in drafts:
            async with database.write() as connection:
                await shelf.add(connection, each)
        await projection.catch_up()
        assert index.count() == index.count(HOME) == 2
        assert [n.clip_id for n in index.search_now(HOME, VECTORS[2], 1)] == [drafts[1].id]
        # A later take answers instead, a clip is withdrawn, and another gets its vector late.
        later = draft("a red ball", 1, {"e1": stored(VECTORS[0])})
        async with database.write() as connection:
            await shelf.add(connection, later)
            await shelf.withdraw_in(connection, [drafts[1].id], "invalidated")
            await add_vectors(connection, "e1", {drafts[3].id: stored(VECTORS[5])})
        await projection.catch_up()
        assert index.count() == 2
        assert index.search_now(HOME, VECTORS[0], 1)[0].clip_id == later.id
        assert index.search_now(HOME, VECTORS[5], 1)[0].clip_id == drafts[3].id
