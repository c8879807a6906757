"""What is chosen to be made, and to go: the pure rules, against brute force and their own invariants."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from math import e

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.eviction import HIGH, LOW, ClipValue, choose_evicted, surplus, weight
from cache.matching.coverage import nominate
from cache.matching.popular import Bounds, Outlook, WantedSpec, propose
from cache.planning import Asks, Option, Repeats, choose_prompts, decayed, expected_hits

FILMS = "abcdefg"
DAY = 86_400.0

specs = st.sampled_from(FILMS)
worths = st.dictionaries(specs, st.floats(0, 100), min_size=1)
covers = st.dictionaries(specs, st.frozensets(specs, max_size=4), min_size=1, max_size=6)


def same_cost(answered: dict[str, frozenset[str]]) -> dict[str, Option]:
    return {key: Option(others | {key}, 2.0) for key, others in answered.items()}


def total(options: dict[str, Option], keys: tuple[str, ...], worth: dict[str, float]) -> float:
    return sum(worth.get(spec, 0.0) for spec in frozenset[str]().union(*(options[key].covers for key in keys)))


# Coverage


@given(covers, worths, st.integers(0, 4))
def test_greedy_comes_near_the_best_set(answered: dict[str, frozenset[str]], worth: dict[str, float], most: int) -> None:
    options = same_cost(answered)
    chosen = choose_prompts(options, worth, most)
    best = max(total(options, keys, worth) for size in range(most + 1) for keys in combinations(options, min(size, len(options))))
    found = sum(one.gain for one in chosen)
    assert len(chosen) <= most
    assert len({one.key for one in chosen}) == len(chosen)
    assert found == pytest.approx(total(options, tuple(one.key for one in chosen), worth))
    assert found >= (1 - 1 / e) * best - 1e-6
    assert found <= best + 1e-6


@given(covers, worths)
def test_every_gain_is_at_most_the_one_before_and_a_bigger_budget_only_adds(
    answered: dict[str, frozenset[str]], worth: dict[str, float]
) -> None:
    options = same_cost(answered)
    plans = [choose_prompts(options, worth, most) for most in range(len(options) + 1)]
    gains = [one.gain for one in plans[-1]]
    assert gains == sorted(gains, reverse=True)
    assert all(gain > 0 for gain in gains)
    for smaller, larger in pairwise(plans):
        assert larger[: len(smaller)] == smaller
    seen: set[str] = set()
    for one in plans[-1]:
        assert not seen & set(one.covers), "what is covered counts once"
        seen |= set(one.covers)


@given(covers, worths, st.lists(st.floats(0.1, 50), min_size=6, max_size=6), st.floats(0.1, 80))
def test_the_gpu_seconds_are_kept_to(
    answered: dict[str, frozenset[str]], worth: dict[str, float], costs: list[float], gpu_seconds: float
) -> None:
    options = {key: Option(others | {key}, cost) for (key, others), cost in zip(answered.items(), costs, strict=False)}
    chosen = choose_prompts(options, worth, 10, gpu_seconds)
    assert sum(one.gpu_seconds for one in chosen) <= gpu_seconds + 1e-6
    sets = (keys for size in range(len(options) + 1) for keys in combinations(options, size))
    fitting = [keys for keys in sets if sum(options[key].gpu_seconds for key in keys) <= gpu_seconds]
    best = max(total(options, keys, worth) for keys in fitting)
    assert sum(one.gain for one in chosen) >= (1 - 1 / e) / 2 * best - 1e-6


def test_two_that_answer_the_same_are_not_both_made() -> None:
    options = {"a": Option(frozenset("abc"), 1.0), "b": Option(frozenset("abc"), 1.0), "d": Option(frozenset("d"), 1.0)}
    chosen = choose_prompts(options, {"a": 5, "b": 5, "c": 5, "d": 1}, 3)
    assert [(one.key, one.gain) for one in chosen] == [("a", 15), ("d", 1)]
    assert chosen[0].covers == ("a", "b", "c")


def test_of_equal_gains_the_cheaper_comes_first() -> None:
    options = {"a": Option(frozenset("a"), 10.0), "b": Option(frozenset("b"), 1.0)}
    assert [one.key for one in choose_prompts(options, {"a": 5, "b": 5}, 2)] == ["b", "a"]
    assert [one.key for one in choose_prompts(options, {"a": 50, "b": 1}, 2, gpu_seconds=10.5)] == ["a"], "one big one may beat the small"


# What is expected


@given(st.lists(st.tuples(st.floats(0, 100 * DAY), st.integers(1, 50)), max_size=8), st.floats(60, 30 * DAY), st.floats(0, 30 * DAY))
def test_asks_decay(asks: list[tuple[float, int]], half_life: float, later: float) -> None:
    seen, now = [Asks(at, count) for at, count in asks], 100 * DAY
    before, after = decayed(seen, now, half_life), decayed(seen, now + later, half_life)
    assert after == pytest.approx(before * 0.5 ** (later / half_life), rel=1e-6, abs=1e-9)
    assert 0 <= after <= before <= sum(count for _, count in asks) + 1e-9


@given(st.floats(1, 40), st.floats(0.5, 20))
def test_a_steady_rate_is_foreseen(an_hour: float, days: float) -> None:
    hours = int(days * 24)
    now = hours * 3600.0
    asks = [Asks(hour * 3600.0 + 1800.0, 1) for hour in range(hours)]
    scaled = [Asks(one.at, round(an_hour)) for one in asks]
    foreseen = expected_hits(scaled, now, 3 * DAY, now, DAY)
    assert foreseen == pytest.approx(24 * round(an_hour), rel=0.05)


def test_most_of_what_was_asked_once_does_not_come_again() -> None:
    repeats = Repeats.of([1] * 900 + [2] * 50 + [7] * 10)
    assert repeats.share(1) < 0.2
    assert repeats.share(7) == 1.0
    assert Repeats.of([]).share(1) == 1.0


@given(st.lists(st.integers(1, 9), max_size=200))
def test_a_share_never_falls_with_the_count(counts: list[int]) -> None:
    shares = [Repeats.of(counts).share(count) for count in range(1, 10)]
    assert shares == sorted(shares)
    assert all(0 < share <= 1 for share in shares)


def test_without_encoders_only_the_same_words_count() -> None:
    wanted = [WantedSpec("often", "a red ball", (Asks(90.0, 5),), 1.0), WantedSpec("once", "a blue ball", (Asks(95.0, 1),), 1.0)]
    proposed = propose(wanted, None, 0.02, Outlook(100.0, 100.0, 100.0, 100.0), Bounds(1))
    assert [one.wanted.key for one in proposed.proposals] == ["often"]
    assert proposed.proposals[0].covers == ()
    assert (proposed.specs, proposed.pairs) == (2, 0)


@given(st.integers(2, 20), st.integers(1, 5), st.integers(0, 30))
def test_nominations_are_bounded_and_never_of_itself(count: int, nearest: int, most: int) -> None:
    vectors = np.random.default_rng(count).normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = nominate(vectors, [1.0] * count, nearest, most)
    assert len(found) <= min(most, nearest * count)
    assert all(one.by != one.of for one in found)
    assert len({(one.by, one.of) for one in found}) == len(found)


# Eviction

standing = st.builds(ClipValue, st.uuids().map(str), st.floats(0, 100), st.floats(0, 100), st.integers(1, 10**6))
standings = st.lists(standing, max_size=12, unique_by=lambda one: one.clip_id)


@given(standings, st.integers(0, 5 * 10**6))
def test_the_least_valuable_go_and_no_more_than_needed(found: list[ClipValue], to_free: int) -> None:
    gone = choose_evicted(found, to_free)
    freed = sum(one.length for one in gone)
    assert len({one.clip_id for one in gone}) == len(gone)
    assert freed >= to_free or len(gone) == len(found)
    assert not gone or freed - gone[-1].length < to_free
    left = [one for one in found if one not in gone]
    assert all(one.value <= other.value for one in gone for other in left)


@given(standings, st.data())
def test_what_takes_over_stays(found: list[ClipValue], data: st.DataObject) -> None:
    names = [one.clip_id for one in found]
    covered = []
    for one in found:
        others = [None, *[name for name in names if name != one.clip_id]]
        covered.append(replace(one, covered_by=data.draw(st.sampled_from(others))))
    gone = choose_evicted(covered, data.draw(st.integers(0, 10**7)))
    duplicates = {one.clip_id for one in gone}
    order = {one.clip_id: at for at, one in enumerate(gone)}
    for one in gone:
        # Its place is taken by one that stays, or by one that had gone before it, and then it went as a lone clip.
        assert one.covered_by is None or one.covered_by not in duplicates or order[one.covered_by] < order[one.clip_id]


def test_near_duplicates_go_before_lone_clips() -> None:
    lone = ClipValue("lone", 0.1, 1.0, 100)
    twin = ClipValue("twin", 9.0, 1.0, 100, covered_by="other")
    other = ClipValue("other", 5.0, 1.0, 100, covered_by="twin")
    assert [one.clip_id for one in choose_evicted([lone, twin, other], 100)] == ["other"]
    assert [one.clip_id for one in choose_evicted([lone, twin, other], 200)] == ["other", "lone"], "one of the two stays"


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_the_marks(used: int, capacity: int) -> None:
    to_free = surplus(used, capacity)
    assert to_free == 0 if used <= HIGH * capacity else used - to_free <= LOW * capacity
    assert to_free >= 0


@given(st.floats(-1e6, 1e9), st.floats(0, 1e9))
def test_an_ask_counts_ever_less_and_never_nothing(age: float, older: float) -> None:
    assert 1.0 >= weight(age) >= weight(age + older) > 0
    assert weight(0.0) == 1.0
    assert weight(600.0) == 0.5
