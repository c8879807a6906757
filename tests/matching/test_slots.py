"""Tables of pairs that cosine takes for one, and pairs that no rule may part."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.matching.rules.names import spelt
from cache.matching.rules.slots import difference, read

DIFFERENT = [
    # new, cached, how the reason begins
    ("two llamas cross a bridge", "three llamas cross a bridge", "count of *llamas*: two / three"),
    ("a llama crosses a bridge", "four llamas cross a bridge", "count of *llama*: a / four"),
    ("5 kites over a bay", "six kites over a bay", "count of *kites*: 5 / six"),
    ("a dozen eggs in a box", "two eggs in a box", "count of *eggs*"),
    ("a yellow duck and a blue pond", "a blue duck and a yellow pond", "colour of *duck*: yellow / blue"),
    ("the truck is green", "a red truck", "colour of *truck*: green / red"),
    ("a green truck by a barn", "a truck by a green barn", "what is *green*: truck / barn"),
    ("a purple tent", "a tent", "colour of *tent*: purple / not said"),
    ("a wooden spoon on a plate", "a plastic spoon on a plate", "material of *spoon*: wooden / plastic"),
    ("a tiny boat at sea", "a huge boat at sea", "size of *boat*: tiny / huge"),
    ("a harbour without ships", "a harbour with ships", "negation: without ships / not said"),
    ("the goat is not jumping", "the goat is jumping", "negation: not jumping / not said"),
    ("a goat jumps over a log", "no goat jumps over a log", "negation: not said / no goat"),
    ("a goat chases a farmer", "a farmer chases a goat", "who does it: chases"),
    ("a goat is chased by a farmer", "a farmer is chased by a goat", "who does it: chased"),
    ("a lamp on a crate", "a crate on a lamp", "relation: on"),
    ("the tram turns left", "the tram turns right", "left or right: left / right"),
    ("a hiker goes up the dune", "a hiker goes down the dune", "up or down: up / down"),
    ("an otter opens a shell", "an otter closes a shell", "open or close: opens / closes"),
    ("she folds the map", "she unfolds the map", "fold: folds / unfolds"),
    ("a canyon, pan left", "a canyon, pan right", "camera move: pan left / pan right"),
    ("a canyon, slow zoom in", "a canyon, slow zoom out", "camera move: zoom in / zoom out"),
    ("a canyon, drone shot", "a canyon", "camera position: aerial / not said"),
    ("close-up of a clock", "wide shot of a clock", "shot: close-up / wide"),
    ("a canyon in slow motion", "a canyon, time-lapse", "speed: slow motion / time-lapse"),
    ("a mill, watercolor", "a mill, oil painting", "style: watercolor / oil"),
    ("a mill by a stream", "a mill by a stream, pixel art", "style: not said / pixel"),
    ("a mill at midnight", "a mill at noon", "time of day: night / day"),
    ("a mill at sunset", "a mill", "time of day: dusk / not said"),
    ("a market in heavy rain", "a market on a sunny day", "weather: rain / sun"),
    ("a market in winter", "a market in summer", "season: winter / summer"),
    ("a man juggles", "a woman juggles", "who is seen: man / woman"),
    ("an old woman juggles", "a girl juggles", "who is seen"),
    ('a door with the sign "PUSH"', 'a door with the sign "PULL"', "text shown: PUSH / PULL"),
    ("a dog chases a cat", 'a sign that says "a dog chases a cat"', "only as text: cat, chases, dog / a dog chases a cat"),
    ("a parade in Lisbon", "a parade in Osaka", "name: lisbon / osaka"),
    ("a seal claps and then dives", "a seal dives and then claps", "order of events"),
    ("a leaf turns from green to brown", "a leaf turns from brown to green", "change"),
    ("a ferry leaves quickly", "a ferry leaves slowly", "pace: quickly / slowly"),
    ("a matte kettle on a stove", "a glossy kettle on a stove", "finish: matte / glossy"),
    ("a moth on a lamp", "a moth and a butterfly on a lamp", "one more subject"),
    ("a ruler of 8 inches", "a ruler of 8 centimetres", "unit of length: inches / centimetres"),
    ("the fourth runner falls", "the third runner falls", "ordinal: fourth / third"),
    ("a moth on a lamp", "a butterfly on a lamp", "animal: moth / butterfly"),
    ("a goat and a hen in a yard", "a goat and a pig in a yard", "animal: hen / pig"),
    ("a boy with a cello and a girl", "a boy with a viola and a girl", "instrument: cello / viola"),
    ("half a dozen eggs in a box", "a dozen eggs in a box", "count of *eggs*: dozen / dozen"),
    ("a crate of eggs at day", "a crate of eggs at night", "time of day: day / night"),
    ("a crowd boos the referee", "a crowd cheers the referee", "approval: boos / cheers"),
    (
        "the sealed crate stands on a barge, the leaking one below",
        "the leaking crate stands on a barge, the sealed one below",
        "places: sealed, leaking / leaking, sealed",
    ),
    ("a tartan rug on sand", "a plain rug on sand", "pattern of *rug*: tartan / plain"),
    ("a seal claps, afterwards it dives", "a seal dives, afterwards it claps", "order of events"),
    ("fall leaves on a path", "leaves on a path in summer", "season: autumn / summer"),
]

ALIKE = [
    ("a llama crosses a bridge", "The llama is crossing the bridge."),
    ("two llamas cross a bridge", "2 llamas crossing a bridge"),
    ("a pair of llamas", "two llamas"),
    ("a truck that is green", "a green truck"),
    ("a grey heron", "a gray heron"),
    ("a goat is chased by a farmer", "a farmer chases a goat"),
    ("a canyon, camera pans left", "a canyon, the camera pans to the left"),
    ("a lamp behind a crate", "a crate in front of a lamp"),
    ("a video of a mill, 4k", "a mill"),
    ("a mill", "a red mill at night"),
    ("an animal crosses a bridge", "three llamas cross a bridge in the rain"),
    ("someone juggles", "a man juggles"),
    ("a man juggles", "an old man juggles"),
    ("a zebra drinks", "a black and white zebra drinks"),
    ("a monk reads, black and white film", "a monk reads, in black and white"),
    ("a monk in a corridor", "a monk in a hallway"),
    ("a puppy on a sledge", "a dog on a sledge with a goat"),
    ("a goat beside a hen", "a hen beside a goat"),
    ("fall leaves on a path", "autumn leaves on a path"),
    ("a film of two runners, the second falls", "two runners, and the second one falls"),
]


@pytest.mark.parametrize(("new", "cached", "reason"), DIFFERENT)
def test_told_apart_with_a_reason(new: str, cached: str, reason: str) -> None:
    found = difference(read(new), read(cached))
    assert found is not None
    assert found.startswith(reason), found


@pytest.mark.parametrize(("new", "cached"), ALIKE)
def test_no_rule_parts_these(new: str, cached: str) -> None:
    assert difference(read(new), read(cached)) is None


def test_directional_the_new_prompt_may_say_less() -> None:
    brown, plain = read("a brown hen sleeps"), read("a hen sleeps")
    assert difference(plain, brown) is None
    assert difference(brown, plain) == "colour of *hen*: brown / not said"


def test_long_prompts_keep_what_is_pinned_surely() -> None:
    long = (
        "A brass telescope stands on a balcony above a quiet bay. Its tube is engraved with stars, and the tripod casts a "
        "long shadow over the tiles. Far below, fishing boats return with the evening tide while gulls circle over "
        "the mole and lamps are lit along the quay."
    )
    assert difference(read("a telescope on a balcony"), read(long)) is None
    assert difference(read("a purple telescope on a balcony"), read(long)) == "colour of *telescope*: purple / not said"


WORDS = st.sampled_from(
    [
        "a",
        "the",
        "two",
        "red",
        "blue",
        "dog",
        "cat",
        "chases",
        "left",
        "right",
        "up",
        "down",
        "no",
        "not",
        "without",
        "in",
        "on",
        "under",
        "behind",
        "camera",
        "pans",
        "zoom",
        "then",
        "before",
        "after",
        "old",
        "young",
        "man",
        "woman",
        "at",
        "night",
        "sunset",
        "rain",
        "anime",
        '"OPEN"',
        "and",
        "with",
        ",",
        ".",
        "from",
        "to",
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_a_prompt_never_differs_from_itself(text: str) -> None:
    assert difference(read(text), read(text)) is None


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert difference(read(text), read(text)) is None
    assert read(text) == read(text)


@given(st.lists(WORDS, min_size=1, max_size=20).map(" ".join), st.sampled_from([".", "!", "  ", " ."]))
def test_trailing_marks_and_spaces_pin_nothing(text: str, tail: str) -> None:
    assert difference(read(text + tail), read(text)) is None
    assert difference(read(re.sub(" ", "  ", text)), read(text)) is None


@given(
    st.sampled_from(["email", "letter", "hose", "rope"]),
    st.sampled_from(["man", "girl", "dancer"]),
    st.sampled_from([("read", "reads"), ("held", "holds")]),
)
def test_a_passive_without_its_ending_is_turned_round(thing: str, who: str, verb: tuple[str, str]) -> None:
    assert difference(read(f"the {thing} is being {verb[0]} by the {who}"), read(f"the {who} {verb[1]} the {thing}")) is None
    assert difference(read(f"the {who} {verb[1]} the {thing}"), read(f"the {thing} is {verb[0]} by the {who}")) is None


@given(
    st.sampled_from(["toy car", "drum set", "soccer team", "glass bottle"]),
    st.sampled_from(["red", "large", "old"]),
    st.sampled_from(["colourful", "famous", "spotless", "washable"]),
)
def test_what_it_looks_like_belongs_to_the_whole_name(name: str, look: str, form: str) -> None:
    for one, other in (
        (f"a {look} and {form} {name}", f"a {name} that is {look} and {form}"),
        (f"a {look} {name}", f"a {form} {look} {name}"),
    ):
        assert "what is" not in (difference(read(one), read(other)) or "")
        assert "what is" not in (difference(read(other), read(one)) or "")


SLIPS = [
    ("phillips", "philips", True),
    ("kruger", "krueger", True),
    ("skatboarder", "skateboarder", True),
    ("roberta", "robert", False),
    ("mario", "maria", False),
    ("julian", "julia", False),
    ("frances", "francis", False),
]


@pytest.mark.parametrize(("one", "other", "same"), SLIPS)
def test_a_letter_more_within_a_name_is_a_slip(one: str, other: str, same: bool) -> None:
    assert spelt(one, other) is spelt(other, one) is same
