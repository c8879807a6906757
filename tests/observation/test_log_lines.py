"""Log lines of a live server after traffic with secrets and prompts: whose they are, and what they never hold."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.live import NO_WARM_UP, PATIENCE, Live

pytestmark = pytest.mark.timeout(600)  # on two cores that may be busy

ADMIN, WRONG = "an-admin-key-of-this-very-test", "a-key-that-nobody-ever-made-4711"
WORDS = "an ultramarine pelican tap-dancing on a xylophone"
SAID = ("pelican", "xylophone", ADMIN, WRONG)
JSON = {"Content-Type": "application/json"}
BODY = {"prompt": WORDS, "steps": 2}


def ask(live: Live, name: str, headers: Mapping[str, str] | None = None, **sent: object) -> httpx.Response:
    sent_headers = {"Authorization": f"Bearer {ADMIN}", "X-Request-Id": name, **(headers or {})}
    return httpx.post(f"{live.url}/v1/videos", headers=sent_headers, timeout=PATIENCE, **sent)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def answers(live: Live) -> dict[str, httpx.Response]:
    """Of all kinds of calls, by their ids. The server is stopped after them, so that its log is whole."""
    while (made := ask(live, "call-made", {"Prefer": "wait=30"}, json=BODY)).json()["status"] in {"queued", "in_progress"}:
        continue
    told = {
        "call-made": made,
        "call-hit": ask(live, "call-hit", json=BODY),
        "call-field": ask(live, "call-field", json={"prompt": WORDS, WORDS: 1}),
        "call-long": ask(live, "call-long", json={"prompt": WORDS * 200}),
        "call-broken": ask(live, "call-broken", JSON, content=f'{{"prompt": "{WORDS}'.encode()),
        "call-size": ask(live, "call-size", json={"prompt": WORDS, "size": WORDS}),
        "call-form": ask(live, "call-form", data={"prompt": WORDS, "steps": "none"}),
        "call-nobody": ask(live, "call-nobody", {"Authorization": f"Bearer {WRONG}"}, json=BODY),
        "call-query": httpx.get(
            f"{live.url}/nothing/{WORDS}", params={"key": ADMIN}, headers={"X-Request-Id": "call-query", "X-API-Key": ADMIN}
        ),
    }
    with sqlite3.connect(live.folder / "reprise.db") as connection:
        connection.execute("UPDATE clips SET provenance = 'forged'")
    mine = {"X-Request-Id": "call-forged", "X-API-Key": ADMIN}
    told["call-forged"] = httpx.get(f"{live.url}/v1/videos/{made.json()['id']}", headers=mine, timeout=PATIENCE)
    live.stop()
    return told


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("live"), tiny_model, admin_key=ADMIN, access_log=True, log_level="debug", speed=NO_WARM_UP)
    yield server.start()
    server.close()


@pytest.fixture(scope="module")
def lines(live: Live, answers: dict[str, httpx.Response]) -> list[dict[str, object]]:
    """Each is one JSON object; anything else fails here. (Libraries that speak past the log write no lines of ours.)"""
    return [json.loads(line) for line in live.log.read_text().splitlines() if line.startswith("{")]


def test_no_line_holds_a_key_or_a_prompt(live: Live, answers: dict[str, httpx.Response]) -> None:
    statuses = [answer.status_code for answer in answers.values()]
    assert statuses == [200, 200, 400, 400, 400, 400, 415, 401, 404, 200]
    assert [word for word in SAID if word in live.log.read_text()] == []


def test_the_access_log_has_a_line_for_each_call(lines: list[dict[str, object]], answers: dict[str, httpx.Response]) -> None:
    answered = {str(line["request_id"]): line for line in lines if line["event"] == "request answered"}
    for name, answer in answers.items():
        assert (answered[name]["status"], answer.headers["x-request-id"]) == (answer.status_code, name)
    assert (answered["call-hit"]["method"], answered["call-hit"]["route"]) == ("POST", "/v1/videos")
    assert answered["call-query"]["route"] == "unmatched"


def test_every_line_is_said_once(lines: list[dict[str, object]]) -> None:
    assert [line for line in lines if "color_message" in line] == []
    assert any(line["logger"] == "uvicorn.error" for line in lines), "the library that says it twice is here"


def test_lines_name_their_call_and_their_job(lines: list[dict[str, object]]) -> None:
    assert all({"event", "level", "logger", "timestamp"} <= set(line) for line in lines)
    assert "call-forged" in {line.get("request_id") for line in lines if line["level"] == "error"}
    begins = [line for line in lines if line["event"] in {"render started", "clip made"}]
    assert len({line["job"] for line in begins}) == 1
    assert {line["event"] for line in begins} == {"render started", "clip made"}
