"""The benchmarks of the planner and of eviction, the same code on small seeded traces."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.eviction import CAPACITIES, MEGABYTE, POLICIES, Ask, compare, footprint, replay
from benchmarks.planner import compare as compare_plans
from benchmarks.planner import hits
from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders

THINGS = ("red ball", "blue square", "green star", "yellow triangle", "white cat", "brown dog", "old car", "small boat", "tall tree")
SAYINGS = ("a {} on green grass", "the {} on green grass", "a {} on the green grass", "A {} on green grass.", "a {} on some green grass")


def seeded_trace(count: int) -> list[str]:
    """Few things, said in several ways, the first of them most often, among much that is said once."""
    rng = random.Random(3)
    found = []
    for at in range(count):
        if rng.random() < 0.5:
            kind, place = rng.choice(("sketch", "photo", "clip")), rng.choice(("a street", "a river", "the sea"))
            found.append(f"{kind} number {at} of {place}")
        else:
            thing = THINGS[min(int(rng.expovariate(0.4)), len(THINGS) - 1)]
            found.append(rng.choice(SAYINGS).format(thing))
    return found


@pytest.fixture(scope="module")
def encoders() -> Iterator[Encoders]:
    opened = load_encoders("", "", Path(sys.prefix) / "share" / "reprise" / "encoders")
    yield opened
    opened.close()


def test_the_plan_beats_the_most_frequent_exact_prompts(encoders: Encoders) -> None:
    trace = seeded_trace(300)
    small, large = compare_plans(trace, [3, 8], encoders, half_life=10_000.0, pairs=500)
    assert (small.asks, small.pairs <= 500) == (150, True)
    for one in (small, large):
        assert one.ours > one.frequent
        assert one.ours <= one.asks
    assert large.ours >= small.ours
    assert large.expected > small.expected > 0


def test_hits_are_the_same_words_and_what_the_judge_accepts(encoders: Encoders) -> None:
    asked = ["A red ball.", "a red ball", "a blue ball", "a red ball"]
    assert hits(["a red ball"], asked, encoders) == 3
    assert hits([], asked, encoders) == 0


def evictions(count: int = 3000) -> list[Ask]:
    """Some clips come back within minutes, some for good; what they cost has nothing to do with how often they come."""
    rng = random.Random(4)
    costs = {at: rng.choice((5.0, 20.0, 80.0)) for at in range(count)}
    recent: list[int] = []
    asks = []
    for at in range(count):
        pick = rng.random()
        spec = rng.choice(recent[-5:]) if pick < 0.3 and recent else int(rng.paretovariate(0.7)) if pick < 0.6 else at
        spec %= count
        recent.append(spec)
        asks.append(Ask(at * 60.0, f"clip {spec}", costs[spec], MEGABYTE))
    return asks


def test_eviction_saves_more_than_its_rivals() -> None:
    asks = evictions()
    for share in CAPACITIES[1:]:  # in sixteen clips' room this trace, all bursts, is best kept by recency alone
        results = compare(asks, share)
        assert all(results["Reprise"].saved_share > results[rival].saved_share for rival in ("LRU", "LFU", "FIFO")), (share, results)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_cache_with_room_for_all_hits_all_that_comes_again(name: str) -> None:
    asks = evictions(500)
    result = replay(asks, footprint(asks) * 2, POLICIES[name], 0)
    assert result.hits == len(asks) - len({ask.spec for ask in asks})
    assert replay(asks, 0, POLICIES[name], 0).hits == 0
