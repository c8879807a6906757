"""A misspelt word beside the right one: what a prompt by itself leaves open, the other prompt of the pair tells. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from cache.matching.reading.spelling import is_slip
from cache.matching.reading.vocabulary import real
from cache.prompt import is_chinese

# In lower case, or the first word of all: others are names, and "Jhon" may be one. No part of a file name, an address or a tag.
_WORD = re.compile(r"(?:^|(?<=\s))['\"(]?([a-z]{4,}|(?<![\s\S])[A-Z][a-z]{3,})(?=[\s,.;:!?)\"]|'(?!\w)|$)")


@lru_cache(maxsize=16_384)
def mended(new: str, cached: str) -> tuple[str, str]:
    """Both prompts, each with the words put right that are no words and one slip away from a word of the other.

    "a viking ship in a fjrod" is of a fjord if the other is. By itself such a word stays as it is (`spelling.corrected`), since a rare
    or a short one may be a name. A fixed point.
    """
    if is_chinese(new) or is_chinese(cached):
        return new, cached
    there, here = _words(cached), _words(new)
    return _by(new, there - here), _by(cached, here - there)


def _words(text: str) -> frozenset[str]:
    return frozenset(found.lower() for found in _WORD.findall(text))


def _by(text: str, others: frozenset[str]) -> str:
    def put_right(found: re.Match[str]) -> str:
        word = found[1]
        if real(word.lower()):
            return found[0]
        meant = [other for other in others if is_slip(word.lower(), other) and real(other)]
        if len(meant) != 1:
            return found[0]
        right = meant[0].capitalize() if word[0].isupper() else meant[0]
        return found[0].replace(word, right)

    return _WORD.sub(put_right, text) if others else text
