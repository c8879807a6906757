"""Things uncertain: almost done, tried, about to be done, or one of two. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.rules.facts import Slots
from cache.matching.rules.words import stem

_KINDS = {
    "almost": r"almost|nearly|narrowly",
    "tries to": r"(?:tr(?:y|ies|ied|ying)|attempt(?:s|ed|ing)?|struggl(?:e|es|ing)|fail(?:s|ed|ing)?|strain(?:s|ing)?) to",
    "about to": r"(?:about|ready|prepar(?:e|es|ed|ing)|going|poised|gett?ing ready|set) to|on the verge of|on the point of",
    "wants to": r"(?:want(?:s|ed|ing)?|hop(?:e|es|ing)|wish(?:es|ing)?|refus(?:e|es|ing)|plan(?:s|ning)?|long(?:s|ing)?|hesitat(?:e|es|ing)) to",
    "pretends to": r"pretend(?:s|ing)? to|seem(?:s|ing)? to|appear(?:s|ing)? to",
}
_ANY = re.compile(
    r"\b(?:" + "|".join(f"(?P<k{at}>{pattern})" for at, pattern in enumerate(_KINDS.values())) + r")\s+(?:\w+ly )?(?:be )?(\w+)"
)
_STILL_AHEAD = re.compile(
    r"\b(?:before|prior to|ahead of|until|preparations? for|prepar(?:e|es|ed|ing) for|(?:ge(?:t|ts|tting) )?(?:ready|set|warm(?:s|ing)? up) for|about to (?:start|begin))"
    r"((?: [a-z'-]+){1,3})"
)
_PURPOSE = re.compile(
    r"\b(?:run|rush|hurr|rac|sprint|dash|reach|jump|leap|lung|div|stretch|lean|bend|chas|queue|wait|line|gather|com|mov|walk|swim|climb|fight|compet)"
    r"(?:s|es|ies|y|e|ing|ning|ying|ming|bing|)(?: (?!to\b)[\w-]+){0,3} to ([a-z]+)"
)
_UNDONE_WORD = re.compile(r"\b(?:fail|try|tries|trying|attempt|almost|nearly)")
_NAMES = tuple(_KINDS)
_EITHER = re.compile(r"\b(?:either (?:an? |the )?)?(?:[\w-]+ )?(\w+) or (?:an? |the |some )?(?:[\w-]+ )??(\w+)\b")
_RATHER = re.compile(r"\b(?:rather than|instead of) (?:an? |the )?(?:\w+ )??(\w+)\b")
_LONG = 30  # words of a prompt in which what is tried may be a side of the scene
_SAME = {"more", "less", "so", "not", "two", "no", "text", "people", "logo", "words"}


def certainty(new: Slots, cached: Slots) -> Iterator[str]:
    wanted, there = _undone(new.plain), _undone(cached.plain)
    for kind, verb in there:
        if (
            len(cached.stems) < _LONG
            and (kind, verb) not in wanted
            and verb in new.stems
            and not any(other == verb for _, other in wanted)
            and not (kind == "about to" and verb in _ahead(new.plain))
            and verb not in _purposes(new.plain)
            and not _UNDONE_WORD.search(new.plain)
        ):
            yield f"done or not: {verb} / {kind} {verb}"
    for kind, verb in wanted:
        if kind not in {one for one, _ in there} and verb in cached.stems and not (kind == "about to" and verb in _ahead(cached.plain)):
            yield f"done or not: {kind} {verb} / {verb}"


def choices(new: Slots, cached: Slots) -> Iterator[str]:
    """A clip made for "a cat or a dog" shows one of them, and nobody knows which."""
    mine = {pair for match in _EITHER.finditer(new.plain) for pair in (stem(match[1]), stem(match[2]))}
    for match in _EITHER.finditer(cached.plain):
        ends = stem(match[1]), stem(match[2])
        if _SAME & {match[1], match[2]} or "no" in cached.plain[: match.start()].split()[-2:] or "without" in cached.plain[: match.end()]:
            continue
        if any(end in new.stems for end in ends) and not mine & set(ends):
            yield f"one or the other: not said / {match.group()}"
    for match in _RATHER.finditer(cached.plain):
        if stem(match[1]) in new.stems and "rather than" not in new.plain and "instead of" not in new.plain:
            yield f"one or the other: {match[1]} / {match.group()}"


@lru_cache(maxsize=32_768)
def _purposes(plain: str) -> frozenset[str]:
    """The purposes for which someone moves, as stems: who runs to catch a bus has not caught it."""
    return frozenset(stem(match[1]) for match in _PURPOSE.finditer(plain))


@lru_cache(maxsize=32_768)
def _ahead(plain: str) -> frozenset[str]:
    """Deeds still to come without a verb that says so, as stems: "before training", "ready for takeoff"."""
    return frozenset(stem(word) for match in _STILL_AHEAD.finditer(plain) for word in match[1].split())


@lru_cache(maxsize=32_768)
def _undone(plain: str) -> tuple[tuple[str, str], ...]:
    found = []
    for match in _ANY.finditer(plain):
        kind = next(name for at, name in enumerate(_NAMES) if match[f"k{at}"])
        found.append((kind, stem(match.group().split()[-1])))
    return tuple(found)
