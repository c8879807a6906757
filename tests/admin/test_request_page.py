"""The page of one request: why it got its clip, and what was refused for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.admin.pages import HOSTILE, api, html
from tests.live import Live


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("asked"), tiny_model).start()
    yield server
    server.close()


def test_a_request_tells_why(asked: Live) -> None:
    made = asked.made("a white ring moving right on a black background")
    near = asked.made("A white ring is moving right on the black background")
    refused = asked.made("a white ring moving left on a black background")
    httpx.post(f"{asked.url}/v1/videos/{near['id']}/feedback", json={"satisfied": False}).raise_for_status()

    told = api(asked, f"requests/{near['id']}")
    assert (told["verdict"], told["clip"], told["clip_prompt"]) == ("near", made["reprise"]["clip"], made["prompt"])
    assert [(label["right"], label["source"]) for label in told["labels"]] == [(False, "client")]
    page = html(asked, f"/admin/requests/{near['id']}")
    assert "Why it got this clip" in page
    assert "as expected by the judge" in page

    told = api(asked, f"requests/{refused['id']}")
    assert told["refused"][0]["prompt"] == made["prompt"]
    assert "left" in told["refused"][0]["reason"]
    assert f"/admin/clips/{made['reprise']['clip']}" in html(asked, f"/admin/requests/{refused['id']}")


def test_words_stay_text_and_erased_ones_are_gone(asked: Live) -> None:
    made = asked.made(HOSTILE)
    assert "&lt;script&gt;alert(1)" in html(asked, f"/admin/requests/{made['id']}")
    httpx.delete(f"{asked.url}/v1/videos/{made['id']}", params={"erase": "true"}).raise_for_status()
    assert "alert(1)" not in httpx.get(f"{asked.url}/admin/requests/{made['id']}").text


def test_a_stranger_s_id_is_no_request(asked: Live) -> None:
    for video_id in ("video_" + "0" * 32, "clip_1", "%2e%2e"):
        answer = httpx.get(f"{asked.url}/admin/api/requests/{video_id}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, "id")


def test_jobs_say_who_asked_for_them(asked: Live) -> None:
    asked.made("a blue dot waits")
    assert {job["purpose"] for job in api(asked, "jobs")["ended"]} == {"request"}
