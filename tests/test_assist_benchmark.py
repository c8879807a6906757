"""The benchmark of assisted renders: its pairs differ in what they say, and its counts are paired. The renders are for a GPU."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from benchmarks.assist import KINDS, SIGMAS, Count, Tally, pairs, report, table
from cache.matching.donors.curves import Curve
from generator.demo.world import demo_knows
from tests.stage import RECIPE


def test_every_kind_has_pairs_and_only_a_take_has_the_same_words_twice() -> None:
    found = list(islice(pairs(1, KINDS), 70))
    assert Counter(pair.kind for pair in found) == dict.fromkeys(KINDS, 10)
    assert all(demo_knows(pair.prompt) and demo_knows(pair.donor) for pair in found)
    assert {pair.kind for pair in found if pair.prompt == pair.donor} <= {"take", "same"}
    assert all(pair.prompt == pair.donor for pair in found if pair.kind == "take")
    assert found == list(islice(pairs(1, KINDS), 70)), "a run can be made again"


def test_loss_is_paired_and_its_interval_narrows() -> None:
    few, many = Count(), Count()
    for _ in range(20):
        few.note(True, True)
    for at in range(2000):
        many.note(at % 50 != 0, at % 49 != 0)
    assert few.loss()[0] == 0
    assert few.loss()[2] > 0.02, "twenty pairs prove nothing"
    loss, low, high = many.loss()
    assert low < loss < high < 0.02
    assert (many.cold - many.right) / many.pairs == pytest.approx(loss)


def test_what_it_writes_is_a_table_that_ships() -> None:
    tally = Tally()
    for kind in KINDS:
        for sigma in SIGMAS:
            tally.counts[kind][sigma].note(True, sigma > 0.9)
    tally.seeds, tally.variety = [8.0], {sigma: [4.0] for sigma in SIGMAS}
    written = table(tally, RECIPE, "here")
    curves = written["curves"]
    assert isinstance(curves, dict)
    curve = Curve(tuple((float(at), int(right), int(of)) for at, right, of in curves["colour"]), 0.5)
    assert curve.points[0] == (1.0, 1, 1)
    assert curve.points[1][0] == 0.9643, "where the render really began, not what was asked for"
    assert curve.lost(0.9) > curve.lost(0.9643)
    assert "near, by the shipped table: 5 pairs, 18% of steps spared" in report(tally, RECIPE, "here")
