"""Slips of the pen, put right where hardly anything else can be meant. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from cache.matching.reading.vocabulary import lexicon, met, real

_WORD = re.compile(r"(?<![\w'’@#/.&<{\\-])[a-z]{5,}(?![\w'’@/&>}\\-])")
_COMMON = 500  # a word that is hardly ever met is not what someone meant
_VERY_COMMON, _EVERYDAY = 20_000, 100_000  # how often a word is met that another, even a short one, may be a slip of
_WHOLE = 5  # letters of a word that has lost one
_SURER = 10.0  # times as likely as the next guess
_VOWELS = frozenset("aeiou")
_LONG = 7  # letters of a word that a lost or an added letter, or a wrong vowel, leaves plain: "intro" is no "into"
# How likely a slip is: letters that changed places, one letter for two or two for one; a lost or an added letter; a wrong vowel.
_TURNED, _DOUBLED, _LOST, _VOWEL = 10.0, 3.0, 1.0, 0.5


def corrected(text: str) -> str:
    """`text` with misspelt words in lower case put right. Names, rare words and short ones stay as they are."""
    return _WORD.sub(lambda found: _correction(found.group()), text)


def is_slip(word: str, meant: str) -> bool:
    """True if `word` is `meant` with one slip that is often made; both in lower case."""
    return abs(len(word) - len(meant)) <= 1 and meant in lexicon().edit_distance_1(word) and _likely(word, meant) > 0


@lru_cache(maxsize=32_768)
def common_word_meant(word: str) -> str:
    """The very common word that `word`, in lower case and no word itself, is one plain slip away from; "" where it may be a name."""
    if real(word):
        return ""
    guesses = {
        guess: met(guess) * _likely(word, guess) for guess in lexicon().candidates(word) or () if guess.isascii() and guess.isalpha()
    }
    ranked = sorted(guesses, key=lambda guess: (-guesses[guess], guess))
    if not ranked:
        return ""
    best, likely = ranked[0], _likely(word, ranked[0])
    lost = likely == _LOST and (len(word) < _WHOLE or word[-1] != best[-1] or len(word) > len(best))
    if likely < _LOST or lost or word[:-1] == best:
        return ""  # a letter more at its end makes a name: "mucha", "dogg"
    if met(best) < (_EVERYDAY if len(word) < _WHOLE + (likely == _LOST) else _VERY_COMMON):
        return ""  # "tron" is no slip of "torn"
    rest = [guess for guess in ranked[1:] if not _forms_of_one(best, guess)]
    return best if not rest or guesses[best] >= _SURER * guesses[rest[0]] else ""


@lru_cache(maxsize=32_768)
def _correction(word: str) -> str:
    if real(word):
        return word
    if word.endswith("ys") and word[-3] not in _VOWELS and real(word[:-2] + "ies"):
        return word[:-2] + "ies"  # "butterflys" are many
    guesses = {
        guess: met(guess) * _likely(word, guess) for guess in lexicon().candidates(word) or () if guess.isascii() and guess.isalpha()
    }
    ranked = sorted(guesses, key=lambda guess: (-guesses[guess], guess))
    if not ranked or guesses[ranked[0]] <= 0 or met(ranked[0]) < _COMMON or not _plain(word, ranked[0]):
        return word
    best = ranked[0]
    rest = [guess for guess in ranked[1:] if not _forms_of_one(best, guess)]
    return best if not rest or guesses[best] >= _SURER * guesses[rest[0]] else word


def _forms_of_one(one: str, other: str) -> bool:
    """True if they are one word with two endings, such as "beautiful" and "beautifully"."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and long[len(short) :] in {"s", "ly", "d", "y"}


def _likely(word: str, guess: str) -> float:
    """0 for slips that are hardly ever made: another first letter, another consonant."""
    if word[0] != guess[0]:
        return 0.0
    at = _parting(word, guess)
    if len(word) == len(guess):
        if word[at : at + 2] == guess[at : at + 2][::-1]:
            return _TURNED
        return _VOWEL if word[at] in _VOWELS and guess[at] in _VOWELS else 0.0
    if word.endswith("eing") and guess == word[:-4] + "ing":
        return _TURNED
    long = word if len(word) > len(guess) else guess
    return _DOUBLED if long[at] == long[at - 1] or long[at : at + 2] == long[at] * 2 else _LOST


def _plain(word: str, guess: str) -> bool:
    """True if the slip is of the plainest kinds, or the word long enough for any."""
    return len(word) >= _LONG + (len(word) == len(guess)) or _likely(word, guess) > _LOST


def _parting(one: str, other: str) -> int:
    return next((at for at, (here, there) in enumerate(zip(one, other, strict=False)) if here != there), min(len(one), len(other)))
