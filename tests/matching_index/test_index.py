from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.matching.vectors.block import Vectors
from cache.matching.vectors.graph import HnswGraph
from cache.matching.vectors.index import Index, Placed, Removed
from cache.variant import Partition
from tests.matching_index.parts import HERE, PARTITIONS, Model, beside, has_graph, index_of, units

POOL = units(14, 16)
POOL[7:10] = POOL[6]  # takes of one prompt have one vector

places = st.tuples(st.integers(0, 24), st.integers(0, len(PARTITIONS) - 1), st.integers(0, len(POOL) - 1))
removals = st.tuples(st.integers(0, 24))


def changes_of(drawn: Sequence[tuple[int, ...]]) -> list[Placed | Removed]:
    changes: list[Placed | Removed] = []
    for sequence, entry in enumerate(drawn, start=1):
        clip_id = f"clip_{entry[0]}"
        if len(entry) == 1:
            changes.append(Removed(clip_id, sequence))
        else:
            changes.append(Placed(PARTITIONS[entry[1]], clip_id, sequence, POOL[entry[2]]))
    return changes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(places, places, removals), max_size=120), st.randoms(use_true_random=False), st.booleans())
def test_any_order_any_repetition_gives_what_a_plain_search_gives(drawn: list[tuple[int, ...]], random: object, one_by_one: bool) -> None:
    changes = changes_of(drawn)
    shuffled = [*changes, *changes[: len(changes) // 3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    model = Model()
    with index_of(graph_from=8, delta_limit=3) as index:
        for change in shuffled:
            model.apply(change)
            if one_by_one:
                index.apply([change])
        if not one_by_one:
            index.apply(shuffled)
        assert index.sequence == len(changes)
        for settled in (False, True):  # while graphs are built, and after
            assert not settled or index.settle(60)
            for partition in PARTITIONS:
                assert index.count(partition) == len(model.live(partition))
                for k in (1, 4, 40):
                    model.agrees(partition, POOL[3], k, index.search_now(partition, POOL[3], k))
        assert index.count() == sum(len(model.live(partition)) for partition in PARTITIONS)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(places, removals), max_size=60))
def test_searches_between_changes_agree(drawn: list[tuple[int, ...]]) -> None:
    model = Model()
    with index_of(graph_from=6, delta_limit=2) as index:
        for change in changes_of(drawn):
            model.apply(change)
            index.apply([change])
            model.agrees(HERE, POOL[0], 5, index.search_now(HERE, POOL[0], 5))


def test_a_change_says_whether_it_was_news() -> None:
    with index_of() as index:
        assert index.add(HERE, "clip_a", 5, POOL[0])
        assert not index.add(HERE, "clip_a", 5, POOL[0])
        assert not index.remove("clip_a", 4)
        assert index.remove("clip_a", 6)
        assert not index.add(HERE, "clip_a", 5, POOL[0])
        assert index.count() == 0 and index.sequence == 6
        assert index.add(PARTITIONS[1], "clip_a", 7, POOL[1])
        assert index.search_now(HERE, POOL[1], 3) == []
        assert [n.clip_id for n in index.search_now(PARTITIONS[1], POOL[1], 3)] == ["clip_a"]


def test_removals_are_remembered_up_to_a_limit_and_then_old_changes_are_refused() -> None:
    with index_of(remembered=10) as index:
        for number in range(1, 26):
            index.remove(f"clip_{number}", number)
        assert len(index._ledger) == 10
        assert not index.add(HERE, "clip_2", 2, POOL[0])  # forgotten, and not taken for new
        assert not index.add(HERE, "clip_never_seen", 15, POOL[0])
        assert index.add(HERE, "clip_new", 26, POOL[0])


@pytest.mark.parametrize(
    "vector",
    [POOL[0].astype(np.float64), POOL[0][:8], POOL[:1], POOL[0] * 2, POOL[0] * np.float32("nan"), np.zeros(16, np.float32)],
    ids=["float64", "short", "matrix", "long", "nan", "zero"],
)
def test_a_vector_that_is_none_is_refused_and_changes_nothing(vector: Vectors) -> None:
    with index_of() as index:
        index.add(HERE, "clip_a", 1, POOL[0])
        with pytest.raises(ValueError, match=r"float32|length 1"):
            index.add(HERE, "clip_b", 2, vector)
        assert index.count() == 1 and index.sequence == 1


def test_switching_to_a_graph_and_back() -> None:
    vectors = units(1300, 32)
    with index_of(graph_from=1000, delta_limit=200) as index:
        index.apply([Placed(HERE, f"clip_{n}", n + 1, vectors[n]) for n in range(999)])
        assert index.settle(60) and not has_graph(index)
        index.apply([Placed(HERE, f"clip_{n}", n + 1, vectors[n]) for n in range(999, 1300)])
        assert index.settle(60) and has_graph(index)
        assert all(index.search_now(HERE, vectors[n], 1)[0].clip_id == f"clip_{n}" for n in range(0, 1300, 13))
        index.apply([Removed(f"clip_{n}", 2000 + n) for n in range(820)])
        assert index.settle(60) and not has_graph(index)
        assert index.count(HERE) == 480
        assert all(index.search_now(HERE, vectors[n], 1)[0].clip_id == f"clip_{n}" for n in range(820, 1300, 13))
        index.apply([Removed(f"clip_{n}", 4000 + n) for n in range(820, 1300)])
        assert index.settle(60)
        assert index.count() == 0 and not index._shards and not index._numbered


def test_new_clips_beside_a_graph_are_found_at_once_and_move_behind_it_later() -> None:
    vectors = units(900, 32)
    with index_of(graph_from=500, delta_limit=200) as index:
        index.apply([Placed(HERE, f"clip_{n}", n + 1, vectors[n]) for n in range(500)])
        assert index.settle(60)
        for n in range(500, 900):
            index.add(HERE, f"clip_{n}", n + 1, vectors[n])
            assert index.search_now(HERE, vectors[n], 1)[0].clip_id == f"clip_{n}"
        assert index.settle(60)
        assert index._shards[HERE].view.block.count <= 200


def test_near_duplicates_are_found_behind_a_graph_as_by_a_whole_search() -> None:
    """Like prompts of a cache: families of four close ones; asked for with strangers at cosine 0.90 to 0.99."""
    heads = units(2500, 128)
    vectors = np.concatenate([heads, *(beside(heads, cosine, seed) for seed, cosine in enumerate((0.85, 0.92, 0.97), 2))])
    asked = np.random.default_rng(9).integers(0, len(vectors), 1000)
    queries = beside(vectors[asked], np.random.default_rng(10).uniform(0.90, 0.99, 1000))
    exact = (queries @ vectors.T).argmax(1)
    with index_of(graph_from=5000) as index:
        index.apply([Placed(HERE, f"clip_{n}", n + 1, vector) for n, vector in enumerate(vectors)])
        assert index.settle(60) and has_graph(index)
        found = [index.search_now(HERE, query, 1)[0].clip_id for query in queries]
    assert np.mean([clip_id == f"clip_{best}" for clip_id, best in zip(found, exact, strict=True)]) >= 0.99


def test_a_crowd_on_one_vector_hides_nobody() -> None:
    """A prompt that was rendered anew 1,500 times: all but its last take are dead, and sit where everyone looks."""
    vectors = units(600, 32)
    crowd = np.repeat(vectors[:1], 1500, axis=0)
    almost = beside(np.repeat(vectors[1:2], 400, axis=0), 0.9995)
    with index_of(graph_from=400, delta_limit=5000) as index:
        index.apply(
            Placed(HERE, f"{kind}_{n}", sequence, vector)
            for sequence, (kind, n, vector) in enumerate(  # from 1
                (kind, n, vector)
                for kind, some in (("take", crowd), ("almost", almost), ("clip", vectors))
                for n, vector in enumerate(some)
            )
        )
        assert index.settle(60) and has_graph(index)
        # No two graphs are the same, and in every fortieth one of these 598 is not found: the crowd fills what a search keeps in sight.
        assert len([n for n in range(2, 600) if index.search_now(HERE, vectors[n], 1)[0].clip_id != f"clip_{n}"]) <= 1
        index._closing.set()  # no new build: the dead stay
        index.apply([Removed(f"take_{n}", 10_000 + n) for n in range(1499)])
        index.apply([Removed(f"almost_{n}", 20_000 + n) for n in range(400)])
        top = index.search_now(HERE, vectors[0], 2)
        assert {neighbour.clip_id for neighbour in top} == {"take_1499", "clip_0"}
        assert index.search_now(HERE, vectors[1], 1)[0].clip_id == "clip_1"
        assert not any(n.clip_id.startswith("almost") for n in index.search_now(HERE, vectors[1], 50))


@pytest.mark.parametrize("attempts", [10, 1])
def test_searches_while_writers_write_and_graphs_are_built(attempts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every clip's vector follows from its id, so a row that is mixed up with another shows at once.

    With a single attempt nearly every search is crossed by a writer and ends behind the writers' lock.
    """
    monkeypatch.setattr("cache.matching.vectors.index._ATTEMPTS", attempts)
    vectors = units(2000, 24)
    lasting = range(0, 2000, 10)
    stop, faults = threading.Event(), list[str]()
    with index_of(graph_from=300, delta_limit=100) as index:
        index.apply([Placed(HERE, f"clip_{n}", n + 1, vectors[n]) for n in lasting])
        sequence = 10_000

        def write() -> None:
            nonlocal sequence
            random = np.random.default_rng(5)
            while not stop.is_set():
                batch: list[Placed | Removed] = []
                for n in random.integers(0, 2000, 40).tolist():
                    sequence += 1
                    gone = random.random() < 0.4 and n not in lasting
                    batch.append(Removed(f"clip_{n}", sequence) if gone else Placed(HERE, f"clip_{n}", sequence, vectors[n]))
                index.apply(batch)
                time.sleep(0.0005)

        def read(seed: int) -> None:
            random = np.random.default_rng(seed)
            while not stop.is_set():
                n = int(random.choice(lasting))
                found = index.search_now(HERE, vectors[n], 8)
                if not found or found[0].clip_id != f"clip_{n}":
                    faults.append(f"clip_{n} is not at the top of its own search: {found[:2]}")
                for neighbour in found:
                    true = float(vectors[int(neighbour.clip_id[5:])] @ vectors[n])
                    if abs(true - neighbour.similarity) > 2e-3:
                        faults.append(f"{neighbour} has similarity {true}")
                if len({neighbour.clip_id for neighbour in found}) != len(found):
                    faults.append(f"twice in {found}")

        threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=(seed,)) for seed in (1, 2))]
        for thread in threads:
            thread.start()
        time.sleep(2.5)
        stop.set()
        for thread in threads:
            thread.join()
        assert faults[:3] == []
        assert index.settle(60)
        assert has_graph(index)


def test_a_build_that_fails_leaves_everything_findable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    vectors = units(60, 16)
    with index_of(graph_from=50) as index:
        with monkeypatch.context() as patch:
            patch.setattr(HnswGraph, "grow", fail)
            index.apply([Placed(HERE, f"clip_{n}", n + 1, vectors[n]) for n in range(55)])
            assert index.settle(60)
        assert not has_graph(index)
        assert index.search_now(HERE, vectors[9], 1)[0].clip_id == "clip_9"
        index.add(HERE, "clip_55", 56, vectors[55])
        assert index.settle(60) and has_graph(index)


def test_many_small_partitions_cost_little() -> None:
    vectors = units(3, 384)
    partitions = [Partition(f"tenant:{n}", f"r{n % 7}", "e1") for n in range(4000)]
    with index_of() as index:
        sequence = 0
        for partition in partitions:
            for n in range(3):
                sequence += 1
                index.add(partition, f"clip_{sequence}", sequence, vectors[n])
        assert index.count() == 12_000 and index.count(partitions[5]) == 3
        assert index.nbytes() / 12_000 < 384 * 4 * 1.4 + 300
        assert index.search_now(partitions[77], vectors[2], 1)[0].clip_id == f"clip_{77 * 3 + 3}"


async def test_small_searches_run_at_once_and_large_ones_leave_the_loop_free() -> None:
    vectors = units(4000, 64)
    with index_of(inline_rows=100) as index:
        assert await index.search(HERE, vectors[0], 3) == []
        index.apply([Placed(HERE, f"clip_{n}", n + 1, vectors[n]) for n in range(4000)])
        index.apply([Placed(PARTITIONS[1], f"other_{n}", 5000 + n, vectors[n]) for n in range(50)])
        found = await asyncio.gather(*(index.search(HERE, vectors[n], 2) for n in range(40)))
        assert [neighbours[0].clip_id for neighbours in found] == [f"clip_{n}" for n in range(40)]
        assert (await index.search(PARTITIONS[1], vectors[7], 1))[0].clip_id == "other_7"
        assert await index.search(HERE, vectors[0], 0) == []


def test_closing_gives_up_a_build() -> None:
    vectors = units(30_000, 64)
    index = Index(graph_from=20_000)
    index.apply([Placed(HERE, f"clip_{n}", n + 1, vectors[n]) for n in range(30_000)])
    assert index._shards[HERE].building
    index.close()
    assert index._shards[HERE].view.base is None and not index._builds
    index.add(HERE, "clip_late", 40_000, vectors[4])  # orders no build
    assert index.search_now(HERE, vectors[3], 1)[0].clip_id == "clip_3"
