"""Bindings of the thing asked for that the clip's prompt lacks: that it is several, where it is, that all of it is seen. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.rules.exclusive import EXCLUSIVE
from cache.matching.rules.facts import Slots
from cache.matching.rules.lexicon import ACTORS, listed
from cache.matching.rules.plain_words import FUNCTION
from cache.matching.rules.words import folded, stem

# Who is one person, and what says that there are more.
_ONE_PERSON = r"(?:person|man|woman|boy|girl|child|kid|guy|lady|gentleman|toddler|baby|teenager)"
_PEOPLE = re.compile(r"\b(?:people|persons|men|women|boys|girls|children|kids|guys|ladies|gentlemen|toddlers|babies|teenagers|teens)\b")
_ONE_BEFORE = re.compile(r"\b(?:an?|one)\s+$")  # "a girls", as some write
# "a ladies hand", as some write who mean one lady's.
_OF_ONE = re.compile(
    r"(?<=s) (?:hands?|fingers?|fingertips?|face|eyes?|hair|head|lips|feet|foot|legs?|arms?|wrist|neck|nails|shoes?|boots?|dress|bag"
    r"|bicycle|bike|room|bedroom|voice|back|shoulders?|smile|portrait)\b(?! (?:a|an|the|at|to|towards?|for|off|in|into|on|from)\b)"
)
_ONE = re.compile(rf"\b(?:an?|one|the)\s+(?:[\w-]+\s+){{0,2}}?{_ONE_PERSON}\b")
_MORE = re.compile(
    r"\b(?:people|persons|crowds?|groups?|teams?|couples?|pairs?|famil(?:y|ies)|friends|others?|another|together|each|both|several|many|some|few|two|three|four|five"
    r"|six|seven|eight|nine|ten|\d+|dozens?|audience|spectators|everyone|everybody|they|their|them|duo|trio|class|band|army|troops?|humans|twins"
    r"|herds?|flocks?|packs?|caravans?|convoys?|lots|rows?|piles?|swarms?|schools?|numerous|various|multiple|full|men|women|boys|girls|children|kids|guys|ladies)\b"
)
_PERSONS = re.compile(r"\b(?:person|man|woman|boy|girl|child|kid|guy|lady|gentleman|toddler|baby|teenager|\w+(?:ers|ors|ists))\b")
_BAND = re.compile(
    r"\b(?:herds?|flocks?|packs?|groups?|pairs?|couples?|teams?|caravans?|convoys?|swarms?|schools?|famil(?:y|ies)|litters?|another|each|both|together|they|their"
    r"|two|three|four|five|six|seven|eight|nine|ten|\d+|dozens?|other)\b"
)
# Of living things the plural says that more than one is asked for.
_LIVING = EXCLUSIVE["animal"]
# A living thing of which only a part is seen: "the hand of a man".
_PARTS = "hands?|foot|feet|legs?|arms?|fingers?|fingertips?|eyes?|ears?|lips|paws?|hoo(?:f|ves)|claws?|footprints?|pawprints?|bones?|skin"
_LIMBS = {"hands": "hand", "feet": "foot", "eyes": "eye", "paws": "paw", "legs": "leg", "arms": "arm", "wings": "wing"}
_LIVE = frozenset([*ACTORS, *_LIVING, "person"])
LIVING_THINGS = "|".join(sorted(_LIVE, key=len, reverse=True))
_PART_OF = re.compile(rf"\b({_PARTS}) of (?:an? |the )?(?:[\w-]+ ){{0,2}}?({LIVING_THINGS})\b")
# "an orange tent": a thing follows that has the colour.
_HUED = re.compile(r"\borange(?:-colou?red)? (?!(?:is|on|in|at|next|beside|with|and|sits|lies|rolls|falls|that|which|has|of)\b)(\w+)")
_FRUITY = frozenset(
    stem(word) for word in listed("fruit slice slices peel juice half halves segment segments tree wedge wedges zest citrus pulp rind")
)
_WHERE = frozenset(["on", "under", "inside"])
_OWN = frozenset(["a", "an", "the", "his", "her", "its", "their"])
# The way through which something goes, bound to the thing: a clip may say both, of two things.
_PASSED = re.compile(r"\b(into|out of) (?:an? |the |its |his |her |their )?([a-z-]+)\b(?: ([a-z-]+)\b)?")
# Animals before which another animal's name makes a cross of the two, and the kinds that are named so.
_CROSSED = frozenset(listed("cat dog horse cow pig rabbit chicken lion elephant bear giraffe panda penguin duck fox"))
_BREEDS = frozenset(["sheep", "wolf", "panda", "koala"])  # a sheep dog is a dog, a panda bear a bear


_LIVE_NAMES = frozenset(folded(word) for word in _LIVE)


def bindings(new: Slots, cached: Slots) -> Iterator[str]:
    yield from _several(new.plain, cached.plain)
    yield from _where(new, cached)
    yield from _crossed(new.plain, cached.plain)
    yield from _passed(new.plain, cached.plain)
    if "orange" in new.values("fruit or vegetable") and only_hue(cached):
        yield "another thing: an orange / orange as a colour"
    for match in _PART_OF.finditer(cached.plain):
        whole = stem(match[2])
        if whole in new.stems and stem(match[1]) not in new.stems and cached.plain.split().count(match[2]) == 1:
            yield f"only a part: {match[2]} / {match.group()}"


def only_hue(cached: Slots) -> bool:
    """True if this prompt in English says "orange" of other things only: "an orange tent" is no orange."""
    if "orange" in cached.values("fruit or vegetable") or "oranges" in cached.stems:
        return False
    worn = _HUED.findall(cached.plain)
    return bool(worn) and len(worn) == cached.plain.split().count("orange") and not {stem(thing) for thing in worn} & _FRUITY


def _several(new: str, cached: str) -> Iterator[str]:
    """People where the clip has one person, animals of a kind where it has one: "people are rowing" / "a man is rowing"."""
    people = next(
        (found for found in _PEOPLE.finditer(new) if not _ONE_BEFORE.search(new[: found.start()]) and not _OF_ONE.match(new, found.end())),
        None,
    )
    if people is not None and len(_PERSONS.findall(cached)) == 1 and _ONE.search(cached) and _MORE.search(cached) is None:
        yield f"how many: {people.group()} / {_PERSONS.findall(cached)[0]}"
    there = cached.split()
    asked = new.split()
    for several, single in _LIMBS.items():
        if several in asked and several not in there and single in there and _BAND.search(cached) is None and there.count(single) == 1:
            yield f"how many: {several} / {single}"
    for at, word in enumerate(asked):
        value = _LIVING.get(word)
        after = asked[at + 1] if at + 1 < len(asked) else "."
        if after.isalpha() and after not in FUNCTION and not after.endswith("ing"):
            continue  # "a dogs tail", as some write
        single = _singular(word)
        if value is None or not single or word in there or single not in there or _BAND.search(cached):
            continue
        if not any(_LIVING.get(other) == value and _singular(other) for other in there):
            yield f"how many: {word} / {single}"


def _singular(word: str) -> str:
    """The one of which `word` is the plural, by the list; "" for what is no plural there."""
    irregular = {"geese": "goose", "mice": "mouse", "wolves": "wolf", "calves": "calf"}
    single = irregular.get(word) or ("".join((word[:-3], "y")) if word.endswith("ies") else word.removesuffix("s"))
    return single if single != word and _LIVING.get(single) == _LIVING.get(word) else ""


def _where(new: Slots, cached: Slots) -> Iterator[str]:
    """On, under or in another thing, though the one asked for is there: "a dog on a sofa" / "a dog on a rug by a sofa"."""
    wanted = _places(new.plain)
    if not wanted:
        return
    there = _places(cached.plain)
    for thing, how, places in wanted:
        place = places[-1]
        if thing not in _LIVE_NAMES:
            continue
        instead = [others for found, by, others in there if (found, by) == (thing, how)]
        if place not in cached.asked or not instead or any(place in others or set(others) & new.asked for others in instead):
            continue
        if not any(found in others and by == how and place in ends for found, by, ends in there for others in instead):
            yield f"{how} what: {place} / {instead[0][-1]}"


@lru_cache(maxsize=32_768)
def _places(plain: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Thing, preposition, and the words of the place, its name last, where they follow one another."""
    tokens = plain.split()
    found = []
    for at, how in enumerate(tokens[1:-1], 1):
        if how not in _WHERE or not tokens[at - 1].isalpha() or tokens[at - 1] in FUNCTION:
            continue
        rest = tokens[at + 1 :]
        start = 1 if rest[0] in _OWN else 0
        end = next((spot for spot in range(start, len(rest)) if not rest[spot].isalpha() or rest[spot] in FUNCTION), len(rest))
        if end > start:
            found.append((folded(tokens[at - 1]), how, tuple(folded(word) for word in rest[start:end])))
    return tuple(found)


def _crossed(new: str, cached: str) -> Iterator[str]:
    """Every mention of the animal asked for follows another's name: "an owl cat" is no cat."""
    asked, there = new.split(), cached.split()
    for animal in _CROSSED.intersection(asked).intersection(there):
        before = [there[at - 1] if at else "" for at, word in enumerate(there) if word == animal]
        kinds = [_LIVING.get(word) for word in before]
        if all(kind is not None and kind != animal for kind in kinds) and not _BREEDS.union(asked).intersection(before):
            yield f"another thing: {animal} / {before[0]} {animal}"


def _passed(new: str, cached: str) -> Iterator[str]:
    """Into a thing, where the clip goes out of it: "backs into a garage from the street" / "reverses out of a garage into the street"."""
    wanted, there = _ways(new), _ways(cached)
    shared = sorted(wanted.keys() & there.keys())
    if shared and not any(wanted[thing] & there[thing] for thing in shared):
        thing = shared[0]
        said = next(word for word in new.split() if stem(word) == thing)
        yield f"into or out of *{said}*: {min(wanted[thing])} / {min(there[thing])}"


def _ways(plain: str) -> dict[str, set[str]]:
    """By thing. Nothing here tells a noun from what stands before it, so both words do."""
    found: dict[str, set[str]] = {}
    for match in _PASSED.finditer(plain):
        for word in match.groups()[1:]:
            if word and word not in FUNCTION:
                found.setdefault(stem(word), set()).add(match[1])
    return found
