"""The prior of an instance's own traffic is found from scores alone, and only ever makes the judge stricter."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.matching.calibration import FEATURES, Calibration, Entailment
from cache.matching.prior import FEWEST_SCORES, PRIOR_REACH, PRIOR_STEP, estimated, logit, moved_by, reweighed, share_of, stricter
from cache.matching.recalibration import in_force

SHIPPED = Calibration(
    "e", "v", 0.4, 0.5, -1.0, (1.0,) + (0.0,) * (len(FEATURES) - 1), ((0.0, 0.4), (0.5, 0.8), (0.9, 0.98), (1.0, 1.0)), "table-0"
)
SCORES = st.lists(st.floats(0, 1), max_size=400)


def simulated(prior: float, told_at: float, count: int, seed: int) -> list[float]:
    """Probabilities that a judge fitted at `told_at` tells on traffic whose prior is `prior`: right pairs score about +1.5 and wrong
    ones about -1.5, of spread one, so the score weighs three logits.
    """
    rng = random.Random(seed)
    scores = [rng.gauss(1.5 if rng.random() < prior else -1.5, 1) for _ in range(count)]
    return [share_of(3 * score + logit(told_at)) for score in scores]


@given(st.floats(0.03, 0.9), st.floats(0.3, 0.7), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_it_finds_the_share_that_is_there(prior: float, told_at: float, seed: int) -> None:
    found = estimated(simulated(prior, told_at, 3_000, seed), told_at)
    assert found == pytest.approx(prior, abs=0.04), "as far as 3,000 candidates say it"


@given(SCORES, st.floats(0.05, 0.95), st.floats(-PRIOR_REACH, 0))
@settings(deadline=None)
def test_no_scores_make_it_looser_than_shipped_or_move_it_far(own: list[float], prior: float, shift: float) -> None:
    after = stricter(shift, own, prior)
    assert -PRIOR_REACH <= after <= 0
    assert abs(after - shift) <= PRIOR_STEP + 1e-3
    if len(own) < FEWEST_SCORES:
        assert after == shift
    assert stricter(shift, own[::-1], prior) == pytest.approx(after), "the order of requests says nothing"


def test_few_scores_move_the_share_little() -> None:
    assert estimated([], 0.5) == 0.5
    assert estimated([0.0] * 5, 0.5) > 0.4
    assert estimated([0.0] * 5_000, 0.5) < 0.02


def test_steps_settle_where_the_traffic_is_and_come_back_with_it() -> None:
    shift = 0.0
    for seed in range(8):
        shift = stricter(shift, simulated(0.35, 0.5, 2_000, seed), 0.5)
    assert shift == pytest.approx(logit(0.35), abs=0.2)
    for seed in range(8):
        shift = stricter(shift, simulated(0.8, 0.5, 2_000, seed), 0.5)
    assert shift == 0.0, "traffic that is right more often than captions leaves the table as shipped"


@given(st.floats(-PRIOR_REACH, -0.01), st.floats(-5, 5))
@settings(deadline=None)
def test_a_stricter_prior_serves_less_and_tells_less(shift: float, word: float) -> None:
    table, said = reweighed(SHIPPED, shift), Entailment(word)
    before, after = (one.own("a dog", "a dog runs", 0.8, said) for one in (SHIPPED, table))
    assert after < before
    assert table.at_least_as_sure(after) <= SHIPPED.at_least_as_sure(before)
    assert moved_by([after], -shift)[0] == pytest.approx(before, abs=1e-6), "what was told can be told back"


def test_the_table_in_force_is_named_by_all_that_moved_it() -> None:
    versions = {in_force(SHIPPED, labels, traffic).version for labels, traffic in ((0, 0), (-0.25, 0), (0, -0.25), (-0.25, -0.25))}
    assert len(versions) == 4
    assert in_force(SHIPPED, 0.0, 0.0) is SHIPPED
    both = in_force(SHIPPED, 0.5, -0.5)
    assert both.bias == pytest.approx(SHIPPED.bias)
    assert both.prior == pytest.approx(share_of(-0.5))
