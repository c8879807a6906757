"""A prompt as words: tokens, stems, and what stands in quotation marks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from cache.matching.rules.plain_words import FOREIGN, FUNCTION, SYNONYMS

_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|「([^」]+)」|(?<![\w'])'([^']{2,})'(?![\w'])")
_TOKEN = re.compile(r"-?\d+(?:[.,:]\d+)*(?:[a-z°%]+)?|[^\W\d_]+(?:['’-][^\W_]+)*|[.,;:!?()]")
_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "geese": "goose", "mice": "mouse",
    "teeth": "tooth", "wolves": "wolf", "knives": "knife", "leaves": "leaf", "calves": "calf", "loaves": "loaf",
    "ran": "run", "sat": "sit", "stood": "stand", "rode": "rid", "ridden": "rid", "ate": "eat", "eaten": "eat", "held": "hold",
    "flew": "fly", "swam": "swim", "wore": "wear", "worn": "wear", "took": "tak", "taken": "tak", "gave": "giv",
    "given": "giv", "went": "go", "gone": "go", "goes": "go", "came": "com", "threw": "throw", "thrown": "throw", "caught": "catch",
    "drove": "driv", "driven": "driv", "fell": "fall", "fallen": "fall", "left": "left", "lying": "lie", "lies": "lie",
    "lay": "lie", "laying": "lie", "lain": "lie", "sang": "sing", "drank": "drink", "spoke": "speak", "wrote": "writ",
    "written": "writ", "broke": "break", "broken": "break", "built": "build", "sleeping": "sleep", "slept": "sleep",
    "dying": "die", "tying": "tie", "this": "this", "his": "his", "is": "is", "was": "was", "has": "has", "does": "do",
    "during": "during", "red": "red", "bed": "bed", "morning": "morning", "evening": "evening", "building": "building",
    "ceiling": "ceiling", "clothing": "cloth", "clothes": "cloth", "nothing": "nothing", "something": "something", "wedding": "wedding",
    "painting": "paint", "glasses": "glass", "grass": "grass", "gas": "gas", "bus": "bus", "buses": "bus", "lens": "lens",
    "species": "species", "series": "series", "news": "news", "across": "across", "shed": "shed", "hundred": "hundred", "seed": "seed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """`is_mark`: punctuation. `is_content`: neither that nor a function word."""

    text: str
    stem: str
    capital: bool
    is_mark: bool
    is_content: bool


@lru_cache(maxsize=40_000)
def word(text: str, capital: bool = False) -> Word:
    mark = not (text[0].isalnum() or text[0] == "-")
    return Word(text, stem(text), capital, mark, not mark and text not in FUNCTION)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """One key for the forms of a word ("rides", "riding", "ride"). A key, not always a word."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if not word.isascii() or len(word) < 4 or not word.isalpha():
        return word
    if word.endswith(("ies", "ied")) and len(word) > 4:
        return word[:-3] + "y"
    for suffix in ("ing", "ed"):
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) >= 2 and re.search("[aeiouy]", rest) and not word.endswith(("eed", "thing")):
            if len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "lsz":
                rest = rest[:-1]
            return rest.removesuffix("e")
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def folded(word: str) -> str:
    """The stem of the word that it is a synonym of, or its own."""
    return _FOLDED.get(stem(word), stem(word))


_FOLDED = {stem(word): stem(value) for word, value in SYNONYMS.items()}


def quotations(text: str) -> tuple[str, ...]:
    return tuple(" ".join(next(part for part in match if part).split()) for match in _QUOTED.findall(text))


def words(text: str) -> list[Word]:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
    lower = text.lower()
    as_written = text if len(text) == len(lower) else lower
    found: list[Word] = []
    for match in _TOKEN.finditer(lower):
        token = match.group()
        if token.endswith("'s"):
            token = token[:-2]
        found.append(word(token, as_written[match.start()].isupper()))
    return found


def is_foreign(tokens: list[Word]) -> bool:
    """Latin letters, but more function words of other languages than of English."""
    return sum(token.text in FOREIGN for token in tokens) > sum(token.text in FUNCTION for token in tokens)
