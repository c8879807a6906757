"""Words that must not stay: looked for in the database's files, the objects and the log, as a thief would."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.live import Live

STEPS = 4
RARE, UNWANTED = "xylographic", "quokkapelt"  # words that stand nowhere else


def where(live: Live, *words: str) -> list[str]:
    """Files that hold one of `words`, in whatever case or encoding that a database uses."""
    found = []
    for file in sorted(live.folder.rglob("*")):
        if file.is_file():
            held = file.read_bytes().lower()
            found += [file.name for word in words if word.encode() in held or word.encode("utf-16-le") in held]
    return found


def soon(live: Live, holds: Callable[[list[str]], bool], *words: str) -> list[str]:
    until = time.monotonic() + 20
    while not holds(found := where(live, *words)):
        if time.monotonic() > until:
            return found
        time.sleep(0.3)
    return found


def gone(found: list[str]) -> bool:
    return found == []


def private(live: Live, words: str, **fields: Any) -> dict[str, Any]:
    return live.made(words, steps=STEPS, headers={"Cache-Control": "no-store"}, **fields)


def test_the_search_finds_what_is_kept(start: StartServer) -> None:
    live = start()
    live.made(f"a red {RARE} ball", steps=STEPS, negative_prompt=UNWANTED)
    assert soon(live, lambda found: len(found) >= 2, RARE, UNWANTED)


def test_no_store_leaves_nothing_after_the_first_download(start: StartServer) -> None:
    live = start()
    video = private(live, f"a red {RARE} ball", negative_prompt=UNWANTED)
    assert video["prompt"] is None
    assert len(live.objects()) > 0
    told = httpx.head(f"{live.url}/v1/videos/{video['id']}/content")
    assert (told.status_code, told.headers["cache-control"]) == (200, "no-store")
    assert len(live.content(video["id"])) > 100
    until = time.monotonic() + 10
    while live.objects() and time.monotonic() < until:
        time.sleep(0.1)
    assert live.objects() == []
    assert httpx.get(f"{live.url}/v1/videos/{video['id']}/content").status_code == 410
    assert soon(live, gone, RARE, UNWANTED) == []
    # A crash later nothing has come back.
    live.kill()
    live.start()
    assert soon(live, gone, RARE, UNWANTED) == []


def test_no_store_that_was_cancelled_leaves_nothing(start: StartServer) -> None:
    live = start()
    answer = httpx.post(
        f"{live.url}/v1/videos",
        json={"prompt": f"a slow {RARE} ball", "steps": 50, "negative_prompt": UNWANTED},
        headers={"Cache-Control": "no-store"},
        timeout=60,
    )
    httpx.post(f"{live.url}/v1/videos/{answer.json()['id']}/cancel")
    assert soon(live, gone, RARE, UNWANTED) == []


def test_erasing_removes_the_words_everywhere(start: StartServer) -> None:
    live = start()
    words = f"a red {RARE} ball"
    first = live.made(words, steps=STEPS, negative_prompt=UNWANTED)
    again = live.post(f"A red  {RARE} ball.", steps=STEPS, negative_prompt=UNWANTED)
    assert again["reprise"]["verdict"] == "exact"
    httpx.delete(f"{live.url}/v1/videos/{first['id']}")
    assert httpx.delete(f"{live.url}/v1/videos/{again['id']}?erase=true").status_code == 200
    assert soon(live, gone, RARE, UNWANTED) == []
    assert live.objects() == []


def test_erasing_leaves_others_their_spec(start: StartServer) -> None:
    live = start()
    first = live.made(f"a red {RARE} ball", steps=STEPS, negative_prompt=UNWANTED)
    again = live.post(f"a red {RARE} ball", steps=STEPS, negative_prompt=UNWANTED)
    spec = live.content(again["id"])
    assert httpx.delete(f"{live.url}/v1/videos/{first['id']}?erase=true").status_code == 200
    assert live.get(again["id"])["prompt"] is None
    assert live.content(again["id"]) == spec
    assert soon(live, gone, RARE) == []


@pytest.mark.parametrize("waits", [True, False])
def test_prompts_kept_as_digests_are_nowhere_to_be_read(start: StartServer, waits: bool) -> None:
    live = start(KEEP_PROMPTS="hash")
    words = f"a red {RARE} ball"
    first = live.made(words, steps=STEPS, negative_prompt=UNWANTED) if waits else live.finished(
        live.post(words, steps=STEPS, negative_prompt=UNWANTED)
    )  # fmt: skip
    assert first["prompt"] is None
    again = live.post(words, steps=STEPS, negative_prompt=UNWANTED)
    assert (again["reprise"]["verdict"], again["reprise"]["clip"]) == ("exact", first["reprise"]["clip"])
    assert live.made(f"the red {RARE} ball", steps=STEPS, negative_prompt=UNWANTED)["reprise"]["verdict"] == "miss", "no near hits"
    assert soon(live, gone, RARE, UNWANTED) == []


@pytest.mark.parametrize("kept", ["text", "hash"])
def test_a_plan_keeps_no_words_that_must_not_stay(start: StartServer, kept: str) -> None:
    live = start(KEEP_PROMPTS=kept)
    rows = [{"prompt": f"a red {RARE} ball", "steps": STEPS, "negative_prompt": UNWANTED}]
    plan = httpx.post(f"{live.url}/admin/api/plans", json={"prompts": rows, "start": True}, timeout=60).json()["plan"]
    until = time.monotonic() + 60
    while plan["state"] != "done" and time.monotonic() < until:
        time.sleep(0.2)
        plan = httpx.get(f"{live.url}/admin/api/plans/{plan['id']}", timeout=60).json()
    assert plan["counts"]["made"] == 1, plan
    if kept == "text":
        assert soon(live, lambda found: len(found) > 0, RARE)
        asked = live.post(f"A red {RARE} ball", steps=STEPS, negative_prompt=UNWANTED)
        assert asked["reprise"]["verdict"] == "exact"
        assert httpx.delete(f"{live.url}/v1/videos/{asked['id']}?erase=true", timeout=60).status_code == 200
        assert live.objects() == []
    assert soon(live, gone, RARE, UNWANTED) == []
