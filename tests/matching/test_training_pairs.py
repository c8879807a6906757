"""What trains the verifier is labelled by rule or by hand: the rules are held to their words here, the hand to its form."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from training.judge.groups import drawn, groups
from training.judge.near_words import near_words
from training.judge.rewrite import Rewriter
from training.judge.swapping import Swapping
from training.judge.wordnet import Wordnet

# WordNet's own form: offset, lexicographer file (6: artifacts), part of speech, words, pointers.
NOUNS = """\
  1 a licence
00000001 06 n 01 device 0 000 | what is made for a purpose
00000002 06 n 01 woodwind 0 001 @ 00000001 n 0000 | blown
00000003 06 n 02 flute 0 transverse_flute 0 001 @ 00000002 n 0000 | held sideways
00000004 06 n 01 clarinet 0 001 @ 00000002 n 0000 | has a reed
00000005 06 n 01 piccolo 0 001 @ 00000003 n 0000 | a small flute
00000006 06 n 01 Amati 0 001 @ 00000002 n 0000 | a maker's
"""
INDEX = """\
device n 1 0 1 1 00000001
woodwind n 1 1 @ 1 1 00000002
flute n 1 1 @ 1 1 00000003
clarinet n 1 1 @ 1 1 00000004
piccolo n 1 1 @ 1 1 00000005
amati n 1 1 @ 1 0 00000006
"""


@pytest.fixture
def net() -> Wordnet:
    return Wordnet(counts={word: {"n": 9} for word in ("device", "woodwind", "flute", "clarinet", "piccolo")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data.noun").write_text(NOUNS)
    (tmp_path / "index.noun").write_text(INDEX)
    for name in ("data.verb", "index.verb"):
        (tmp_path / name).write_text("")
    return tmp_path


def alike(words: list[str]) -> np.ndarray:
    """All at a cosine of 0.6 to each other."""
    return np.linalg.cholesky(np.full((len(words), len(words)), 0.6) + 0.4 * np.eye(len(words))).astype(np.float32)


def test_near_words_are_other_things(folder: Path, net: Wordnet) -> None:
    near = near_words(net, alike, len, folder)
    assert not near.near  # of too many pieces
    near = near_words(net, alike, lambda _: 1, folder)
    assert near.near[("flute", "n")] == ["clarinet"]
    assert sorted(near.near[("clarinet", "n")]) == ["flute", "piccolo"]
    assert ("device", "n") not in near.near
    assert near.wider["piccolo"] == ["device", "flute", "woodwind"]
    assert ("amati", "n") not in near.sort
    assert Counter(near.words[(6, "n")])["flute"] == 4


def test_a_word_in_anothers_place_is_wrong_and_a_wider_one_is_not(folder: Path, net: Wordnet) -> None:
    near = near_words(net, alike, lambda _: 1, folder)
    text = "A girl plays the flute at a window"
    rng = random.Random(3)
    swapping = Swapping(Rewriter(net, [text], rng), near, rng)
    kinds: Counter[str] = Counter()
    for _ in range(400):
        swapped = swapping.swapped(text)
        assert swapped is not None
        new, cached, label, kind = swapped
        words = [
            {word for word in ("device", "woodwind", "flute", "clarinet", "piccolo") if word in side.lower()} for side in (new, cached)
        ]
        kinds[kind] += 1
        if not all(words):
            continue  # a letter was mistyped
        (asked,), (shown,) = words
        wider = {"device": 4, "woodwind": 3, "flute": 2, "clarinet": 1, "piccolo": 1}
        if kind == "near_word":
            assert label == 0 and (asked != shown)
        elif kind == "same_word":
            assert label == 1 and asked == shown
        else:
            assert label == (wider[asked] > wider[shown])
    assert set(kinds) == {"near_word", "same_word", "wider_word", "narrower_word"}
    assert swapping.swapped("A girl plays without a flute") is None
    assert swapping.swapped("it rains") is None


def test_written_groups_are_whole_and_divided() -> None:
    every = list(groups())
    assert len({group["base"].lower() for group, _ in every}) == len(every) > 4000
    for group, _ in every:
        sentences = [group["base"], *group["same"], *group["less"], *group["more"], *group["wrong"]]
        assert len({sentence.lower().strip(" .") for sentence in sentences}) == len(sentences), group["base"]
        assert len(group["same"]) >= 2 and len(group["wrong"]) >= 3 and group["less"] and group["more"]
    assert 0.18 < np.mean([held for _, held in every]) < 0.22


def test_labels_follow_from_the_group() -> None:
    rng = random.Random(1)
    group = next(groups())[0]
    alike = {group["base"], *group["same"]}
    kinds = set()
    for _ in range(300):
        new, cached, label, kind = drawn(group, rng)
        kinds.add(kind)
        satisfied = new in alike | {*group["less"]} and cached in alike | {*group["more"]}
        assert new != cached and label == satisfied, kind
    assert len(kinds) == 6
