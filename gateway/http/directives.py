"""Directives for the cache in a request's headers: RFC 9111 request directives and RFC 7240 `Prefer: wait`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache.errors import Invalid
from gateway.answering.ask import NONE_SAID, Directives

LONGEST_AGE = 2**31  # RFC 9111, 1.2.2: a larger number of seconds means this one

_SPACE = " \t"
_DIGITS = re.compile(r"[0-9]+")
# A member ends at the separator, unless that stands inside quotation marks. Each alternative starts with another
# character, so no input makes this backtrack.
_MEMBERS = {mark: re.compile(rf'(?:[^{mark}"]|"(?:[^"\\]|\\.)*"?)+') for mark in ",;"}


def cache_control(header: str | None) -> Directives:
    """The directives of Cache-Control. Unknown ones (max-stale, min-fresh, no-transform, private) are ignored, as RFC 9111 asks.

    Raises Invalid for a max-age without a number of seconds: guessing would serve an unwanted clip or render needlessly.
    Of several the strictest counts.
    """
    if header is None:
        return NONE_SAID
    words: set[str] = set()
    ages: list[int] = []
    for name, argument in _pairs(header, ","):
        words.add(name)
        if name == "max-age":
            seconds = _seconds(argument)
            if seconds is None:
                raise Invalid("Cache-Control", "max-age must be a whole number of seconds: max-age=60")
            ages.append(seconds)
    return Directives("no-cache" in words, "no-store" in words, "only-if-cached" in words, min(ages, default=None))


def preferred_wait(header: str | None) -> int | None:
    """Seconds of `wait=N`; None where it is absent or cannot be understood: a preference never makes a request fail.

    The first of several counts (RFC 7240, 2).
    """
    if header is None:
        return None
    for preference in _MEMBERS[","].findall(header):
        for name, argument in _pairs(preference, ";"):
            if name == "wait":
                return _seconds(argument)
            break  # what follows a `;` are parameters of this preference
    return None


def _pairs(text: str, separator: str) -> Iterator[tuple[str, str | None]]:
    for member in _MEMBERS[separator].findall(text):
        name, equals, argument = member.partition("=")
        name = name.strip(_SPACE).lower()
        if name:
            yield name, _unquoted(argument.strip(_SPACE)) if equals else None


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _seconds(argument: str | None) -> int | None:
    if argument is None or not _DIGITS.fullmatch(argument):
        return None
    digits = argument.lstrip("0")
    return LONGEST_AGE if len(digits) > 10 else min(int(digits or "0"), LONGEST_AGE)
