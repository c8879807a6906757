"""The order of parts told one after the other: "A. Then B." is not "B. Then A." Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.rules.facts import Slots
from cache.matching.rules.plain_words import FUNCTION
from cache.matching.rules.words import stem

_THEN = re.compile(
    r"(?:[.;,!?]\s*)?\b(?:and )?(?:then|next|afterwards?|after that|finally|followed by|cut to|cuts to|dissolves? (?:in)?to)\b\s*,?"
)
_LEAST = 0.5  # of its words that a part must share with another to be told again there
# The labelled places of one picture.
_PLACE = re.compile(
    r"\b(foreground|background|left|right|top|bottom|agent|patient|subject|object|first|last|before|after|start|end|from|to)\s*:\s*([^,.;:|]+)"
)


def parts(new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = _parts(new.plain), _parts(cached.plain)
    if len(wanted) > 1 and len(there) > 1:
        places = [_place(part, there) for part in wanted]
        told = [place for place in places if place is not None]
        if told != sorted(told):
            yield "order of parts: told in another order"
    mine, others = _labelled(new.written), _labelled(cached.written)
    for label, words in mine.items():
        if label in others and not words & others[label] and any(words & said for other, said in others.items() if other != label):
            yield f"what is {label}: {' '.join(sorted(words))} / {' '.join(sorted(others[label]))}"


def _place(part: frozenset[str], there: tuple[frozenset[str], ...]) -> int | None:
    """The part that tells the same best; None where two do, or none."""
    shares = [len(part & other) / max(1, min(len(part), len(other))) for other in there]
    best = max(shares)
    return shares.index(best) if best >= _LEAST and shares.count(best) == 1 else None


@lru_cache(maxsize=32_768)
def _parts(plain: str) -> tuple[frozenset[str], ...]:
    if _THEN.search(plain) is None:
        return ()
    found = [frozenset(stem(word) for word in re.findall(r"[\w'-]+", part) if word not in FUNCTION) for part in _THEN.split(plain)]
    return tuple(part for part in found if part)


@lru_cache(maxsize=32_768)
def _labelled(written: str) -> dict[str, frozenset[str]]:
    if ":" not in written:
        return {}
    return {
        label: frozenset(stem(word) for word in re.findall(r"\w+", said) if word not in FUNCTION) for label, said in _PLACE.findall(written)
    }
