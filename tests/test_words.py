"""Keys, normal form and ids: the same thing has the same key, and nothing else has."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.canonical import digest
from cache.catalog import DEMO, ROWS, WAN_TI2V_5B, AskedSettings, ServedModel, resolve
from cache.errors import Invalid
from cache.ids import is_id, new_id
from cache.key_form import key_form
from cache.prompt import LONGEST, Prompt, normal_form
from cache.recipe import Recipe
from cache.variant import Spec, Variant, tenant_scope

MODEL = ServedModel(DEMO, "abc123", "pipeline")
RECIPE = resolve(MODEL, AskedSettings())

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=200)
scalars = st.one_of(
    st.text(max_size=20),
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda one: one + 0.0),
)


@given(texts)
def test_both_forms_are_fixed_points(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)
    assert key_form(key_form(text)) == key_form(text)


@given(texts)
def test_what_the_key_folds_no_reader_tells_apart(text: str) -> None:
    """The key form is the finer one: prompts of one key are one prompt to the encoder."""
    marks = str.maketrans("“”„‘’‚", "\"\"\"'''")
    assert normal_form(key_form(text)).lower() == normal_form(normal_form(text).translate(marks)).lower()


@given(texts)
def test_spacing_and_trailing_punctuation_never_matter(text: str) -> None:
    spaced = "  " + text.replace(" ", " \t ") + " ."
    assert normal_form(spaced) == normal_form(text)
    assert key_form(spaced) == key_form(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A red ball", "a red ball"),
        ("A RED BALL", "a red ball"),
        ("Slow Pan Over A Foggy Harbour At Night", "slow pan over a foggy harbour at night"),
        ("A red ball. The dog runs!", "a red ball. the dog runs"),
        ("a dog’s “BIG” bone", 'a dog\'s "BIG" bone'),
        ("一只猫在奔跑！", "一只猫在奔跑"),
        ("a  red\nball", "a red ball"),
        ("a red ball.", "a red ball"),
        ("a red ball!!!", "a red ball"),
        ("ａ red ball", "a red ball"),  # full-width letter
        ("cafe\u0301 at night", "café at night"),
    ],
)
def test_what_does_not_change_the_spec(one: str, other: str) -> None:
    assert key_form(one) == key_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('a sign that says "Stop"', 'a sign that says "STOP"'),
        ("a sign that says “Stop”", "a sign that says “STOP”"),
        ("a sign that says 'OPEN'", "a sign that says 'open'"),
        ("a sign that says ‘OPEN’", "a sign that says ‘open’"),
        ("the label `Rm`", "the label `rm`"),
        ("the word HELLO in sand", "the word hello in sand"),
        ("a Jaguar in the rain", "a jaguar in the rain"),
        ("10⁶ bees", "106 bees"),
        ("a board with E=mc²", "a board with E=mc2"),
        ("5½ apples", "51⁄2 apples"),
        ("a red ball", "a blue ball"),
        ("red, blue", "red blue"),
        ("no dogs", "dogs"),
    ],
)
def test_what_does_change_it(one: str, other: str) -> None:
    assert key_form(one) != key_form(other)


def test_case_folds_around_an_apostrophe() -> None:
    assert normal_form("The Dog's Bone and the Cat's Toy") == "the dog's bone and the cat's toy"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("a square hops to the le\u200bft ed\u200bge", "a square hops to the left edge"),
        ("\ufeffa soft\u00adly lit room\u2060", "a softly lit room"),
        ("a cat\u202e gnittis\u202c", "a cat gnittis"),
        ("a\U000e0064\U000e006f\U000e0067 cat", "a cat"),
        ("cat\u200d dog\u200c", "cat dog"),
        ("a\x07 bell", "a bell"),
        ("👨\u200d👩\u200d👧 on a beach", "👨\u200d👩\u200d👧 on a beach"),
        ("❤\ufe0f\u200d🔥 glows", "❤\ufe0f\u200d🔥 glows"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
    ],
)
def test_hidden_characters_reach_nobody(sent: str, seen: str) -> None:
    """Key, model and judge get the words that a person sees, and so does the row."""
    prompt = Prompt.parse(sent)
    assert prompt.text == seen
    assert Prompt.parse(seen).normal == prompt.normal


@pytest.mark.parametrize("sent", ["\u200b", "\u2060\ufeff \u00ad", "\U000e0041"])
def test_what_nobody_sees_is_no_prompt(sent: str) -> None:
    with pytest.raises(Invalid):
        Prompt.parse(sent)


@pytest.mark.parametrize("text", ["", "   ", "...", "\n\t", "a\x00b", "a\ud800b", "x" * (LONGEST + 1)])
def test_a_prompt_that_is_none(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Prompt.parse(text)
    assert refused.value.field == "prompt"


@given(st.dictionaries(st.text(max_size=8), scalars, max_size=5), st.dictionaries(st.text(max_size=8), scalars, max_size=5))
def test_digests_agree_only_for_equal_fields(one: dict[str, object], other: dict[str, object]) -> None:
    same = {key: (type(value), value) for key, value in one.items()} == {key: (type(value), value) for key, value in other.items()}
    assert (digest(one) == digest(other)) == same


def other_value(value: object) -> object:
    match value:
        case str():
            return value + "x"
        case int():
            return value + 1
        case float():
            return value + 0.5
        case tuple():
            return (*value, 1)
    raise AssertionError(f"a recipe field of type {type(value)}")


@pytest.mark.parametrize("name", [field.name for field in fields(Recipe)])
def test_every_field_of_a_recipe_is_in_its_key(name: str) -> None:
    changed = Recipe.from_fields(RECIPE.as_fields() | {name: other_value(getattr(RECIPE, name))})
    assert changed.key != RECIPE.key
    spec = Spec(tenant_scope("a"), Prompt("a ball"), RECIPE)
    assert Spec(spec.scope, spec.prompt, changed).key != spec.key


@given(texts, texts, st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_a_variant_key_names_everything(one: str, other: str, first: int, second: int, pinned: bool) -> None:
    def key(text: str, number: int) -> str:
        spec = Spec(tenant_scope("a"), Prompt(text), RECIPE)
        return (Variant(spec, pinned_seed=number) if pinned else Variant(spec, take=number)).key

    same = normal_form(one) == normal_form(other) and first == second
    assert (key(one, first) == key(other, second)) == same


@given(texts, st.integers(0, 2**31))
def test_a_take_and_a_pinned_seed_are_never_the_same_variant(text: str, number: int) -> None:
    spec = Spec(tenant_scope("a"), Prompt(text), RECIPE)
    assert Variant(spec, take=number).key != Variant(spec, pinned_seed=number).key
    assert 0 <= Variant(spec, take=number).seed < 2**63


def test_scopes_part_specs() -> None:
    assert Spec(tenant_scope("a"), Prompt("a ball"), RECIPE).key != Spec(tenant_scope("b"), Prompt("a ball"), RECIPE).key


def test_ids() -> None:
    made = [new_id("video") for _ in range(100)]
    assert len(set(made)) == 100
    assert all(is_id("video", one) for one in made)
    assert not is_id("clip", made[0])
    assert not is_id("video", "video_../../etc/passwd")
    assert not is_id("video", made[0] + "\n")


def test_ids_of_many_threads_and_of_a_forked_child_are_all_different() -> None:
    """Their random digits are drawn for many at once; nobody may get those of another."""
    with ThreadPoolExecutor(8) as threads:
        made = [one[-20:] for several in threads.map(lambda _: [new_id("video") for _ in range(500)], range(8)) for one in several]
    assert len(set(made)) == 4000
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id("video")[-20:] for _ in range(64)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 64 * 20).decode()
    os.close(reading)
    os.close(writing)
    ours = {new_id("video")[-20:] for _ in range(64)}
    assert len(theirs) == 64 * 20
    assert ours.isdisjoint(theirs[at : at + 20] for at in range(0, len(theirs), 20))


def test_frames_fit_the_vae() -> None:
    for model in ROWS:
        for tenths in range(5, int(model.longest_seconds * 10)):
            assert model.frames(tenths / 10) % 4 == 1


def test_defaults_of_the_full_model() -> None:
    recipe = resolve(ServedModel(WAN_TI2V_5B, "r", "pipeline"), AskedSettings(quality="final"))
    assert (recipe.width, recipe.height, recipe.frames, recipe.fps, recipe.steps) == (1280, 704, 121, 24, 50)
    assert (recipe.guidance, recipe.flow_shift) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (AskedSettings(size="640x480"), "size"),
        (AskedSettings(size="128X128"), "size"),
        (AskedSettings(seconds=0), "seconds"),
        (AskedSettings(seconds=-1), "seconds"),
        (AskedSettings(seconds=2.01), "seconds"),
        (AskedSettings(seconds=1e300), "seconds"),
        (AskedSettings(steps=0), "steps"),
        (AskedSettings(steps=101), "steps"),
        (AskedSettings(steps=20, quality="standard"), "steps"),
        (AskedSettings(guidance=0.5), "guidance_scale"),
        (AskedSettings(guidance=float("nan")), "guidance_scale"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(ask: AskedSettings, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        resolve(MODEL, ask)
    assert refused.value.field == field


def test_steps_of_a_quality_are_that_quality() -> None:
    assert resolve(MODEL, AskedSettings(steps=20)).key == resolve(MODEL, AskedSettings()).key
    assert resolve(MODEL, AskedSettings(steps=21)).quality == "custom"


def test_a_stored_recipe_comes_back_or_is_refused() -> None:
    assert Recipe.from_fields(RECIPE.as_fields()) == RECIPE
    with pytest.raises(TypeError):
        Recipe.from_fields({"model": "x"})
