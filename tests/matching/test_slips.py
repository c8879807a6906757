"""Misspelt words that the other prompt of the pair tells."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cache.matching.judge import by_rule
from cache.matching.reading.slips import mended
from cache.matching.reading.variants import in_one_spelling, told_alike
from cache.matching.reading.vocabulary import real
from cache.matching.rules.slots import read

WORDS = ("fjord", "octopus", "jewellery", "harbour", "violin", "penguin", "squirrel", "lantern", "gondola", "compass")


def _turned(word: str, at: int) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


@settings(deadline=None)  # the first call reads the list of words
@given(st.sampled_from(WORDS), st.integers(1, 8))
def test_letters_that_changed_places_are_put_right_by_the_other_prompt(word: str, at: int) -> None:
    slip = _turned(word, min(at, len(word) - 2))
    assume(not real(slip))  # "lantren" may be two words run together
    new, cached = mended(f"a film of a {slip} at dawn", f"a {word} at dawn, seen from above")
    assert (new, cached) == (f"a film of a {word} at dawn", f"a {word} at dawn, seen from above")
    assert mended(f"a {word} at dawn", f"a film of a {slip}") == (f"a {word} at dawn", f"a film of a {word}")


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_what_was_mended_once_stays_so(new: str, cached: str) -> None:
    once = mended(new, cached)
    assert mended(*once) == once


@pytest.mark.parametrize(
    ("new", "cached"),
    [
        ("a portrait of Jhon", "a portrait of the john"),  # a name
        ("a horse on the beach", "a house on the beach"),  # both are words
        ("a lamb doesn't move", "a lamb does not move, the doe moves"),
        ("a zorbik in the snow", "a zorbak in the snow"),  # neither is a word
        ("a crab on the sand", "a drab on the sand"),
        ("uma bola vermelha", "a red ball"),
    ],
)
def test_names_and_words_stay(new: str, cached: str) -> None:
    assert mended(new, cached) == (new, cached)


def test_a_slip_that_the_clip_has_right_is_no_name() -> None:
    assert by_rule("a viking longship in a fjrod", "a viking longship in a fjord") is None
    assert by_rule("a bowl of mlik", "a bowl of milk") is None
    assert by_rule("a bowl of mlik", "a bowl of soup") is not None


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("doin", "doing"), ("joustin", "jousting"), ("donw", "down"), ("freind", "friend"), ("wearng", "wearing"), ("infront", "in front"), ("they're", "they are")],
)  # fmt: skip
def test_slips_and_words_run_together_are_no_names(slip: str, meant: str) -> None:
    assert in_one_spelling(f"people {slip} here") == f"people {meant} here"
    assert not read(f"people {slip} here").of("name")


@pytest.mark.parametrize(
    "name", ["kefla", "gojo", "tanjiro", "miku", "ahri", "hange", "mucha", "nezuko", "zoro", "tron", "mika", "robin", "merlin", "luca"]
)
def test_what_may_be_a_name_stays(name: str) -> None:
    assert in_one_spelling(f"a picture of {name} here") == f"a picture of {name} here"


def test_a_name_in_lower_case_still_parts() -> None:
    assert by_rule("gojo fights on a roof", "a man fights on a roof") is not None
    assert by_rule("kefla on a stage", "a woman on a stage") is not None


@pytest.mark.parametrize(
    ("new", "cached", "alike"),
    [
        ("slo-mo of a plum", "a plum, slow-motion", ("slow motion of a plum", "a plum, slow motion")),
        ("a mill, aspect ratio 21:9", "a mill", ("a mill", "a mill")),
        ("a mill, aspect ratio 21:9", "a mill, 9:16 portrait", ("a mill, aspect ratio 21:9", "a mill, 9:16 portrait")),
        ('a sign "closup, slo-mo" in a metro train', "a subway car", ('a sign "closup, slo-mo" in a subway train', "a subway train")),
        ("特写 slo-mo", "a plum", ("特写 slo-mo", "a plum")),
    ],
)
def test_the_verifier_reads_one_spelling(new: str, cached: str, alike: tuple[str, str]) -> None:
    assert told_alike(new, cached) == alike
    assert told_alike(*alike) == alike
