"""What trains the verifier where one thing decides: roles, a further main subject, one tag of a list, terse asks, weights to go on from."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from training.judge.near_pairs import Near, terse_and_long
from training.judge.near_words import NearWords
from training.judge.rewrite import Rewriter
from training.judge.roles import Roles
from training.judge.sources import Row
from training.judge.swapping import Swapping
from training.judge.tags import Tags
from training.judge.wordnet import Wordnet

LIST = "a knight under an oak, oil painting, by Imke Daal, red banners, " + ", ".join(f"{name} hills" for name in "abcdefghijklmnop")


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)


@pytest.fixture
def net() -> Wordnet:
    return Wordnet(counts={word: {"n": 9} for word in ("knight", "oak", "squire", "elm", "banner", "flag")})


@pytest.fixture
def near() -> NearWords:
    pairs = [("knight", "squire"), ("oak", "elm"), ("banner", "flag")]
    both = [*pairs, *[(other, one) for one, other in pairs]]
    return NearWords(sort={(one, "n"): 6 for one, _ in both}, near={(one, "n"): [other] for one, other in both})


def test_roles_are_the_same_in_every_form_and_wrong_the_other_way_round(rng: random.Random) -> None:
    roles = Roles(rng)
    seen = set()
    for _ in range(600):
        new, cached, label, kind = roles.drawn()
        seen.add((kind, label))
        if kind in {"roles_same", "roles_swapped"}:
            one, other = (re.sub(r"\W+", " ", text.lower()).split() for text in (new, cached))
            passive = [" by " in f" {' '.join(words)} " or "that" in words for words in (one, other)]
            assert label == (kind == "roles_same")
            if passive[0] == passive[1] and "there" not in {*one, *other} and " by the " not in f"{new} {cached}":
                assert (one[:2] == other[:2]) == bool(label), (new, cached)
    assert {label for _, label in seen} == {0, 1}
    assert {kind for kind, _ in seen} >= {"roles_same", "roles_swapped", "roles_exchanged", "sides_same", "sides_swapped"}


def test_a_further_main_subject_is_wrong_and_a_thing_is_not(rng: random.Random) -> None:
    found = {(kind, label) for _, _, label, kind in (Roles(rng).beside() for _ in range(300))}
    assert found == {("beside_further", 0), ("beside_lacking", 0), ("beside_thing", 1), ("beside_same", 1), ("beside_other", 0)}


def test_one_thing_in_a_long_list_is_another(rng: random.Random, net: Wordnet, near: NearWords) -> None:
    rewriter = Rewriter(net, [LIST], rng)
    tags, swapping = Tags(rewriter, [LIST, "a lake at dawn, photo, mist"], [], rng), Swapping(rewriter, near, rng)
    kinds = set()
    for _ in range(300):
        made = tags.one(swapping)
        if made is None:
            continue
        new, cached, label, kind = made
        kinds.add(kind)
        others = [any(word in side for word in ("squire", "elm", "flag")) for side in (new, cached)]
        assert label == (kind in {"tags_all", "tags_fewer"})
        assert any(others) == (kind == "tags_one")
    assert kinds == {"tags_one", "tags_all", "tags_fewer", "tags_added"}


def test_a_terse_ask_has_its_own_clip_and_no_other(rng: random.Random, net: Wordnet, near: NearWords) -> None:
    clip = "The camera glides over a wide meadow where a knight in dull armour rests under an oak " + "while clouds pass " * 8
    own = terse_and_long([Row("a knight under an oak", clip, 1, "expansion", "", False)], [])
    rewriter = Rewriter(net, [clip], rng)
    made = Near(rewriter, Swapping(rewriter, near, rng), [], [("an elm", clip, 0)], own, rng)
    kinds = set()
    for _ in range(200):
        example = made.terse()
        assert example is not None and example[1] == clip
        kinds.add((example[3], example[2]))
    assert kinds == {("terse_lacking", 0), ("terse_exchanged", 0), ("terse_own", 1)}
    assert made.second() is None


def test_the_words_that_ship_are_read_back(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from training.judge.shipped import words

    digits = np.arange(-8, 8, dtype=np.int8).repeat(48).reshape(2, 384)
    scale = np.linspace(0.1, 1, 24, dtype=np.float32).reshape(2, 12)
    low = (digits.reshape(-1, 2) & 15).astype(np.uint8)
    (tmp_path / "words.bin").write_bytes((low[:, 0] | (low[:, 1] << 4)).tobytes() + scale.tobytes())
    again, scales = words(tmp_path / "words.bin")
    assert np.array_equal(again, digits) and np.array_equal(scales, scale)
