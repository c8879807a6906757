"""Conditional and range requests (RFC 9110): are stored bytes sent whole, in part, or not at all? Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime

from cache.errors import PreconditionFailed, RangeNotSatisfiable

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
_LARGEST = 10**18  # a longer number lies outside every object


@dataclass(frozen=True)
class Whole:
    """200."""


@dataclass(frozen=True)
class ByteRange:
    """206: bytes start to stop, stop excluded."""

    start: int
    stop: int


@dataclass(frozen=True)
class Unchanged:
    """304: the client's copy is good."""


BytesToSend = Whole | ByteRange | Unchanged


def decide_bytes(method: str, headers: Mapping[bytes, bytes], etag: str, modified: float, length: int) -> BytesToSend:
    """Decides in the order of RFC 9110, 13.2.2. `etag`: a strong tag with its quotation marks; `modified`: Unix seconds.

    Raises PreconditionFailed or RangeNotSatisfiable. Unparsable headers are ignored, as the RFC asks; several ranges
    get the whole.
    """
    written = int(modified)
    if_match, if_none_match = _text(headers, b"if-match"), _text(headers, b"if-none-match")
    if if_match is not None:
        if not matches(if_match, etag, weakly=False):
            raise PreconditionFailed("If-Match does not name the current bytes")
    else:
        unmodified_since = _date(_text(headers, b"if-unmodified-since"))
        if unmodified_since is not None and written > unmodified_since:
            raise PreconditionFailed("the bytes were written after If-Unmodified-Since")
    if if_none_match is not None:
        if matches(if_none_match, etag, weakly=True):
            return Unchanged()
    else:
        modified_since = _date(_text(headers, b"if-modified-since"))
        if modified_since is not None and written <= modified_since:
            return Unchanged()
    asked = _text(headers, b"range")
    if asked is None or method != "GET" or not _same_bytes(_text(headers, b"if-range"), etag, written):
        return Whole()
    return part_of(asked, length)


def part_of(header: str, length: int) -> Whole | ByteRange:
    """The one range that `header` asks of `length` bytes; Whole if it asks for several or in another unit."""
    unit, equals, ranges = header.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return Whole()
    asked = [one.strip(" \t") for one in ranges.split(",")]
    asked = [one for one in asked if one]
    found = _RANGE.fullmatch(asked[0]) if len(asked) == 1 else None
    if found is None or found.groups() == ("", ""):
        return Whole()
    first, last = found.groups()
    if not first:
        start, stop = max(0, length - _number(last)), length
    else:
        start, stop = _number(first), length if not last else min(_number(last) + 1, length)
        if last and _number(last) < _number(first):
            return Whole()  # no range at all, so the header is invalid and does not count
    if start >= length or start >= stop:
        raise RangeNotSatisfiable(length)
    return ByteRange(start, stop)


def matches(header: str, etag: str, weakly: bool) -> bool:
    """True if a list of entity tags, or `*`, contains `etag`. A weak tag counts only in a weak comparison."""
    if header.strip(" \t") == "*":
        return True
    tags = _TAG.findall(header)
    return etag in tags or (weakly and f"W/{etag}" in tags)


def http_date(seconds: float) -> str:
    return formatdate(int(seconds), usegmt=True)


def _same_bytes(if_range: str | None, etag: str, written: int) -> bool:
    """True if If-Range names the same bytes: by a strong tag, or by exactly the date that we sent."""
    if if_range is None:
        return True
    if_range = if_range.strip(" \t")
    return if_range == etag if '"' in if_range else _date(if_range) == written


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    found = headers.get(name)
    return None if found is None else found.decode("latin-1")


def _date(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone is one of the two old forms, which are in GMT.
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _number(digits: str) -> int:
    return _LARGEST if len(digits) > 18 else int(digits)
