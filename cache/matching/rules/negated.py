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


def _taken_back(new: Slots, cached: Slots) -> Iterator[str]:
    for one, other, turned in ((new, cached, False), (cached, new, True)):
        for match in _UN.finditer(one.plain):
            root = stem(match[1])
            if match.group() in _NOT_UN or root in one.stems or root not in other.stems or stem(match.group()) in other.stems:
                continue
            said = (match[1], match.group()) if turned else (match.group(), match[1])
            yield f"not so: {said[0]} / {said[1]}"


@lru_cache(maxsize=32_768)
def _materials(plain: str) -> frozenset[str]:
    return frozenset(folded(word) for match in _MADE.finditer(plain) for word in match[1].split() if word not in FUNCTION)
