"""What is read of a prompt: facts stay in whatever form they were typed, filler goes, and reading twice changes nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.matching.reading.language import is_english
from cache.matching.reading.spelling import corrected
from cache.matching.reading.wording import as_read
from cache.matching.rules.slots import read

SCENES = ["a heron wades through reeds", "two boys fly a kite", "an old tram climbs a hill", "a potter glazes a jug"]
scenes = st.sampled_from(SCENES)
PIECES = [
    "(", "((", ")", "))", "[", "]", "{", "}", ":1.2)", "<lora:a:1>", "--no", "--ar 16:9", "--fps 24", "\"", "'", "\n", "- ", "# ", "Shot 1:", "Shot 2:",
    "[0:04]", "1.", "2.", ",", ".", "masterpiece", "4k", "please", "make a video of", "🐶", "❤️", "步", "Style:", "|", "a hen", "sleeps", "BREAK", "half",
    "*", "**", "C++", "{\"a\":", "}", "negative:", "thanks", "cat|dog", "teh", "raining", "rainning", "a video of", "text", "1girl", "\\", "`", "_",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)))
def test_reading_twice_changes_nothing(text: str) -> None:
    once = as_read(text)
    assert as_read(once) == once


@settings(max_examples=60, deadline=None)
@given(scenes, st.sampled_from(["({}:1.3)", "(({}))", "[{}]", "{{{}}}", "masterpiece, {}, best quality", "**{}**", "Prompt: {}", '{{"prompt": "{}"}}',
                                "Please create a video of {}", "Hi! Could you make a short clip of {}? Thanks!", "{}, 8k uhd, highly detailed", "{} --seed 5 --v 6",
                                "I want to see {}", "[Scene] {}", "Subject: {}"]))  # fmt: skip
def test_what_asks_for_nothing_is_not_read(scene: str, form: str) -> None:
    assert as_read(form.format(scene)).rstrip("?") == scene


@given(scenes, st.sampled_from([("--no text", "no text"), ("--ar 9:16", "aspect ratio 9:16"), ("--fps 24", "24 fps"), ("--duration 5", "5 seconds"),
                                ("(hat:0)", "no hat"), ("--style anime", "anime style"), ("<lora:clay:1>", "clay")]))  # fmt: skip
def test_what_asks_for_something_stays_a_fact(scene: str, flag: tuple[str, str]) -> None:
    assert flag[1] in as_read(f"{scene}, {flag[0]}")


@given(st.lists(scenes, min_size=2, max_size=3, unique=True), st.sampled_from(["Shot {}: ", "[Shot {}] ", "Scene {} - ", "{}. ", "[{}] "]))
def test_listed_shots_keep_their_order(told: list[str], mark: str) -> None:
    text = " ".join(mark.format(at + 1) + scene + "." for at, scene in enumerate(told))
    assert as_read(text) == " Then ".join(f"{scene}." for scene in told)


def test_text_to_be_shown_and_other_scripts_stay() -> None:
    assert as_read('a sign "masterpiece, (big:1.2) --no teh" swings') == 'a sign "masterpiece, (big:1.2) --no teh" swings'
    assert as_read("кошка спит на диване, 8k") == "кошка спит на диване, 8k"


FLAWS = [
    "blurry",
    "watermark",
    "bad hands",
    "lowres",
    "jpeg artifacts",
    "extra fingers",
    "worst quality",
    "deformed",
    "poorly drawn face",
    "ugly",
]
LISTS = ["{}, negative: {}", "{}; negative_prompt: {}", "{}\nNegative prompt: {}", "{} --no {}", "{}. Neg: {}"]
SETTINGS = ["", "; cfg: 7; steps: 30", "\nSteps: 30, Sampler: Euler a, CFG scale: 7.5, Seed: 12", ", seed=5"]


@given(scenes, st.sampled_from(LISTS), st.lists(st.sampled_from([*FLAWS, "cars", "people"]), min_size=1, max_size=4, unique=True))
def test_flaws_in_a_list_of_negatives_are_no_facts_and_things_are(scene: str, form: str, listed: list[str]) -> None:
    things = [f"no {one}" for one in listed if one not in FLAWS]
    assert re.split("[,;.] ", as_read(form.format(scene, ", ".join(listed))).rstrip(".")) == [scene, *things]


@given(scenes, st.sampled_from(SETTINGS))
def test_settings_of_samplers_are_no_facts(scene: str, said: str) -> None:
    assert as_read(f"prompt: {scene}{said}") == scene


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("a letter, no signature", "a letter, no signature"),  # of what is shown
        ("a dancer, no long hair", "a dancer, no long hair"),
        ("steps: chop the wood", "steps: chop the wood"),
        ("a fox; negative: blurry; cars; camera: static", "a fox; no cars; static"),
        ('{"prompt": "a fox", "negative_prompt": "blurry, people", "steps": 30}', "a fox, no people"),
        ("{scene: 'a dog's bone', light: 'low', }", "a dog's bone, low"),
        ("A hiker. Camera: tracking shot", "A hiker. tracking shot"),
        ("A hiker. Camera: slowly follows her", "A hiker. camera slowly follows her"),
    ],
)
def test_fields_and_lists(text: str, read_as: str) -> None:
    assert as_read(text) == read_as


def test_emoji_are_words_once() -> None:
    assert as_read("a rocket 🚀🚀 over a lake 🦢") == "a rocket over a lake swan"


@pytest.mark.parametrize(
    "word", ["desert", "dessert", "quiet", "quite", "naruto", "vegeta", "colour", "skatepark", "intro", "draught", "kimono", "elefant"]
)
def test_words_that_may_be_meant_are_left_alone(word: str) -> None:
    assert corrected(f"a {word} here") == f"a {word} here"


@pytest.mark.parametrize(
    ("slip", "meant"), [("astronuat", "astronaut"), ("beautifull", "beautiful"), ("rideing", "riding"), ("televison", "television")]
)
def test_plain_slips_are_put_right_in_lower_case_only(slip: str, meant: str) -> None:
    assert corrected(f"a {slip} here") == f"a {meant} here"
    assert corrected(f"a {slip.title()} here") == f"a {slip.title()} here"


FOREIGN = [
    "dziewczyna karmi gołębie", "tyttö syöttää lintuja", "bir kız kuşları besliyor", "seorang gadis memberi makan burung", "cô gái cho chim ăn",
    "lány etet madarat", "ladki chidiya ko khana de rahi hai", "nu hai zai wei niao", "vajza ushqen zogjtë", "msichana analisha ndege",
]  # fmt: skip
ENGLISH = ["Björk sings in Reykjavík", "pierogi on a plate", "a bowl of phở on a wooden table", "naruto and sasuke run", "COOL CAT DANCES", "matcha", "tai chi at dawn",
           "a woman named Agnieszka Wójcik waves"]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_other_languages_in_latin_letters_are_exact_only(text: str) -> None:
    assert read(text).foreign


@pytest.mark.parametrize("text", ENGLISH)
def test_names_and_dishes_make_no_other_language(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize("text", ["老板娘在店门口把荔枝码好", "镜头 dolly in，一只猫走过来", "火锅店宣传短片，8K，cinematic"])
def test_chinese_is_no_foreign_language_in_latin_letters(text: str) -> None:
    assert is_english(text)
    assert not read(text).foreign
