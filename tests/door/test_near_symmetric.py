"""REPRISE_NEAR_SYMMETRIC through the front door: a clip that shows more than was asked answers nobody."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer

WORDS = "two children build a sandcastle on a beach"
MORE = f"{WORDS}. three soldiers march through a ruined city"
SAME = "Two children are building a sandcastle on a beach"


@pytest.mark.parametrize(("symmetric", "verdict"), [(False, "near"), (True, "miss")])
def test_who_shows_more(start: StartServer, symmetric: bool, verdict: str) -> None:
    live = start(NEAR_SYMMETRIC=symmetric)
    live.made(MORE, steps=2)
    told = live.made(WORDS, steps=2)["reprise"]
    assert told["verdict"] == verdict
    if symmetric:
        assert told["refused"][0]["reason"].startswith("the clip shows more: ")
        assert live.made(SAME, steps=2)["reprise"]["verdict"] == "near", "other words for the same are no more than was asked"
