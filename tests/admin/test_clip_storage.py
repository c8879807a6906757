"""Finding clips, taking them out of service and bringing them back, at rest. On every database."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from cache.errors import ClipGone, Conflict, NotFound
from cache.matching.encoding.encoders import Loading
from cache.matching.exact import ExactMemory
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.storage.database.database import Database
from cache.storage.database.notifications import open_notifications
from cache.storage.operators.clip_search import SORTS, ClipFilter, ClipSearch, ClipSort
from cache.storage.operators.invalidation import Invalidation, removal_of
from cache.storage.requests.erasure import Erasure
from cache.storage.tables import clips
from cache.supervision import Supervisor
from cache.variant import Partition, Spec, Variant, tenant_scope
from gateway.answering.byte_cache import ByteCache
from gateway.answering.replica import Replica
from generator.queue.signals import Signals
from tests.databases import open_sqlite
from tests.stage import RECIPE, SERVED, Stage, draft, seeded, set_stage, spec, take
from tests.test_shelf import exact, put

DIMENSION = 16
HOUR = 3600.0


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture
def search(stage: Stage) -> ClipSearch:
    return ClipSearch(stage.database)


@pytest.fixture
def invalidation(stage: Stage, search: ClipSearch) -> Invalidation:
    return Invalidation(stage.database, search, HOUR)


async def ids(search: ClipSearch, wanted: ClipFilter | None = None, sort: ClipSort = "created", ascending: bool = True) -> list[str]:
    found, more = await search.page(wanted or ClipFilter(), sort, ascending, None, 100)
    assert not more
    return [one.clip.id for one in found]


# Finding


async def test_each_filter_finds_what_it_names_and_nothing_else(stage: Stage, search: ClipSearch) -> None:
    small = replace(RECIPE, width=96, height=96)
    await stage.add(plain := draft(take("a red ball"), tags=("demo", "a,b")))
    await stage.add(small_one := draft(Variant(Spec(tenant_scope("local"), Prompt.parse("A Blue box 100%"), small), take=0)))
    await stage.add(theirs := draft(take("a green box"), tenant="acme", tags=("demo2",)))
    await stage.add(hidden := draft(take("a black box"), private=True))
    await stage.add(old := draft(take("an old ring", 0)))
    await stage.add(draft(take("an old ring", 1)))
    await stage.shelf.withdraw([theirs.id], "evicted")

    async def only(**wanted: object) -> set[str]:
        return set(await ids(search, ClipFilter(**wanted)))  # type: ignore[arg-type]

    assert await only(size="96x96") == {small_one.id}
    assert await only(size="96x") == await only(size="x' OR 1=1") == set()
    assert await only(model=SERVED.name, size="96x96", quality="standard") == {small_one.id}
    assert await only(model="other") == set()
    assert await only(tag="demo") == {plain.id}
    assert await only(tag="a,b") == {plain.id}
    assert await only(tag="a") == set()
    assert await only(text="blue BOX") == {small_one.id}
    assert await only(text="100%") == {small_one.id}, "a percent sign is a percent sign"
    assert await only(text="_") == set()
    assert await only(state="withdrawn") == {theirs.id}
    assert await only(state="superseded") == {old.id}
    assert old.id in await only(state="")
    assert theirs.id not in await only(state="")
    assert await only(recipe_key=small.key) == {small_one.id}
    assert await only(tenant="acme", state="withdrawn") == {theirs.id}
    assert await only(tenant="acme") == set()
    every = await only(state="") | await only(state="withdrawn")
    assert hidden.id not in every
    assert await search.by_id(hidden.id) is None


async def test_text_is_looked_for_only_where_it_may_be_read(stage: Stage, search: ClipSearch) -> None:
    await stage.add(mine := draft(take("a red ball")))
    await stage.add(theirs := draft(take("a red box"), tenant="acme"))
    assert set(await ids(search, ClipFilter(text="red"))) == {mine.id, theirs.id}
    assert await ids(search, ClipFilter(text="red", readable="acme")) == [theirs.id]
    assert set(await ids(search, ClipFilter(readable="acme"))) == {mine.id, theirs.id}, "their facts are listed all the same"


async def test_ranges_and_pins(stage: Stage, search: ClipSearch, invalidation: Invalidation) -> None:
    await stage.add(old := draft(take("old")))
    await stage.add(new := draft(take("new")))
    async with stage.database.write() as connection:
        await connection.execute(update(clips).where(clips.c.id == old.id).values(created_at=1000.0))
    assert await ids(search, ClipFilter(since=1000.5)) == [new.id]
    assert await ids(search, ClipFilter(since=1000.0, until=1000.5)) == [old.id]
    assert await ids(search, ClipFilter(until=1000.0)) == []
    await invalidation.pin(old.id, True)
    assert await ids(search, ClipFilter(pinned=True)) == [old.id]
    assert await ids(search, ClipFilter(pinned=False)) == [new.id]
    await invalidation.pin(old.id, False)
    assert await ids(search, ClipFilter(pinned=True)) == []
    with pytest.raises(NotFound):
        await invalidation.pin("clip_unknown", True)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("ascending", [True, False])
async def test_pages_show_every_clip_once_in_order(stage: Stage, search: ClipSearch, sort: ClipSort, ascending: bool) -> None:
    """Many share a value: the id decides then, and no page repeats or skips one."""
    for number in range(11):
        await stage.add(draft(take(f"clip {number}"), gpu_seconds=float(number % 3)))
    async with stage.database.write() as connection:
        await connection.execute(update(clips).values(hits=clips.c.sequence % 4, created_at=100.0))
    seen: list[str] = []
    after, more = None, True
    while more:
        page, more = await search.page(ClipFilter(), sort, ascending, after, 3)
        seen += [one.clip.id for one in page]
        after = seen[-1]
    assert len(seen) == len(set(seen)) == 11
    assert seen == await ids(search, None, sort, ascending)
    assert (await search.page(ClipFilter(), sort, ascending, "clip_gone", 3)) == ([], False)


async def test_reuse_is_counted_by_tenant_and_verdict(stage: Stage, search: ClipSearch) -> None:
    clip = await put(stage, take())
    async with stage.database.write() as connection:
        for verdict in ("exact", "exact", "near"):
            await stage.insert(connection, take(), verdict, clip_id=clip.id)
    assert [(one.tenant, one.verdict, one.count) for one in await search.reuse(clip.id)] == [("local", "exact", 2), ("local", "near", 1)]
    assert await search.held_by(clip.id, "local")
    assert not await search.held_by(clip.id, "acme")


async def test_recipes_with_most_clips_come_first(stage: Stage, search: ClipSearch) -> None:
    small = replace(RECIPE, width=96, height=96)
    for words in ("one", "two"):
        await stage.add(draft(Variant(Spec(tenant_scope("local"), Prompt.parse(words), small), take=0)))
    await stage.add(draft(take("three")))
    assert [(one.recipe.size, one.count) for one in await search.recipes()] == [("96x96", 2), (spec().recipe.size, 1)]
    assert await search.recipes("nobody") == []


# Out, and back


async def test_a_dry_run_counts_what_the_invalidation_takes(stage: Stage, search: ClipSearch, invalidation: Invalidation) -> None:
    tagged = [await put(stage, take(words), tags=("bad",)) for words in ("one", "two", "three")]
    other = await put(stage, take("four"))
    await invalidation.pin(tagged[0].id, True)
    counted = await invalidation.dry_run(ClipFilter(tag="bad"))
    assert counted.totals.count == 3
    assert counted.totals.length == sum(clip.length for clip in tagged)
    assert counted.totals.gpu_seconds == pytest.approx(7.5)
    assert counted.totals.pinned == 1
    late = await put(stage, take("five"), tags=("bad",))
    done = await invalidation.matching(ClipFilter(tag="bad", until=counted.counted_at))
    assert done.count == 3
    assert set(await ids(search)) == {other.id, late.id}, "what was made after the count stays"
    assert set(await ids(search, ClipFilter(state="withdrawn", removal=done.removal))) == {clip.id for clip in tagged}
    undone = await invalidation.undo_all(done.removal)
    assert (set(undone.back), undone.refused) == ({clip.id for clip in tagged}, 0)
    assert len(await ids(search)) == 5
    found = await search.by_id(tagged[0].id)
    assert found is not None
    assert found.clip.pinned, "a pin outlives the way out and back"
    with pytest.raises(NotFound):
        await invalidation.undo_all(done.removal)


async def test_an_invalidation_goes_on_over_many_transactions(
    stage: Stage, invalidation: Invalidation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache.storage.operators.invalidation._AT_ONCE", 2)
    made = [await put(stage, take(f"clip {number}")) for number in range(5)]
    done = await invalidation.matching(ClipFilter())
    assert done.count == 5
    undone = await invalidation.undo_all(done.removal)
    assert set(undone.back) == {clip.id for clip in made}


async def test_what_is_out_answers_nobody_and_back_it_answers_again(stage: Stage, invalidation: Invalidation, search: ClipSearch) -> None:
    clip = await put(stage, take())
    done = await invalidation.one(clip.id)
    assert await exact(stage, take()) is None
    gone = await stage.clip(clip.id)
    assert gone is not None
    with pytest.raises(ClipGone):
        await stage.shelf.read(gone, "video")
    with pytest.raises(Conflict):
        await invalidation.one(clip.id)
    with pytest.raises(Conflict):
        await invalidation.pin(clip.id, True)
    found = await search.by_id(clip.id)
    assert found is not None
    assert removal_of(found.withdrawn_reason) == done.removal
    await invalidation.undo(clip.id)
    assert await exact(stage, take()) == clip.id
    back = await stage.clip(clip.id)
    assert back is not None
    assert back.sequence > gone.sequence > clip.sequence
    assert await stage.shelf.read(back, "video") == b"a video"
    with pytest.raises(Conflict, match="in service"):
        await invalidation.undo(clip.id)
    with pytest.raises(NotFound):
        await invalidation.undo("clip_" + "0" * 32)


async def test_a_newer_take_keeps_its_place(stage: Stage, invalidation: Invalidation) -> None:
    old = await put(stage, take())
    done = await invalidation.one(old.id)
    newer = await put(stage, take(number=1))
    with pytest.raises(Conflict, match=newer.id):
        await invalidation.undo(old.id)
    undone = await invalidation.undo_all(done.removal)
    assert (undone.back, undone.refused) == ([], 1)
    assert newer.id in undone.reasons[old.id]
    assert await exact(stage, take()) == newer.id
    await invalidation.one(newer.id)
    await invalidation.undo(old.id)
    assert await exact(stage, take()) == old.id
    with pytest.raises(Conflict):
        await invalidation.undo(newer.id)


async def test_a_pinned_seed_has_a_place_of_its_own(stage: Stage, invalidation: Invalidation) -> None:
    seed, other = await put(stage, seeded(seed=1)), await put(stage, seeded(seed=2))
    await invalidation.one(seed.id)
    await invalidation.undo(seed.id)
    assert await exact(stage, seeded(seed=1)) == seed.id
    await invalidation.one(other.id)
    again = await put(stage, seeded(seed=2))
    with pytest.raises(Conflict, match=again.id):
        await invalidation.undo(other.id)


async def test_what_was_superseded_comes_back_as_that(stage: Stage, invalidation: Invalidation, search: ClipSearch) -> None:
    first, second = await put(stage, take()), await put(stage, take(number=1))
    done = await invalidation.matching(ClipFilter(state=""))
    assert done.count == 2
    undone = await invalidation.undo_all(done.removal)
    assert undone.refused == 0
    assert await exact(stage, take()) == second.id
    found = await search.by_id(first.id)
    assert found is not None
    assert found.clip.state == "superseded"


@pytest.mark.parametrize("reason", ["evicted", "corrupt", "erased", "expired", "invalidated-by-someone"])
async def test_only_what_a_person_took_out_comes_back(stage: Stage, invalidation: Invalidation, reason: str) -> None:
    clip = await put(stage, take())
    await stage.shelf.withdraw([clip.id], reason)
    with pytest.raises(Conflict):
        await invalidation.undo(clip.id)


async def test_after_the_grace_time_there_is_no_way_back(stage: Stage, search: ClipSearch) -> None:
    clip = await put(stage, take())
    short = Invalidation(stage.database, search, 0.05)
    await short.one(clip.id)
    await asyncio.sleep(0.1)
    with pytest.raises(Conflict, match="grace"):
        await short.undo(clip.id)


async def test_an_expired_clip_does_not_come_back(stage: Stage, invalidation: Invalidation) -> None:
    clip = await put(stage, take(), keep_seconds=0.05)
    await invalidation.one(clip.id)
    await asyncio.sleep(0.1)
    with pytest.raises(Conflict, match="expired"):
        await invalidation.undo(clip.id)


async def test_the_sweep_and_an_undo_never_meet(stage: Stage, invalidation: Invalidation, tmp_path: Path) -> None:
    """Undo comes in the very moment in which the objects go: it is refused, and no row is live without its video."""
    clip = await put(stage, take())
    await invalidation.one(clip.id)
    refused: list[str] = []
    delete = stage.objects.delete

    async def at_the_worst_moment(name: str) -> None:
        try:
            await invalidation.undo(clip.id)
        except Conflict as error:
            refused.append(error.message)
        await delete(name)

    stage.objects.delete = at_the_worst_moment  # type: ignore[method-assign]
    assert await stage.shelf.collect(grace=0) == [clip.id]
    assert len(refused) == 1
    assert await stage.clip(clip.id) is None


async def test_erased_words_do_not_come_back_by_undo(stage: Stage, invalidation: Invalidation) -> None:
    clip = await put(stage, take())
    async with stage.database.write() as connection:
        video = await stage.insert(connection, take(), "exact", clip_id=clip.id)
    await invalidation.one(clip.id)
    await Erasure(stage.database, stage.shelf).erase(await stage.asked.by_id("local", video))
    with pytest.raises((Conflict, NotFound)):
        await invalidation.undo(clip.id)
    gone = await stage.clip(clip.id)
    assert gone is not None, "so that every index hears of it"
    assert (gone.state, gone.prompt) == ("withdrawn", None)
    assert [name async for name in stage.objects.names("")] == [], "erased videos wait for no grace time"


class Loaded:
    """An encoder that is there: what a replica asks of it is its name and dimension."""

    embedder = SimpleNamespace(version="e1", dimension=DIMENSION)

    async def loaded(self) -> Loaded:
        return self


@dataclass
class Gateway:
    """What one gateway knows by heart."""

    index: Index = field(default_factory=Index)
    memory: ExactMemory = field(default_factory=ExactMemory)
    cached: ByteCache = field(default_factory=lambda: ByteCache(2**20))

    async def follow(self, stage: Stage, folder: Path) -> None:
        notifications, loaded = open_notifications(stage.database), cast(Loading, Loaded())
        replica = Replica(
            stage.database, self.index, asyncio.Event(), loaded, self.memory, self.cached, Signals(), notifications, None, folder
        )
        supervisor = Supervisor()
        replica.start(supervisor)
        try:
            await asyncio.Event().wait()
        finally:
            await supervisor.close()

    @property
    def knows(self) -> tuple[int, bool, bool]:
        return self.index.count(), self.memory.get("key") is not None, self.cached.length > 0


async def test_every_gateway_learns_of_the_way_out_and_back(stage: Stage, invalidation: Invalidation, tmp_path: Path) -> None:
    """Index, memory of exact hits and bytes of two gateways that follow the same rows."""
    vector = np.random.default_rng(1).standard_normal(DIMENSION).astype("<f2")
    clip = await put(stage, take(), vectors={"e1": vector.tobytes()})
    gateways = [Gateway(), Gateway()]
    following = [asyncio.create_task(one.follow(stage, tmp_path / f"index-{at}")) for at, one in enumerate(gateways)]

    async def all_know(wanted: tuple[int, bool, bool]) -> None:
        for _ in range(3000):
            if [one.knows for one in gateways] == [wanted, wanted]:
                return
            await asyncio.sleep(0.02)
        raise AssertionError([one.knows for one in gateways])

    try:
        await all_know((1, False, False))
        for one in gateways:
            one.memory.put("key", clip)
            await one.cached.body(clip.objects["video"], stage.objects.read)
        done = await invalidation.one(clip.id)
        await all_know((0, False, False))
        await invalidation.undo_all(done.removal)
        await all_know((1, False, False))
        unit = vector.astype(np.float32) / np.linalg.norm(vector.astype(np.float32))
        for one in gateways:
            (near,) = await one.index.search(Partition(spec().scope, spec().recipe.key, "e1"), unit, 3)
            assert near.clip_id == clip.id
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for one in gateways:
            one.index.close()


WORDS = ("a", "b")
STEP = st.one_of(
    st.tuples(st.just("make"), st.sampled_from(WORDS), st.integers(0, 3)),
    st.tuples(st.just("seed"), st.sampled_from(WORDS), st.integers(0, 1)),
    st.tuples(st.just("out"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("back"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("all"), st.sampled_from(("live", "")), st.just(0)),
    st.tuples(st.just("all back"), st.integers(0, 3), st.just(0)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEP, min_size=3, max_size=14))
def test_in_any_order_one_clip_answers_a_variant_and_one_take_a_video(steps: list[tuple[str, object, int]]) -> None:
    async def walk(folder: Path) -> None:
        async with open_sqlite(folder) as database:
            stage = set_stage(database, folder)
            search = ClipSearch(database)
            invalidation = Invalidation(database, search, HOUR)
            made, removals = list[str](), list[str]()
            for action, what, number in steps:
                if action in {"make", "seed"}:
                    variant = take(str(what), number) if action == "make" else seeded(str(what), number)
                    await stage.add(one := draft(variant))
                    made.append(one.id)
                elif action == "all":
                    removals.append((await invalidation.matching(ClipFilter(state=what))).removal)  # type: ignore[arg-type]
                elif action == "all back" and removals:
                    with suppress(NotFound):
                        await invalidation.undo_all(removals[int(str(what)) % len(removals)])
                elif action in {"out", "back"} and made:
                    clip_id = made[int(str(what)) % len(made)]
                    with suppress(Conflict):
                        await (invalidation.one(clip_id) if action == "out" else invalidation.undo(clip_id))
                held = await stage.all_clips()
                live = [clip for clip in held if clip.state == "live"]
                assert len({clip.variant_key for clip in live}) == len(live)
                takes = [clip.spec_key for clip in live if clip.take is not None]
                assert len(set(takes)) == len(takes)
                assert len({clip.sequence for clip in held}) == len(held)

    with TemporaryDirectory() as folder:
        asyncio.run(walk(Path(folder)))
