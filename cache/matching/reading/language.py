"""The language of a prompt in Latin letters: English or not, by how many of its words are; the judge reads no other such language. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from cache.matching.reading.spelling import corrected
from cache.matching.reading.vocabulary import english

_LATIN = "A-Za-z\u00c0-\u024f\u1e00-\u1eff"  # whether another script can be read is the encoder's affair
_WORD = re.compile(rf"[{_LATIN}]+(?:['’-][{_LATIN}]+)*")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|(?<!\w)'[^']*'(?!\w)|<[^>]*>")
_SHARE = 0.5  # of its words that are English; no more, and it is read as another language
_GRAMMAR = frozenset(["and", "with", "the", "at", "of", "is", "are", "from", "by", "while"])  # these make half enough
_LEAST = 2  # unknown words; one alone may be a dish or a name


@lru_cache(maxsize=32_768)
def is_english(text: str) -> bool:
    """Names do not count, nor what is to be shown as text: "Vjosa pluhet" on a sign makes no prompt Albanian."""
    shouted = text == text.upper()
    found = [word for word in _WORD.findall(_QUOTED.sub(" ", text)) if shouted or word[0] == word[0].lower() or text.startswith(word)]
    unknown = [word for word in found if not _english(word.lower().replace("’", "'"))]
    most = len(found) * (1 - _SHARE)
    return len(unknown) < _LEAST or len(unknown) < most or (len(unknown) == most and any(word in _GRAMMAR for word in found))


def _english(word: str) -> bool:
    word = word.removesuffix("'s")
    return english(word) or (word.isascii() and corrected(word) != word)
