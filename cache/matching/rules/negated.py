"""Words of which one takes back what the other says: "unshorn" and "shorn", two materials, one and a herd. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.rules.facts import Slots
from cache.matching.rules.lexicon import listed
from cache.matching.rules.plain_words import FUNCTION
from cache.matching.rules.words import folded, stem

_UN = re.compile(r"\b(?:un|non-?)([a-z]{4,})\b")
_IN_ITSELF = re.compile(r"\b(?:(?:un|non-?)([a-z]{4,})|([a-z]{3,})(?:less|-free))\b")
_DENYING = re.compile(
    r"\b(?:not|never|\w+n't|cannot|yet to be|still to be|to be|far from|without being|half|partly|partially|almost|nearly)"
    r"(?: (?:yet|fully|quite|been|being|be|even|completely))*$"
)
_UNDONE_THINGS = frozenset(
    stem(word) for word in listed("box mask button veil cork hook chain lock leash pin saddle buckle crate cap screw string")
)
_NOT_UN = frozenset(["unless", "until", "under", "unity", "union", "unlike", "university", "universe", "unicorn", "uniform", "unique"])
# What a thing is made of, told as such; "made of old wood" is made of wood.
_MADE = re.compile(
    r"\b(?:made|built|carved|woven|constructed|crafted|sculpted|formed|cast|knitted)(?: entirely| completely| only)? (?:of|from|out of) "
    r"((?:[\w-]+ ){0,3}?[\w-]+)"
    r"(?= [,.;:!?(]| (?:and|with|on|in|at|by|that|which|is|are|under|next|near|from|to|as|while|floating|standing|sitting|lying)\b|$)"
)
# Materials of which there are many kinds with names of their own: oak is wood.
_WIDE = frozenset(
    folded(word) for word in listed("wood timber metal stone rock fabric cloth plastic paper material materials food recycled natural")
)
_ALONE = re.compile(r"\b(?:one|(?:a |the )?(?:single|lone|lonely|solitary)) (?:[\w-]+ ){0,2}?([a-z]{3,})\b")
_MANY = (
    r"\b(?:herd|flock|pack|group|swarm|crowd|pair|couple|school|pride|colony|team|troop|row|bunch|dozens|hundreds|thousands|lots) of "
    r"(?:[\w-]+ ){0,2}?"
)


def negated(new: Slots, cached: Slots) -> Iterator[str]:
    yield from _taken_back(new, cached)
    made, there = _materials(new.plain), _materials(cached.plain)
    if made and there and not made & (there | _WIDE) and not made & cached.asked and not there & new.asked:
        yield f"made of: {', '.join(sorted(made))} / {', '.join(sorted(there))}"
    for match in _ALONE.finditer(new.plain):
        many = re.search(rf"{_MANY}{match[1]}(?:s|es)\b", cached.plain)
        if many is not None and _ALONE.search(cached.plain) is None:
            yield f"how many: {match.group()} / {many.group()}"


def _denied(root: str, slots: Slots) -> bool:
    """True if every mention of this word, by its stem, is one that says it is not so: "not yet finished", "still to be painted"."""
    tokens = slots.plain.split()
    places = [at for at, word in enumerate(tokens) if stem(word) == root]
    return bool(places) and all(_DENYING.search(" ".join(tokens[max(0, at - 4) : at])) is not None for at in places)


def _undoing(verb: str, other: Slots) -> bool:
    """True of the doing of "unboxing" or "unmasking" where the other prompt only has the thing: a box, a mask."""
    root = stem(verb)
    told = [word for word in other.plain.split() if stem(word) == root]
    return root in _UNDONE_THINGS and verb.endswith("ing") and not any(word.endswith(("ing", "ed")) for word in told)


def said_otherwise(no: str, new: Slots, cached: Slots) -> bool:
    """True if one word of the clip's prompt denies what follows `no` in the ask: "not paved" / "unpaved", "no clouds" / "cloudless"."""
    tokens = new.plain.split()
    near = next((tokens[at + 1 : at + 5] for at, word in enumerate(tokens) if word == no), [])
    denied_there = {stem(match[1] or match[2]) for match in _IN_ITSELF.finditer(cached.plain)}
    return any(stem(word) in denied_there for word in near if word not in FUNCTION)


def _taken_back(new: Slots, cached: Slots) -> Iterator[str]:
    for one, other, turned in ((new, cached, False), (cached, new, True)):
        for match in _UN.finditer(one.plain):
            root = stem(match[1])
            if match.group() in _NOT_UN or root in one.stems or root not in other.stems or stem(match.group()) in other.stems:
                continue
            if _denied(root, other) or _undoing(match[1], other):
                continue  # "not yet finished" is unfinished, and who unboxes a gift has a box
            said = (match[1], match.group()) if turned else (match.group(), match[1])
            yield f"not so: {said[0]} / {said[1]}"


@lru_cache(maxsize=32_768)
def _materials(plain: str) -> frozenset[str]:
    return frozenset(folded(word) for match in _MADE.finditer(plain) for word in match[1].split() if word not in FUNCTION)
