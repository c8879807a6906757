"""Does what one prompt pins agree with what another pins, where Chinese is in either? Directional: the new one may say less. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cache.matching.rules import lexicon as english
from cache.matching.rules.chinese import lexicon
from cache.matching.rules.chinese.absent import absent
from cache.matching.rules.chinese.additions import additions_between
from cache.matching.rules.chinese.exclusive import EXCLUSIVE, OPPOSITES
from cache.matching.rules.chinese.facts import same_thing, thing, two_by_one
from cache.matching.rules.chinese.further import further_subject
from cache.matching.rules.chinese.segments import segments
from cache.matching.rules.facts import Fact, Slots, compare_order

_LONG = 60  # characters of a clip's prompt from which on an opposite may belong to another thing
_HUE_PAIRS = english.CLOSE_COLOURS | lexicon.CLOSE_HUES
_HINTS = {value: re.compile(pattern) for value, pattern in lexicon.HINTS.items()}
_AGED = re.compile("老|年纪|年迈|白发|祖|aged|elderly|\\bold")  # in words that are not read
_CLAUSE = frozenset("，,。；;、")
Rule = Callable[[Slots, Slots], Iterator[str]]


def difference_chinese(new: Slots, cached: Slots) -> str | None:
    """The reason why a clip made for `cached` surely does not satisfy `new`, with the words of the prompts; both are in Chinese."""
    return next((reason for rule in (*_EITHER, *_CHINESE) for reason in rule(new, cached)), None)


def difference_between(new: Slots, cached: Slots) -> str | None:
    """The same for one prompt in Chinese and one in English: only what both languages name by one value."""
    return next((reason for rule in (*_EITHER, _hues_between, absent, additions_between) for reason in rule(new, cached)), None)


def _said(facts: tuple[Fact, ...] | list[Fact], values: set[str] | frozenset[str] | None = None) -> str:
    return ", ".join(dict.fromkeys(fact.words for fact in facts if values is None or fact.value in values)) or "not said"


def _instead(slot: str, new: Slots, cached: Slots, close: set[frozenset[str]] | frozenset[frozenset[str]] = frozenset()) -> Iterator[str]:
    """Each has of one list what the other has not."""
    wanted, there = new.of(slot), cached.of(slot)
    values, others = {fact.value for fact in wanted}, {fact.value for fact in there}
    missing = {value for value in values - others if not any(frozenset((value, other)) in close for other in others)}
    if missing and others - values:
        yield f"{slot}: {_said(wanted, missing)} / {_said(there, others - values)}"


def _light(new: Slots, cached: Slots) -> Iterator[str]:
    yield from _instead("time of day", new, cached, english.CLOSE_TIMES)
    yield from _instead("season", new, cached)
    yield from _instead("weather", new, cached, lexicon.CLOSE_WEATHER)


def _camera(new: Slots, cached: Slots) -> Iterator[str]:
    for slot in lexicon.CAMERA:
        wanted, there = new.of(slot), {fact.value for fact in cached.of(slot)}
        missing = {fact.value for fact in wanted} - there
        missing = {value for value in missing if not any(frozenset((value, other)) in lexicon.CLOSE_MOVES for other in there)}
        missing = {value for value in missing if value not in _HINTS or _HINTS[value].search(cached.plain) is None}
        if missing:
            yield f"{slot}: {_said(wanted, missing)} / {_said(cached.of(slot))}"


def _style(new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = new.values("style"), cached.values("style")
    apart = wanted - there - ({"animation"} if there & lexicon.ANIMATED or not there else set())
    missing = {fact.value for fact in new.of("style") if fact.value in apart and not _partly(fact.words, cached.plain)}
    if missing:
        yield f"style: {_said(new.of('style'), missing)} / {_said(cached.of('style'))}"


def _partly(words: str, text: str) -> bool:
    """True if two characters of `words` stand together in `text` ("铅笔画" in "铅笔描的"); a word of two may be there by one."""
    words = re.sub("风格|动画|画|风|黑白", "", words) or words
    return any(words[at : at + 2] in text for at in range(len(words) - 1)) or (len(words) == 2 and any(char in text for char in words))


def _scale(new: Slots, cached: Slots) -> Iterator[str]:
    """A single count or number on each side, and not the same."""
    left = {fact.value for fact in new.of("count")} - {"1"}
    right = {fact.value for fact in cached.of("count")} - {"1"}
    if len(left) == len(right) == 1 and left != right:
        yield f"count: {_said(new.of('count'), left)} / {_said(cached.of('count'), right)}"


def _hues_between(new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = new.of("colour"), cached.of("colour")
    missing = {fact.value for fact in wanted if not any(_close(fact.value, other.value) for other in there)}
    if missing:
        yield f"colour: {_said(wanted, missing)} / {_said(there)}"


def _close(one: str, other: str) -> bool:
    return one == other or frozenset((one, other)) in _HUE_PAIRS


def _actors(new: Slots, cached: Slots) -> Iterator[str]:
    """A gender or age that nobody in the other prompt could have."""
    there = [fact.value.split("/") for fact in cached.of("actor")]
    if len(there) < len({fact.value for fact in new.of("actor")}):
        return  # some are there in words that are not read
    for fact in new.of("actor"):
        gender, age = fact.value.split("/")
        if age == "old" and _AGED.search(cached.plain):
            age = ""
        if not any(_fits(gender, other[0]) and _ages(age, other[1]) for other in there):
            yield f"who is seen: {fact.words} / {_said(cached.of('actor'))}"
    genders, others = ({fact.value.split("/")[0] for fact in slots.of("actor")} - {""} for slots in (new, cached))
    if genders and others and genders - others and others - genders:
        yield f"who is seen: {_said(new.of('actor'))} / {_said(cached.of('actor'))}"


def _fits(one: str, other: str) -> bool:
    return one == other or not one or not other


def _ages(one: str, other: str) -> bool:
    """A girl may be a child or a young woman; an old man is a man."""
    young = {"child", "teenager", "adult", "young"}
    return (
        _fits(one, other)
        or (one, other) == ("adult", "old")
        or {one, other} == {"baby", "child"}
        or (one in young and other in young and "young" in {one, other})
    )


def _counts(new: Slots, cached: Slots) -> Iterator[str]:
    there = cached.of("count")
    for fact in new.of("count"):
        same = [other for other in there if same_thing(fact.about, other.about)]
        again = [other for other in new.of("count") if same_thing(fact.about, other.about)]
        if same and len(same) == len(again) == 1 and fact.value not in {same[0].value, two_by_one(fact.noun, cached.plain)}:
            yield f"count of *{fact.noun}*: {fact.words} / {_said(same)}"
        elif not same and fact.value != "1" and fact.noun != "人" and not _amounts(fact.value, cached) and fact.noun in cached.plain:
            yield f"count of *{fact.noun}*: {fact.words} / not said"


def _amounts(value: str, slots: Slots) -> bool:
    """True if anything in the prompt may be so many: "三小只", "成双"."""
    said = {"2": "两二双对俩2", "3": "三仨3", "4": "四4", "5": "五5", "6": "六6", "7": "七7", "8": "八8", "9": "九9", "10": "十"}.get(
        value, value[:1]
    )
    return any(char in slots.plain for char in said)


def _numbers(new: Slots, cached: Slots) -> Iterator[str]:
    apart = new.values("number") - cached.values("number") - cached.values("count")
    # A number that stands in the clip's prompt, and not as a part of a longer one, is there.
    stands = {fact.value for fact in new.of("number") if re.search(rf"(?<![\d.]){re.escape(fact.words)}(?![\d.])", cached.plain)}
    wanted = apart - stands
    there = cached.values("number") - new.values("number") - new.values("count")
    if wanted and there:
        yield f"number: {_said(new.of('number'), wanted)} / {_said(cached.of('number'), there)}"


def _hues(new: Slots, cached: Slots) -> Iterator[str]:
    there = cached.of("colour")
    painted = {value for hue, value in lexicon.HUES.items() if hue in cached.plain}  # said in a way that is not read: "变蓝"
    for fact in new.of("colour"):
        same = [other for other in there if same_thing(fact.about, other.about)]
        own = [other for other in new.of("colour") if same_thing(fact.about, other.about)]
        about = f" of *{fact.noun}*" if fact.noun else ""
        if same:
            if not any(_close(one.value, other.value) for one in own for other in same):
                yield f"colour{about}: {fact.words} / {_said(same)}"
        elif not any(_close(fact.value, value) for value in (*(other.value for other in there), *painted)):
            yield f"colour{about}: {fact.words} / {_said(there)}"


def _lists(new: Slots, cached: Slots) -> Iterator[str]:
    for slot in dict.fromkeys(fact.slot for fact in new.facts if fact.slot in EXCLUSIVE):
        if slot != "landscape" or not all(_hinted(place, cached) for place in new.values(slot) - cached.values(slot)):
            yield from _instead(slot, new, cached)


def _hinted(place: str, cached: Slots) -> bool:
    """True if a clip's prompt may show the place, in words that the list has not."""
    return place in lexicon.PLACE_HINTS and re.search(lexicon.PLACE_HINTS[place], cached.plain) is not None


def _opposites(new: Slots, cached: Slots) -> Iterator[str]:
    if len(cached.plain) >= _LONG and len(new.plain) >= _LONG:
        return
    for axis in OPPOSITES:
        wanted, there = new.of(axis), cached.of(axis)
        sides, others = {fact.value for fact in wanted}, {fact.value for fact in there}
        if len(sides) == len(others) == 1 and sides != others:
            yield f"{axis}: {_said(wanted)} / {_said(there)}"


def _sides(new: Slots, cached: Slots) -> Iterator[str]:
    """The left leg is not the right one, wherever else left and right are said."""
    wanted, there = new.values("side"), cached.values("side")
    for one in sorted(wanted - there):
        other = ("右" if one[0] == "左" else "左") + one[1:]
        if other in there and other not in wanted:
            yield f"side: {one} / {other}"


def _negations(new: Slots, cached: Slots) -> Iterator[str]:
    wanted = {fact.about: fact for fact in new.of("negation")}
    there = {fact.about: fact for fact in cached.of("negation")}
    for one, other, slots, turned in ((wanted, there, cached, False), (there, wanted, new, True)):
        for about, fact in one.items():
            if any(same_thing(about, denied) for denied in other):
                continue
            if _mentions(slots, fact):
                said = f"{fact.words}{fact.noun}"
                yield f"negation: {fact.noun} / {said}" if turned else f"negation: {said} / {fact.noun}"


def _mentions(slots: Slots, fact: Fact) -> bool:
    if re.search(rf"[没无不别未零][^，。；]{{0,8}}{re.escape(fact.noun[-1])}", slots.plain):
        return False
    if fact.noun == "人":
        return len(slots.plain) < _LONG and (bool(slots.of("actor")) or bool(slots.stems & {"人", "人群", "行人", "人们", "一群人"}))
    return any(word == fact.noun or thing(word) == fact.about for word in slots.content)


def _shown(new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = new.values("text shown"), cached.values("text shown")
    bare = _bare(cached.written)
    missing = {text for text in wanted if _bare(text) not in bare}
    if missing:
        yield f"text shown: {', '.join(sorted(wanted))} / {', '.join(sorted(there)) or 'not said'}"


def _bare(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _names(new: Slots, cached: Slots) -> Iterator[str]:
    wanted = {fact.value for fact in new.of("name") if fact.value not in cached.written.lower()}
    there = {fact.value for fact in cached.of("name") if fact.value not in new.written.lower()}
    if wanted and there:
        yield f"name: {_said(new.of('name'), wanted)} / {_said(cached.of('name'), there)}"


def _roles(new: Slots, cached: Slots) -> Iterator[str]:
    there = {tuple(thing(side) for side in fact.value.split(">")) for fact in cached.of("who does it")}
    asked = {tuple(thing(side) for side in fact.value.split(">")) for fact in new.of("who does it")}
    for fact in new.of("who does it"):
        one, other = (thing(side) for side in fact.value.split(">"))
        if (
            one != other
            and _acts(one)
            and _acts(other)
            and (other, one) in there
            and (one, other) not in there
            and (other, one) not in asked
        ):
            there_said = "→".join(reversed(fact.words.split("→")))
            yield f"who does it: {fact.words} / {there_said}"


def _acts(name: str) -> bool:
    """True if a thing, by its one name, does things of its own: an animal, a person, a vehicle."""
    return "/" in name or any(name in EXCLUSIVE[slot].values() for slot in ("animal", "family", "profession", "vehicle", "figure"))


def _order(new: Slots, cached: Slots) -> Iterator[str]:
    if len(cached.plain) >= _LONG and len(new.plain) >= _LONG:
        return
    for fact in new.of("order"):
        for other in cached.of("order"):
            order = compare_order(fact, other)
            if order.turned >= 2 and order.turned > 2 * order.kept:
                yield f"order of events: {fact.words} / {other.words}"


def _swapped(new: Slots, cached: Slots) -> Iterator[str]:
    """The same words but for two names or things that changed places, with more between them than "和" or a comma."""
    one, other = _words(new), _words(cached)
    if sorted(one) != sorted(other) or one == other:
        return
    start = next(at for at, (here, there) in enumerate(zip(one, other, strict=True)) if here != there)
    end = next(at for at, (here, there) in enumerate(zip(reversed(one), reversed(other), strict=True)) if here != there)
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    for first in range(1, min(4, len(left))):
        for last in range(1, min(4, len(left) - first)):
            middle = left[first : len(left) - last]
            front, back = left[:first], left[len(left) - last :]
            if right == back + middle + front and len("".join(middle)) > 1 and _CLAUSE.isdisjoint(front + back):
                yield f"places: {''.join(front)}, {''.join(back)} / {''.join(back)}, {''.join(front)}"
                return


def _words(slots: Slots) -> list[str]:
    return [part.text for part in segments(slots.plain) if part.text not in {"，", ",", "。"}]


_EITHER: tuple[Rule, ...] = (_scale, _light, _camera, _style, _actors)
_CHINESE: tuple[Rule, ...] = (
    _shown, _counts, _numbers, _hues, _lists, _opposites, _sides, _negations, _names, _roles, _order, _swapped, absent, further_subject,
)  # fmt: skip
