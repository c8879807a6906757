"""Feedback through the front door: a clip that a person refused is not served for those words again."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.live import Live

STEPS = 2
CACHED = {"Cache-Control": "only-if-cached"}


def rate(live: Live, video: dict[str, Any], satisfied: bool) -> None:
    told = httpx.post(f"{live.url}/v1/videos/{video['id']}/feedback", json={"satisfied": satisfied}, timeout=30)
    assert told.status_code == 200, told.text


def refused(video: dict[str, Any]) -> list[str]:
    return [one["reason"] for one in video["reprise"]["refused"]]


def cached(live: Live, prompt: str) -> httpx.Response:
    return httpx.post(f"{live.url}/v1/videos", json={"prompt": prompt, "steps": STEPS}, headers=CACHED, timeout=30)


def test_a_refused_exact_hit_gives_way_to_the_next_take(live: Live) -> None:
    words = "a red ball rolling over sand"
    first = live.made(words, steps=STEPS)
    hit = live.post(words, steps=STEPS)
    assert hit["reprise"]["verdict"] == "exact"
    rate(live, hit, satisfied=False)
    assert cached(live, words).status_code == 504
    second = live.made(words, steps=STEPS)
    assert (second["reprise"]["verdict"], second["reprise"]["take"]) == ("miss", 1)
    assert refused(second)[0] == "a person said that this clip does not fit"
    third = live.post(words, steps=STEPS)
    assert (third["reprise"]["verdict"], third["reprise"]["clip"]) == ("exact", second["reprise"]["clip"])
    assert live.content(first["id"]) == live.content(hit["id"]) != live.content(third["id"]), "who holds the first keeps it"
    rate(live, third, satisfied=False)
    assert live.made(words, steps=STEPS)["reprise"]["take"] == 2


def test_who_takes_it_back_gets_the_clip_again(live: Live) -> None:
    words = "a blue star falling at night"
    own = live.made(words, steps=STEPS)
    rate(live, own, satisfied=False)
    assert cached(live, words).status_code == 504, "said of one's own miss it holds as well"
    rate(live, own, satisfied=True)
    again = cached(live, words).json()
    assert (again["reprise"]["verdict"], again["reprise"]["clip"], refused(again)) == ("exact", own["reprise"]["clip"], [])
    rate(live, again, satisfied=False)
    assert cached(live, words).status_code == 504, "the latest word counts"


def test_a_refused_clip_still_answers_other_words_and_its_own_seed(live: Live) -> None:
    pinned = live.made("a green ring spinning on water", steps=STEPS, seed=5)
    assert live.post("a green ring spinning on water", steps=STEPS)["reprise"]["clip"] == pinned["reprise"]["clip"]
    rate(live, pinned, satisfied=False)
    other = cached(live, "the green ring is spinning on water").json()
    assert (other["reprise"]["verdict"], other["reprise"]["clip"]) == ("near", pinned["reprise"]["clip"])
    same = live.post("a green ring spinning on water", steps=STEPS, seed=5)
    assert (same["reprise"]["verdict"], same["reprise"]["clip"]) == ("exact", pinned["reprise"]["clip"])
    fresh = live.made("a green ring spinning on water", steps=STEPS)
    assert (fresh["reprise"]["verdict"], fresh["reprise"]["take"]) == ("miss", 0)
    assert fresh["reprise"]["clip"] != pinned["reprise"]["clip"]


def test_a_repeated_call_under_its_idempotency_key_goes_by_what_was_said_meanwhile(live: Live) -> None:
    """Of a new key the clip is looked at again in the transaction itself."""
    words = "a white cube turning on a table"
    rate(live, live.made(words, steps=STEPS), satisfied=False)
    new = live.post(words, headers={"Idempotency-Key": "cube-1", "Prefer": "wait=30"}, steps=STEPS)
    assert new["reprise"]["verdict"] == "miss"
    again = live.post(words, headers={"Idempotency-Key": "cube-1"}, steps=STEPS)
    assert again["id"] == new["id"]


def gives_way(server: Live, words: str) -> None:
    rate(server, server.made(words, steps=STEPS), satisfied=False)
    after = server.made(words, steps=STEPS)
    assert (after["reprise"]["verdict"], after["reprise"]["take"]) == ("miss", 1)
    assert refused(after)[0] == "a person said that this clip does not fit"


def test_it_holds_for_words_that_nobody_can_read(live: Live) -> None:
    gives_way(live, "ein roter Kasten fährt über die Straße")


@pytest.mark.parametrize("settings", [{"near": "false"}, {"keep_prompts": "hash"}])
def test_it_holds_where_nothing_is_near(start: StartServer, settings: dict[str, str]) -> None:
    gives_way(start(**settings), "a red box")


def test_a_plan_makes_what_a_person_refused(live: Live) -> None:
    words = "a yellow kite over the sea"
    own = live.made(words, steps=STEPS)
    rate(live, own, satisfied=False)
    plan = {"prompts": [{"prompt": words, "steps": STEPS}], "start": True}
    started = httpx.post(f"{live.url}/admin/api/plans", json=plan, timeout=30).json()["plan"]
    while (now := httpx.get(f"{live.url}/admin/api/plans/{started['id']}", timeout=30).json())["state"] == "running":
        time.sleep(0.1)
    assert (now["counts"]["made"], now["counts"]["hit"]) == (1, 0)
    assert cached(live, words).json()["reprise"]["take"] == 1
