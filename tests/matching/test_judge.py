"""The judge with its real verifier: pairs that must never be served, pairs that must, and what it promises in between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.matching.calibration import FEATURES, Calibration, Entailment
from cache.matching.encoding.encoders import Encoders
from cache.matching.judge import Accepted, Rejected, before_verifier, judge
from cache.matching.judging import judge_rows
from cache.matching.rules.unsaid import missed, word_needed

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


@pytest.mark.parametrize(
    ("new", "cached", "word", "served"),
    [
        ("space marine", "a surreal alien in the sea", 3.3, False),
        ("space marine", "a surreal alien in the sea", 3.5, True),
        ("space marine", "a space marine in the sea", 0.8, True),
        ("a marine on the sea", "a sailor on the sea", 2.7, False),
        ("a tired old sailor mends a torn fishing net on deck", "an aged seaman repairs his nets aboard", 0.8, True),
        ("a rainy street", "rain on a street", 0.8, True),
        ("a person on a street", "a cyclist on a street", 0.8, True),
        ("human feet", "feet of a crow", 2.7, False),
        ("太空战士", "海里的外星人", 0.8, True),
    ],
)
def test_a_terse_ask_that_lacks_half_its_words_needs_a_plain_yes(new: str, cached: str, word: float, served: bool) -> None:
    """In other words a longer ask may say the same; a wide word, and another form of a word, is not missed."""
    answer = judge(new, cached, 0.9, Entailment(word), TABLE, 1.0)
    assert isinstance(answer, Accepted) == served, answer
    if isinstance(answer, Rejected):
        assert answer.reason.startswith("not said: ")


@given(st.permutations(["falcon", "lantern", "glacier", "violin", "meadow", "harbor"]), st.integers(1, 6), st.floats(0.5, 1.0))
def test_more_that_is_lacking_or_less_alike_never_helps(things: list[str], asked: int, similarity: float) -> None:
    ask = " ".join(things[:asked])
    needed = [word_needed(ask, " ".join(["river", *things[lacking:asked]]), similarity) or 0.0 for lacking in range(asked + 1)]
    assert needed == sorted(needed)
    assert needed[0] == 0.0
    for lacking in range(1, asked + 1):
        clip = " ".join(["river", *things[lacking:asked]])
        assert (word_needed(ask, clip, similarity - 0.1) or 0.0) >= (word_needed(ask, clip, similarity) or 0.0)
    assert asked <= 5 or not any(needed), "a long ask says the same in other words"


def test_the_nearer_two_prompts_are_the_less_the_verifier_must_say(encoders: Encoders) -> None:
    assert encoders.calibration is not None
    needed = [encoders.calibration.least_word(near / 100) for near in range(101)]
    assert needed == sorted(needed, reverse=True)
    assert (needed[0], needed[-1]) == (encoders.calibration.least[0][1], encoders.calibration.least[-1][1])


def test_far_pairs_in_chinese_need_a_plain_yes_and_pass_every_rule(encoders: Encoders) -> None:
    table = encoders.calibration
    far = "一台红色机甲从云层中坠下"
    answers = {word: judge("机甲从天而降", far, 0.4, Entailment(word), table, 0.02) for word in (3.0, 3.6)}
    assert isinstance(answers[3.0], Rejected)
    assert isinstance(answers[3.6], Accepted)
    assert isinstance(judge("机甲从天而降", far, 0.5, Entailment(3.0), table, 0.02), Accepted)
    assert judge("机甲从天而降", far, 0.34, Entailment(9.0), table, 0.02) == Rejected("similarity 0.34 is under 0.35", 0.0)
    assert judge("一只猫", "一只狗", 0.4, Entailment(9.0), table, 0.02) == Rejected("animal: 猫 / 狗", 0.0)
    across = judge("a falling robot", far, 0.6, Entailment(9.0), table, 0.02)
    assert across == Rejected("similarity 0.60 is under 0.65", 0.0)
    assert judge("two hens", "three hens", 0.4, Entailment(9.0), table, 0.02) == Rejected("similarity 0.40 is under 0.55", 0.0)


def _rows(pairs: list[tuple[str, str]], models: Path, max_wrong: float = 0.02) -> list[dict[str, object]]:
    lines = [json.dumps({"new": new, "cached": cached}) for new, cached in pairs]
    return [json.loads(row) for row in judge_rows(lines, "", "", models, max_wrong)]


def test_pairs_that_look_alike_are_refused_with_a_reason(models: Path) -> None:
    for pair, row in zip(NEVER, _rows(NEVER, models), strict=True):
        assert row["served"] is False, pair
        assert row["reason"], pair


def test_other_words_for_the_same_spec_are_served(models: Path) -> None:
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
    assert rows[10]["reason"] == "animal: 猫 / 狗"
    assert rows[11]["reason"] == "language: the judge reads English and Chinese only"
    assert set(rows[12]) == {"served", "confidence", "similarity", "reason"}
    assert rows[12]["served"] is True


def test_too_long_for_the_verifier_is_not_cut(encoders: Encoders, models: Path) -> None:
    long = " ".join(f"a hen walks past house number {number}" for number in range(50))
    (row,) = _rows([(long, long + " slowly")], models)
    assert row["served"] is False
    assert "window" in str(row["reason"])


def test_without_a_table_nothing_near_is_served() -> None:
    off = Rejected("near hits are off: no table for this encoder and verifier", 0.0)
    assert before_verifier("a hen", "the hen", 0.99, None) == off
    assert isinstance(judge("a hen", "the hen", 0.99, Entailment(9.0), None, 0.5), Rejected)
    assert isinstance(judge("a hen", "the hen", 0.99, None, TABLE, 0.5), Rejected)


def test_a_surer_pair_is_never_promised_less() -> None:
    promised = [TABLE.at_least_as_sure(own / 100) for own in range(101)]
    assert promised == sorted(promised)
    assert promised[0] == 0.0
    assert promised[100] == 1.0
    assert TABLE.at_least_as_sure(0.95) == pytest.approx(0.985)


def test_slots_go_first_and_the_bar_is_the_probability() -> None:
    assert judge("two hens", "three hens", 0.99, Entailment(40.0), TABLE, 0.5) == Rejected("count of *hens*: two / three", 0.0)
    far = judge("a hen sleeps", "a hen is sleeping", 0.3, Entailment(40.0), TABLE, 0.5)
    assert far == Rejected("similarity 0.30 is under 0.40", 0.0)
    served = judge("a hen sleeps", "a hen is sleeping", 0.9, Entailment(5.0), TABLE, 0.02)
    assert isinstance(served, Accepted)
    assert served.confidence == pytest.approx(0.998, abs=1e-3)
    refused = judge("a hen sleeps", "a hen is sleeping", 0.9, Entailment(2.0), TABLE, 0.02)
    assert isinstance(refused, Rejected)
    assert refused.reason == "not sure enough: 0.881"


def test_nothing_is_served_against_the_verifier(encoders: Encoders) -> None:
    shipped = encoders.calibration
    assert shipped is not None and shipped.chinese is not None
    for new, cached, table in (("a hen sleeps", "a hen is sleeping", shipped), ("一只母鸡在睡觉", "母鸡睡着了", shipped.chinese)):
        assert min(word for _, word in table.least) >= 0.0, "nothing may outvote a verifier that says no"
        refused = judge(new, cached, 1.0, Entailment(table.least_word(1.0) - 0.01), shipped, 1.0)
        assert isinstance(refused, Rejected)
        assert refused.reason.startswith("the verifier says no")
        own = [table.own(new, cached, 0.9, Entailment(word / 4)) for word in range(-24, 25)]
        assert own == sorted(own)
        own = [table.own(new, cached, similarity / 50, Entailment(1.0)) for similarity in range(51)]
        assert own == sorted(own)


def test_across_the_languages_two_prompts_must_be_nearer(encoders: Encoders) -> None:
    shipped, sure = encoders.calibration, Entailment(6.0)
    assert shipped is not None and shipped.chinese is not None
    assert shipped.chinese.between > max(shipped.floor, shipped.chinese.floor)
    below = shipped.chinese.between - 0.01
    for new, cached in (("一只鸟", "a bird"), ("a bird", "一只鸟")):
        assert isinstance(judge(new, cached, shipped.chinese.between, sure, shipped, 0.02), Accepted)
        assert judge(new, cached, below, sure, shipped, 0.02) == Rejected("similarity 0.64 is under 0.65", 0.0)
    for new, cached in (("一只鸟", "一只小鸟"), ("a bird", "a small bird")):
        assert isinstance(judge(new, cached, below, sure, shipped, 0.02), Accepted)


def test_the_two_languages_meet(models: Path) -> None:
    pairs = [("一只红色的球在草地上滚动", "a red ball rolls over the grass"), ("a dog sleeps on the sofa", "一只狗在沙发上睡觉")]
    wrong = [("一只蓝色的球在草地上滚动", "a red ball rolls over the grass"), ("两只猫在窗台上打架", "一只猫在窗台上睡觉")]
    assert all(row["served"] for row in _rows(pairs, models))
    assert not any(row["served"] for row in _rows(wrong, models))


NARROWER = [
    ("a foggy harbour", "a harbour in fog"),
    ("men in the sun", "men outdoors on a sunny day"), ("a boat on a loch", "a rowboat on a loch"), ("evening over a village", "dusk over a village"),
    ("a plane lands", "a Boeing 747 lands"), ("a busking violinist", "a street musician, a violinist"), ("a whale jumping out of the sea", "a humpback whale breaches"),
    ("a lion walks", "a lion pads across the savanna"), ("a man walks", "a man trudges through snow"), ("a tree house in rain", "a treehouse in rain"),
    ("kids on a swing", "little boys on a swing"), ("an elderly person", "an old man on a bench"), ("slo-mo of a plum", "a plum in slow motion"),
    ("a plum, tracking shot", "the camera follows a plum"), ("a wave, ukiyo-e", "a wave, Japanese woodblock print"),
]  # fmt: skip


@pytest.mark.parametrize(("new", "cached"), NARROWER)
def test_a_narrower_word_shows_what_is_asked_for(new: str, cached: str) -> None:
    assert missed(new, cached) == ()


@pytest.mark.parametrize(
    ("new", "cached"),
    [
        ("a rowboat on a loch", "a boat on a loch"), ("a lion prowls", "a lion walks"), ("toddlers on a swing", "kids on a swing"),
        ("a house on a rock", "a lighthouse on a rock"), ("a room in a forest", "a mushroom in a forest"), ("a plane lands", "a bird lands"),
    ],
)  # fmt: skip
def test_a_wider_or_another_word_does_not(new: str, cached: str) -> None:
    assert missed(new, cached) != ()
