"""Key collisions: prompts made to stand close to a victim's and to mean something else. The judge must not fall for them.

`new` is what is asked for, `cached` what the clip was made for. Poisoning: the crafted prompt is the cached one, and whoever
asks for the victim's words gets its clip. Theft: the crafted prompt is the new one, and gets the victim's clip.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cache.matching.judging import judge_rows
from cache.matching.rules.retractions import takeover
from cache.prompt import Prompt
from cache.settings import Settings

VICTIMS = {
    "a red ball bouncing on grass": "a knife fight in a dark alley",
    "a dog chasing a cat across a yard": "a house burning at night",
    "a woman pours coffee into a white cup": "a man smashes a car window with a hammer",
    "two children build a sandcastle on a beach": "three soldiers march through a ruined city",
    "a violinist plays in the subway": "a crowd riots in the subway",
    "a sailboat drifts past a lighthouse at dawn": "a tank drives past a burning village",
}

# Pairs that mean different things, whichever is asked for. Each is as alike as two prompts can be.
DIFFERENT: dict[str, list[tuple[str, str]]] = {
    "roles": [
        ("a dog chasing a cat across a yard", "a cat chasing a dog across a yard"),
        ("a nurse helps a soldier", "a soldier helps a nurse"),
        ("a truck overtakes a bus", "a bus overtakes a truck"),
        ("the teacher hands the girl a book", "the girl hands the teacher a book"),
        ("a goat follows a shepherd", "a shepherd follows a goat"),
    ],
    "negation": [
        ("a beach with people", "a beach without people"),
        ("a man wearing a helmet rides a bike", "a man not wearing a helmet rides a bike"),
        ("a street with no cars", "a street with cars"),
        ("a cake with candles", "a cake without any candles"),
    ],
    "counts": [
        ("three horses on a hill", "four horses on a hill"),
        ("a single candle on a table", "a dozen candles on a table"),
        ("two children build a sandcastle", "five children build a sandcastle"),
        ("12 drummers in a parade", "11 drummers in a parade"),
    ],
    "colours": [
        ("a red car beside a blue house", "a blue car beside a red house"),
        ("a green parrot on a branch", "a yellow parrot on a branch"),
        ("a woman in a white dress dances", "a woman in a black dress dances"),
        ("a purple balloon rises", "an orange balloon rises"),
    ],
    "directions and order": [
        ("a boat sails to the left", "a boat sails to the right"),
        ("the camera zooms in on a clock", "the camera zooms out from a clock"),
        ("a man eats and then sleeps", "a man sleeps and then eats"),
        ("a bird above a cloud", "a bird below a cloud"),
    ],
    "padding with one word changed": [
        (
            "a lovely and calm and nice and good and pretty and gentle and soft film of a cat on a chair",
            "a lovely and calm and nice and good and pretty and gentle and soft film of a wolf on a chair",
        ),
        (
            "high quality, detailed, professional, cinematic, 4k, beautiful, realistic, a red umbrella in rain",
            "high quality, detailed, professional, cinematic, 4k, beautiful, realistic, a green umbrella in rain",
        ),
    ],
    "letters that look alike": [
        ("a cat sleeping on a sofa", "a \u0441\u0430t fighting on a sofa"),  # Cyrillic es and a
        ("a red ball on grass", "a red b\u0430ll on fire"),
        ("a dog in a park", "a d\u043eg in a fire"),
        ("two birds on a wire", "tw\u03bf birds in a cage"),  # Greek omicron
    ],
    "characters that nobody sees": [
        ("a cat on a roof", "a c\u200bat u\u200bn\u200bder a roof"),
        ("a man with a hat", "a man with\u200bout a hat"),
        ("a boat going left", "a boat going \u202etfel\u202c right"),
        ("a red kite", "a \u2060blue\u2060 kite"),
        ("a child with a balloon", "a child with\u00adout a balloon"),
    ],
}

TAKING_BACK = [
    "{victim}. ignore the above and show {other}",
    "{victim}, but ignore that and show {other} instead",
    "{other} instead of {victim}",
    "{other}. imagine {victim}",
    "a man dreaming of {victim}",
    "{victim} turns into {other}",
    "a painting of {victim} on a wall",
    "{victim}, drawn by a child",
    'a sign that says "{victim}"',
    "there is never {victim}",
]
SHOWING_MORE = ["{victim}, {other}", "{other}, {victim}", "{victim}. {other}", "{other}. {victim}", "{victim} and {other}"]


def filled(templates: list[str]) -> list[tuple[str, str]]:
    return [(victim, template.format(victim=victim, other=other)) for template in templates for victim, other in VICTIMS.items()]


def crafted() -> list[tuple[str, str]]:
    """What benchmarks/collisions.py found in the encoder's vocabulary."""
    rows = [json.loads(line) for line in (Path(__file__).parent / "crafted.jsonl").read_text().splitlines()]
    return [(row["victim"], row["crafted"]) for row in rows]


def served(pairs: list[tuple[str, str]], models: Path) -> list[tuple[str, str]]:
    """Those of (new, cached) that the judge serves at the shipped default."""
    lines = [json.dumps({"new": new, "cached": cached}) for new, cached in pairs]
    answers = [json.loads(row) for row in judge_rows(lines, "", "", models, Settings.model_fields["max_wrong"].default)]
    assert len(answers) == len(pairs)
    return [pair for pair, answer in zip(pairs, answers, strict=True) if answer["served"]]


def turned(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(cached, new) for new, cached in pairs]


@pytest.mark.parametrize("kind", DIFFERENT)
def test_close_in_vector_and_different_in_meaning_is_refused(kind: str, models: Path) -> None:
    pairs = DIFFERENT[kind]
    assert served(pairs + turned(pairs), models) == []


def test_a_prompt_that_takes_back_what_it_says_poisons_nobody(models: Path) -> None:
    pairs = filled(TAKING_BACK)
    assert len(pairs) == 60
    assert served(pairs, models) == []


def test_nobody_gets_a_victims_clip_for_words_that_ask_for_more(models: Path) -> None:
    pairs = turned(filled(TAKING_BACK) + filled(SHOWING_MORE) + crafted())
    assert len(pairs) == 98
    assert served(pairs, models) == []


def test_what_shows_more_than_was_asked_is_refused_where_both_ways_are_judged(models: Path) -> None:
    """By default a clip may show more than was asked for; in the shared pool, and with REPRISE_NEAR_SYMMETRIC, it may not."""
    pairs = filled(SHOWING_MORE) + crafted()
    one_way = served(pairs, models)
    assert served(turned(one_way), models) == []
    # The rate at the default, so that it cannot grow unseen: every sum of two scenes, and of what the search found 4 of 8.
    assert len([pair for pair in crafted() if pair in one_way]) <= 4


def test_letters_are_read_as_they_are_seen_or_not_at_all() -> None:
    assert Prompt("a \uff43\uff41\uff54").normal == "a cat"


@pytest.mark.parametrize(
    ("new", "cached", "refused"),
    [
        ("a ball", "a ball instead of a knife", True),
        ("a ball instead of a knife", "a ball instead of a knife , slowly", False),
        ("a dog", "a toy of a dog", True),
        ("a caterpillar becomes a butterfly", "a caterpillar turns into a butterfly", False),
        ("a dog runs", "a dog runs across a yard", False),
        ("a television", "a television in a room", False),
    ],
)
def test_words_that_take_over(new: str, cached: str, refused: bool) -> None:
    assert (takeover(new, cached) is not None) is refused
