"""Does what one prompt pins agree with what another pins? Directional: the new one may say less. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cache.matching.rules import lexicon
from cache.matching.rules.additions import additions
from cache.matching.rules.bindings import bindings
from cache.matching.rules.camera import hinted
from cache.matching.rules.certainty import certainty, choices
from cache.matching.rules.compounds import compounds
from cache.matching.rules.countries import lies_within
from cache.matching.rules.exclusive import EXCLUSIVE, of_family
from cache.matching.rules.facts import Fact, Slots, compare_order
from cache.matching.rules.measures import measures, shares, signs
from cache.matching.rules.names import spelt
from cache.matching.rules.negated import negated, said_otherwise
from cache.matching.rules.opposites import OPPOSITES
from cache.matching.rules.parts import parts
from cache.matching.rules.plain_words import FUNCTION
from cache.matching.rules.words import words

# Two long prompts say so much that a word of another colour or direction may belong to another thing: there only the verifier rules.
# What a short one asks for is explicit, however long the clip's own prompt is.
_LONG = 30
_TERSE = 4  # content words of an ask that names a thing or two
_GLUE = frozenset([",", "a", "an", "the", "two", "three", "some", "his", "her", "their"])
# Axes whose words a long prompt has of many things.
_LOOSE = {
    "on or off", "up or down", "above or below", "near or far", "front or behind", "into or out of", "left or right", "light", "softness", "start",
    "toward or away", "open or close", "pace", "same", "remember first", "fill", "thickness", "width", "inside or outside", "force", "loudness",
}  # fmt: skip
_TURNABLE = {"front or behind", "above or below", "left or right"}
ANIMATED = frozenset(["anime", "cartoon", "3d", "clay"])  # "animated" asks for no more than any of these shows
# An age asked for, and one that shows it: an old man is a man, and girls are children, or teens where they are told to be.
_COVERED = {("adult", "old"), ("child", "youth"), ("youth", "child"), ("teenager", "youth")}
_DRAWN = frozenset(value.replace("_", " ") for value in lexicon.DRAWN)


def difference(new: Slots, cached: Slots) -> str | None:
    """The reason why a clip made for `cached` surely does not satisfy `new`, in words for a person; None when no rule is sure.

    `new` may be more general than `cached`, never more specific.
    """
    return next(differences(new, cached), None)


def differences(new: Slots, cached: Slots) -> Iterator[str]:
    for rule in _RULES:
        yield from rule(new, cached)


def _quoted(new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = new.values("text shown"), cached.values("text shown")
    shown = {text.lower() for text in there}
    missing = {text for text in wanted if text.lower() not in shown and text.lower() not in cached.plain}
    if missing or (wanted and shown - {text.lower() for text in wanted}):
        yield f"text shown: {_join(wanted)} / {_join(there)}"
    for text in there - wanted:
        only_written = {word.text for word in words(text) if word.is_content and word.stem in new.asked - cached.asked}
        if len(only_written) > 1:
            yield f"only as text: {_join(only_written)} / {text}"


def _negation(new: Slots, cached: Slots) -> Iterator[str]:
    wanted = {fact.about: fact for fact in new.of("negation")}
    there = {fact.about: fact for fact in cached.of("negation")}
    for about, fact in wanted.items():
        if about not in there and len(there) < len(wanted) and len(new.stems) < _LONG and not said_otherwise(fact.words, new, cached):
            yield f"negation: {fact.words} {fact.noun} / not said"
    for about, fact in there.items():
        if about not in wanted and (about in new.stems or not about):
            yield f"negation: not said / {fact.words} {fact.noun}"


def _counts(new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = _by_noun(new.of("count")), _by_noun(cached.of("count"))
    single_new, single_cached = _by_noun(new.of("single")), _by_noun(cached.of("single"))
    for noun, facts in wanted.items():
        values = {fact.value for fact in facts}
        if noun in there:
            if not values <= {fact.value for fact in there[noun]}:
                yield f"count of *{facts[0].noun}*: {_words(facts)} / {_words(there[noun])}"
        elif noun in single_cached:
            if values != {"1"} and len(single_cached[noun]) == 1:
                yield f"count of *{facts[0].noun}*: {_words(facts)} / {single_cached[noun][0].words}"
        elif noun in cached.stems and values != {"1"} and not values & cached.values("count"):
            yield f"count of *{facts[0].noun}*: {_words(facts)} / not said"
    for noun, facts in single_new.items():
        if noun in there and noun not in wanted and noun not in single_cached and len(facts) == 1:
            values = {fact.value for fact in there[noun]}
            if "1" not in values:
                yield f"count of *{facts[0].noun}*: {facts[0].words} / {_words(there[noun])}"
    left = {fact.value for fact in new.of("count")} - {"1"}
    right = {fact.value for fact in cached.of("count")} - {"1"}
    if left and right and not left <= right and len(left) == len(right) == 1:
        yield f"count: {_join(left)} / {_join(right)}"
    numbers = new.values("number") - cached.values("number") - cached.values("count")
    others = cached.values("number") - new.values("number") - new.values("count")
    if numbers and others:
        yield f"number: {_join(numbers)} / {_join(others)}"


def _modifiers(new: Slots, cached: Slots) -> Iterator[str]:
    for slot in ("colour", *lexicon.ATTRIBUTES):
        yield from _modifier(slot, new, cached)


def _modifier(slot: str, new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = _by_noun(new.of(slot)), _by_noun(cached.of(slot))
    everywhere = cached.values(slot)
    for noun, facts in wanted.items():
        for fact in facts:
            same_thing = there.get(noun, [])
            if noun and same_thing:
                if len(facts) > 1 and {one.value for one in facts} & {one.value for one in same_thing}:
                    continue  # it changes, or has both
                if not any(_close(fact.value, other.value) for other in same_thing):
                    yield f"{slot} of *{fact.noun}*: {fact.words} / {_words(same_thing)}"
            elif slot == "colour" and not any(_close(fact.value, value) for value in everywhere):
                about = f" of *{fact.noun}*" if fact.noun else ""
                yield f"{slot}{about}: {fact.words} / {_join(everywhere) or 'not said'}"
            elif noun and noun in cached.stems:
                held = {other.about: other for others in there.values() for other in others if other.value == fact.value}
                apart = held and "" not in held and not any(_one_name(other.noun, fact.noun, new, cached) for other in held.values())
                # In a longer ask the other thing must be asked for, too.
                plainly = len(new.asked) <= _TERSE and slot != "colour" and f"{fact.words} {fact.noun}" in new.plain
                plainly = plainly and all(f"{other.words} {other.noun}" in cached.plain for other in held.values())
                moved = [other for about, other in held.items() if about not in wanted and (plainly or about in new.stems)]
                if apart and len(moved) == len(held):
                    yield f"what is *{fact.words}*: {fact.noun} / {moved[0].noun}"


def _one_name(one: str, other: str, new: Slots, cached: Slots) -> bool:
    """True if two words are parts of one thing's name, as in "toy car"."""
    return any(f"{first} {last}" in text for first, last in ((one, other), (other, one)) for text in (new.plain, cached.plain))


def _both_long(new: Slots, cached: Slots) -> bool:
    return len(new.stems) >= _LONG and len(cached.stems) >= _LONG


def _close(one: str, other: str) -> bool:
    return one == other or frozenset((one, other)) in lexicon.CLOSE_COLOURS


def _actors(new: Slots, cached: Slots) -> Iterator[str]:
    """A gender or age that nobody in the other prompt could have."""
    there = [fact.value.split("/") for fact in cached.of("actor")]
    if not there:
        return
    for fact in new.of("actor"):
        gender, age = fact.value.split("/")
        if not any(_fits(gender, other[0]) and _fits(age, other[1]) for other in there):
            yield f"who is seen: {fact.words} / {_words(list(cached.of('actor')))}"
    genders = {fact.value.split("/")[0] for fact in new.of("actor")} - {""}
    others = {value[0] for value in there} - {""}
    if genders and others and genders - others and others - genders:
        yield f"who is seen: {_words(list(new.of('actor')))} / {_words(list(cached.of('actor')))}"


def _fits(one: str, other: str) -> bool:
    """An old man is a man; a man need not be old."""
    return one == other or not one or not other or (one, other) in _COVERED


def _camera(new: Slots, cached: Slots) -> Iterator[str]:
    for slot in lexicon.CAMERA:
        wanted, there = new.values(slot), cached.values(slot)
        missing = wanted - there
        if missing and missing - hinted(slot, cached.plain):
            yield f"{slot}: {_join(wanted)} / {_join(there) or 'not said'}"
        elif not wanted and there and slot == "speed" and len(cached.stems) < _LONG:
            yield f"{slot}: not said / {_join(there)}"


def _listed(new: Slots, cached: Slots) -> Iterator[str]:
    short = len(cached.stems) < _LONG
    for slot in ("time of day", "weather", "season", "place"):
        wanted, there = new.values(slot), cached.values(slot)
        for value in wanted - there:
            if any(frozenset((value, other)) in lexicon.CLOSE_TIMES for other in there) or {value, *value.split()} & cached.stems:
                continue
            if there or (short and slot in {"time of day", "season"}):
                yield f"{slot}: {value} / {_join(there) or 'not said'}"
    wanted, there = new.values("style"), cached.values("style")
    if "animation" in wanted and (there & ANIMATED or wanted & there & _DRAWN):
        wanted -= {"animation"}
    if wanted - there:
        yield f"style: {_join(wanted)} / {_join(there) or 'not said'}"
    elif not wanted and there & _DRAWN and short:
        yield f"style: not said / {_join(there)}"


def _exclusive(new: Slots, cached: Slots) -> Iterator[str]:
    """Each asks for what the other has not, of one list of things."""
    if _both_long(new, cached):
        return
    for slot in dict.fromkeys(fact.slot for fact in new.facts if fact.slot in EXCLUSIVE):
        wanted, there = new.of(slot), cached.of(slot)
        missing = {fact.value for fact in wanted} - {fact.value for fact in there}
        instead = {fact.value for fact in there} - {fact.value for fact in wanted}
        missing = {value for value in missing if not of_family(value, instead, new.plain)}
        if missing and instead:
            named = [
                ", ".join(fact.words for fact in facts if fact.value in values) for facts, values in ((wanted, missing), (there, instead))
            ]
            yield f"{slot}: {named[0]} / {named[1]}"


def _opposites(new: Slots, cached: Slots) -> Iterator[str]:
    for axis in OPPOSITES:
        wanted, there = new.of(axis), cached.of(axis)
        if not wanted or not there or (len(cached.stems) >= _LONG and (_both_long(new, cached) or axis in _LOOSE)):
            continue
        sides, others = {fact.value for fact in wanted}, {fact.value for fact in there}
        if len(sides) == len(others) == 1 and sides != others:
            ends = wanted[0].about.split("|")
            if axis in _TURNABLE and there[0].about.split("|") == ends[::-1] and all(ends):
                continue  # "a cat behind a dog" is "a dog in front of a cat"
            yield f"{axis}: {wanted[0].words} / {there[0].words}"
            continue
        turned = len(wanted) == len(there) == len(sides) == 2 and [f.value for f in wanted] == [f.value for f in reversed(there)]
        if turned and sorted(new.content) == sorted(cached.content):
            yield f"{axis}: {wanted[0].words}, {wanted[1].words} / {there[0].words}, {there[1].words}"


def _beside(word: str, slots: Slots) -> tuple[str, str]:
    before, _, after = f" {slots.plain} ".partition(f" {word} ")
    return before.rpartition(" ")[2], after.partition(" ")[0]


def _names(new: Slots, cached: Slots) -> Iterator[str]:
    missing = [
        fact
        for fact in new.of("name")
        if not any(word.startswith(fact.value[:5]) or spelt(fact.value, word) for word in cached.stems)
        and not (fact.words == "tv" and "tv" in cached.asked)  # a television
        and not lies_within(fact.words, *_beside(fact.words, new), frozenset(cached.plain.split()))
    ]
    if missing:
        others = [fact.words for fact in cached.of("name") if fact.value not in new.stems]
        yield f"name: {missing[0].words} / {', '.join(others) or 'not said'}"


def _roles(new: Slots, cached: Slots) -> Iterator[str]:
    for slot in ("who does it", "relation", "change"):
        there = {(fact.about, fact.value) for fact in cached.of(slot)}
        for fact in new.of(slot):
            one, other = fact.value.split(">", 1)
            if (fact.about, f"{other}>{one}") in there and (fact.about, fact.value) not in there:
                yield f"{slot}{': ' + fact.noun if fact.noun else ''}: {one} → {other} / {other} → {one}"


def _order(new: Slots, cached: Slots) -> Iterator[str]:
    if _both_long(new, cached):
        return
    for fact in new.of("order"):
        for other in cached.of("order"):
            order = compare_order(fact, other)
            if order.turned >= 2 and order.turned > order.kept:
                first, then = (set(part.split()) for part in fact.value.split(">"))
                yield f"order of events: {' '.join(sorted(first - then))} comes first / last"


def _swapped(new: Slots, cached: Slots) -> Iterator[str]:
    """The same words but for two that changed places, with more between them than "and"."""
    one, other = new.plain.split(), cached.plain.split()
    if len(one) != len(other):
        return
    apart = [at for at, (here, there) in enumerate(zip(one, other, strict=True)) if here != there]
    if len(apart) != 2:
        return
    first, second = apart
    between = set(one[first + 1 : second]) - lexicon.SYMMETRIC - lexicon.ADJECTIVES - _GLUE
    if (one[first], one[second]) == (other[second], other[first]) and between and not {one[first], one[second]} & FUNCTION:
        yield f"places: {one[first]}, {one[second]} / {other[first]}, {other[second]}"


_RULES: tuple[Callable[[Slots, Slots], Iterator[str]], ...] = (
    _quoted, _negation, _counts, _modifiers, _actors, _camera, _listed, _exclusive, _names, _roles, _order, _swapped, _opposites,
    measures, signs, shares, parts, certainty, choices, compounds, bindings, negated, additions,
)  # fmt: skip


def _by_noun(facts: tuple[Fact, ...]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.about, []).append(fact)
    return found


def _words(facts: list[Fact]) -> str:
    return ", ".join(dict.fromkeys(fact.words for fact in facts))


def _join(values: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(values))
