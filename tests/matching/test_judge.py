"""The judge with its real verifier: pairs that must never be served, pairs that must, and what it promises in between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cache.matching.calibration import FEATURES, Calibration, Entailment
from cache.matching.encoding.encoders import Encoders
from cache.matching.judge import Refused, Served, before_verifier, judge
from cache.matching.judging import judge_rows

TABLE = Calibration(
    embedder="e",
    verifier="v",
    floor=0.4,
    prior=0.5,
    bias=0.0,
    weights=(1.0,) + (0.0,) * (len(FEATURES) - 1),
    kept=((0.0, 0.0), (0.9, 0.97), (1.0, 1.0)),
    version="t",
)

NEVER = [
    ("a tortoise carries a snail", "a snail carries a tortoise"),
    ("a potter throws a bowl in the sink", "a potter shapes a bowl on the wheel"),
    ("an owl on a fence post turns its head", "a hawk on a fence post turns its head"),
    ("a violinist plays in the subway", "a cellist plays in the subway"),
    ("a kayak drifts down a river in fog", "a kayak drifts down a river"),
    ("a blacksmith hammers a horseshoe, sparks flying, slow motion", "a blacksmith hammers a horseshoe"),
    ("a chess player moves a rook", "a chess player moves a bishop"),
    ("a beekeeper without a veil lifts a frame", "a beekeeper with a veil lifts a frame"),
    ("the drone flies over a vineyard", "a tractor drives through a vineyard"),
    ("seven lanterns rise over a lake", "four lanterns rise over a lake"),
]
ALWAYS = [
    ("A potter is shaping a bowl on the wheel.", "a potter shapes a bowl on the wheel"),
    ("a video of an owl on a fence post turning its head, 4k", "an owl on a fence post turns its head"),
    ("In the subway, a violinist plays.", "a violinist plays in the subway"),
    ("a kayak drifts down a river", "a kayak drifts down a river in fog"),
    ("a snail is carried by a tortoise", "a tortoise carries a snail"),
    ("an animal sleeps under a table", "a dog sleeps under a wooden table"),
]


def _rows(pairs: list[tuple[str, str]], models: Path, max_wrong: float = 0.02) -> list[dict[str, object]]:
    lines = [json.dumps({"new": new, "cached": cached}) for new, cached in pairs]
    return [json.loads(row) for row in judge_rows(lines, "", "", models, max_wrong)]


def test_pairs_that_look_alike_are_refused_with_a_reason(models: Path) -> None:
    for pair, row in zip(NEVER, _rows(NEVER, models), strict=True):
        assert row["served"] is False, pair
        assert row["reason"], pair


def test_other_words_for_the_same_film_are_served(models: Path) -> None:
    for pair, row in zip(ALWAYS, _rows(ALWAYS, models), strict=True):
        assert row["served"] is True, (pair, row)
        assert float(str(row["confidence"])) >= 0.98


def test_a_stricter_bound_serves_no_more(models: Path) -> None:
    pairs = NEVER + ALWAYS
    loose, strict = (sum(bool(row["served"]) for row in _rows(pairs, models, bound)) for bound in (0.2, 0.001))
    assert strict <= loose


def test_rows_keep_their_place_and_a_bad_row_says_why(models: Path) -> None:
    lines: list[str | bytes] = [
        '{"new": "a hen", "cached": "A hen."}',
        "not json",
        "",
        "[1, 2]",
        '{"new": "a hen"}',
        '{"new": "a hen", "cached": 3}',
        '{"new": " ", "cached": "a hen"}',
        '{"new": "a\\u0000", "cached": "a hen"}',
        '{"new": "a\\ud800", "cached": "a hen"}',
        b"\xff\xfe",
        '{"new": "一只猫", "cached": "一只狗"}',
        '{"new": "ein Huhn und der Hund", "cached": "ein Huhn und die Katze"}',
        '{"new": "a hen sleeps", "cached": "a hen is sleeping", "note": "kept out"}',
    ]
    rows = [json.loads(row) for row in judge_rows(lines, "", "", models, 0.02)]
    assert len(rows) == len(lines)
    assert rows[0] == {"served": True, "confidence": 1.0, "similarity": 1.0, "reason": "the same words"}
    for row in rows[1:10]:
        assert row["served"] is False
        assert row["error"]
        assert set(row) == {"served", "error"}
    assert rows[10]["served"] is False
    assert "exact only" in rows[10]["reason"]
    assert rows[11]["reason"] == "language: the judge reads English only"
    assert set(rows[12]) == {"served", "confidence", "similarity", "reason"}
    assert rows[12]["served"] is True


def test_too_long_for_the_verifier_is_not_cut(encoders: Encoders, models: Path) -> None:
    long = " ".join(f"a hen walks past house number {number}" for number in range(20))
    (row,) = _rows([(long, long + " slowly")], models)
    assert row["served"] is False
    assert "window" in str(row["reason"])


def test_without_a_table_nothing_near_is_served() -> None:
    off = Refused("near hits are off: no table for this encoder and verifier", 0.0)
    assert before_verifier("a hen", "the hen", 0.99, None) == off
    assert isinstance(judge("a hen", "the hen", 0.99, Entailment(9.0), None, 0.5), Refused)
    assert isinstance(judge("a hen", "the hen", 0.99, None, TABLE, 0.5), Refused)


def test_a_surer_pair_is_never_promised_less() -> None:
    promised = [TABLE.at_least_as_sure(own / 100) for own in range(101)]
    assert promised == sorted(promised)
    assert promised[0] == 0.0
    assert promised[100] == 1.0
    assert TABLE.at_least_as_sure(0.95) == pytest.approx(0.985)


def test_slots_go_first_and_the_bar_is_the_probability() -> None:
    assert judge("two hens", "three hens", 0.99, Entailment(40.0), TABLE, 0.5) == Refused("count of *hens*: two / three", 0.0)
    far = judge("a hen sleeps", "a hen is sleeping", 0.3, Entailment(40.0), TABLE, 0.5)
    assert far == Refused("similarity 0.30 is under 0.40", 0.0)
    served = judge("a hen sleeps", "a hen is sleeping", 0.9, Entailment(5.0), TABLE, 0.02)
    assert isinstance(served, Served)
    assert served.confidence == pytest.approx(0.998, abs=1e-3)
    refused = judge("a hen sleeps", "a hen is sleeping", 0.9, Entailment(2.0), TABLE, 0.02)
    assert isinstance(refused, Refused)
    assert refused.reason == "not sure enough: 0.881"
