"""RFC 9111 request directives and RFC 7240 preferences, as clients really write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import Invalid
from gateway.answering.ask import NONE_SAID, Directives
from gateway.http.directives import LONGEST_AGE, cache_control, preferred_wait

header_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=200)
spaces = st.sampled_from(["", " ", "\t", "  "])
ours = st.builds(Directives, st.booleans(), st.booleans(), st.booleans(), st.none() | st.integers(0, LONGEST_AGE))
foreign = st.sampled_from(["max-stale", "max-stale=5", "min-fresh=3", "no-transform", 'x="a, no-cache"', 'y="a\\", no-store"', "=", ""])


def written(said: Directives) -> list[str]:
    words = [name for name, on in (("no-cache", said.no_cache), ("No-Store", said.no_store), ("only-if-cached", said.only_if_cached)) if on]
    return words + ([] if said.max_age is None else [f"max-age={said.max_age}"])


@given(ours, st.lists(foreign), st.randoms(use_true_random=False), spaces)
def test_what_is_written_is_read_whatever_stands_around_it(said: Directives, others: list[str], order: object, space: str) -> None:
    members = written(said) + others
    order.shuffle(members)  # type: ignore[attr-defined]
    assert cache_control(f"{space},{space}".join(members)) == said


@given(header_text)
def test_no_header_text_breaks_either_parser(text: str) -> None:
    wait = preferred_wait(text)
    assert wait is None or 0 <= wait <= LONGEST_AGE
    try:
        found = cache_control(text)
    except Invalid as error:
        assert error.field == "Cache-Control"
    else:
        assert found.max_age is None or 0 <= found.max_age <= LONGEST_AGE


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, NONE_SAID),
        ("", NONE_SAID),
        ("no-cache", Directives(no_cache=True)),
        ("NO-CACHE , max-age = 5", Directives(no_cache=True, max_age=5)),
        ('no-cache="field"', Directives(no_cache=True)),
        ('max-age="60"', Directives(max_age=60)),
        ("max-age=60, max-age=5", Directives(max_age=5)),
        ("max-age=" + "9" * 5000, Directives(max_age=LONGEST_AGE)),
        ("max-age=0000000000000000007", Directives(max_age=7)),
        ('private="no-store, max-age=1"', NONE_SAID),
        ("max-stale", NONE_SAID),
    ],
)
def test_cache_control(header: str | None, said: Directives) -> None:
    assert cache_control(header) == said


@pytest.mark.parametrize(
    "header", ["max-age", "max-age=", "max-age=-1", "max-age=5.5", "max-age=soon", "max-age=٣", 'max-age="', "max-age=5 6"]
)
def test_an_age_that_is_no_number_is_refused(header: str) -> None:
    with pytest.raises(Invalid) as refused:
        cache_control(header)
    assert refused.value.field == "Cache-Control"


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("wait=20", 20),
        ("respond-async, wait=20", 20),
        ("respond-async; x=1 , Wait = 20; y", 20),
        ('wait="7"', 7),
        ("wait=3, wait=9", 3),
        ("respond-async; wait=20", None),
        ('x="wait=9, wait=8"', None),
        ("wait", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=99999999999999", LONGEST_AGE),
    ],
)
def test_prefer(header: str | None, wait: int | None) -> None:
    assert preferred_wait(header) == wait


def test_hostile_headers_take_linear_time() -> None:
    for text in ('"' * 60_000, '"\\' * 30_000, ", " * 30_000, 'a="' + "\\" * 60_000):
        cache_control(text)
        preferred_wait(text)
