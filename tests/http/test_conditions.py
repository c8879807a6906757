"""RFC 9110 conditions and ranges, against bytes that are really cut."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import PreconditionFailed, RangeNotSatisfiable
from gateway.http.conditions import ByteRange, BytesToSend, Unchanged, Whole, decide_bytes, http_date, matches, part_of

ETAG = '"abc"'
WRITTEN = 1_700_000_000.75
BEFORE, AT, AFTER = (http_date(WRITTEN + shift).encode() for shift in (-60, 0, 60))

header_bytes = st.binary(max_size=60)
lengths = st.integers(0, 5000)


def decided(length: int = 100, method: str = "GET", **headers: bytes) -> BytesToSend:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return decide_bytes(method, named, ETAG, WRITTEN, length)


@given(st.integers(0, 6000), st.integers(0, 6000), st.integers(1, 5000))
def test_a_range_is_the_bytes_that_it_names(first: int, last: int, length: int) -> None:
    body = bytes(index % 251 for index in range(length))
    header = f"bytes={first}-{last}"
    if first > last:
        assert part_of(header, length) == Whole()
    elif first >= length:
        with pytest.raises(RangeNotSatisfiable) as refused:
            part_of(header, length)
        assert refused.value.length == length
    else:
        part = part_of(header, length)
        assert isinstance(part, ByteRange)
        assert body[part.start : part.stop] == body[first : last + 1]


@given(st.integers(0, 6000), lengths)
def test_a_suffix_is_the_last_bytes(last: int, length: int) -> None:
    if last == 0 or length == 0:
        with pytest.raises(RangeNotSatisfiable):
            part_of(f"bytes=-{last}", length)
    else:
        assert part_of(f"bytes=-{last}", length) == ByteRange(max(0, length - last), length)


@given(st.text(max_size=60) | st.from_regex(r"bytes=[-0-9, \t]{0,30}", fullmatch=True), lengths)
def test_no_range_header_names_bytes_outside(header: str, length: int) -> None:
    try:
        part = part_of(header, length)
    except RangeNotSatisfiable:
        return
    assert part == Whole() or (isinstance(part, ByteRange) and 0 <= part.start < part.stop <= length)


@given(
    st.dictionaries(
        st.sampled_from([b"if-match", b"if-none-match", b"if-range", b"range", b"if-modified-since", b"if-unmodified-since"]), header_bytes
    )
)
def test_no_header_breaks_the_decision(headers: dict[bytes, bytes]) -> None:
    with suppress(PreconditionFailed, RangeNotSatisfiable):
        decide_bytes("GET", headers, ETAG, WRITTEN, 100)


@pytest.mark.parametrize(
    ("header", "outcome"),
    [
        ("bytes=0-", ByteRange(0, 100)),
        ("BYTES = 5-9", ByteRange(5, 10)),
        ("bytes=5-9,", ByteRange(5, 10)),
        ("bytes= 5-9 ", ByteRange(5, 10)),
        ("bytes=5 - 9", Whole()),
        ("bytes=99-1000000000000000000000000", ByteRange(99, 100)),
        ("bytes=0-0,5-9", Whole()),
        ("bytes=", Whole()),
        ("bytes=-", Whole()),
        ("bytes=a-b", Whole()),
        ("bytes=--5", Whole()),
        ("bytes=٣-٤", Whole()),
        ("lines=0-5", Whole()),
        ("0-5", Whole()),
    ],
)
def test_range_headers(header: str, outcome: BytesToSend) -> None:
    assert part_of(header, 100) == outcome


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 4000 + "-"])
def test_ranges_outside(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        part_of(header, 100)


@pytest.mark.parametrize(
    ("header", "weakly", "found"),
    [
        ('"abc"', False, True),
        ('"x", "abc"', False, True),
        ('"x,"abc"', False, False),
        ("*", False, True),
        ('W/"abc"', False, False),
        ('W/"abc"', True, True),
        ('"ABC"', True, False),
        ("abc", True, False),
        ("", True, False),
    ],
)
def test_entity_tags(header: str, weakly: bool, found: bool) -> None:
    assert matches(header, ETAG, weakly) is found


def test_order_of_conditions() -> None:
    assert decided() == Whole()
    assert decided(if_none_match=b'"abc"', range=b"bytes=0-1") == Unchanged()
    assert decided(if_none_match=b'"other"', if_modified_since=AFTER) == Whole(), "a tag outweighs a date"
    assert decided(if_modified_since=AT) == Unchanged()
    assert decided(if_modified_since=BEFORE) == Whole()
    assert decided(if_modified_since=b"yesterday") == Whole()
    assert decided(if_match=b'"abc"', if_unmodified_since=BEFORE) == Whole(), "a tag outweighs a date"
    assert decided(if_unmodified_since=AT) == Whole()
    for name, value in ((b"if-match", b'"other"'), (b"if-match", b'W/"abc"'), (b"if-unmodified-since", BEFORE)):
        with pytest.raises(PreconditionFailed):
            decide_bytes("GET", {name: value, b"if-none-match": b'"abc"'}, ETAG, WRITTEN, 100)


def test_if_range_gives_a_part_only_of_the_same_bytes() -> None:
    part = ByteRange(0, 2)
    for good in (b'"abc"', AT):
        assert decided(range=b"bytes=0-1", if_range=good) == part
    for other in (b'"other"', b'W/"abc"', BEFORE, AFTER, b"nonsense"):
        assert decided(range=b"bytes=0-1", if_range=other) == Whole()
        assert decided(range=b"bytes=500-", if_range=other) == Whole(), "no 416 for a range that does not count"


def test_head_knows_no_range() -> None:
    assert decided(method="HEAD", range=b"bytes=0-1") == Whole()
    assert decided(method="HEAD", if_none_match=b"*") == Unchanged()


def test_old_date_forms_are_read() -> None:
    assert decided(if_modified_since=b"Sunday, 06-Nov-94 08:49:37 GMT") == Whole()
    assert decided(if_modified_since=b"Sun Nov  6 08:49:37 1994") == Whole()
    assert decided(if_modified_since=b"Sat, 06 Nov 2094 08:49:37 GMT") == Unchanged()
