"""Webhooks through the front door: misses, hits and failures are told, and nothing is called that must not be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.admin.pages import api, html, until
from tests.door.test_keys import ADMIN, bearer, command, new_key
from tests.live import PATIENCE, Live
from tests.receiver import Receiver

STEPS = 4


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def calling(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, receiver: Receiver) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("webhooks")
    server = Live(folder, tiny_model, webhook_hosts=f"{receiver.url}, hooks.example", public_url="https://films.example").start()
    yield server
    server.close()


def secret_of(live: Live, tenant: str) -> str:
    told = command(live.folder, "keys", "webhook-secret", "--tenant", tenant)
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


def test_a_miss_and_a_hit_call(calling: Live, receiver: Receiver) -> None:
    secret = secret_of(calling, "local")
    options = {"webhook_url": f"{receiver.url}/ball"}
    miss = calling.post("a red ball that calls", steps=STEPS, reprise=options)
    told = receiver.called("/ball").verified(secret)
    assert (told["type"], told["data"]["id"], told["data"]["reprise"]["verdict"]) == ("video.completed", miss["id"], "miss")
    assert told["data"]["reprise"]["url"].startswith("https://films.example/v1/links/")
    hit = calling.post("a red ball that calls", steps=STEPS, reprise=options)
    assert (hit["status"], hit["reprise"]["verdict"]) == ("completed", "exact")
    told = receiver.called("/ball", times=2).verified(secret)
    assert (told["data"]["id"], told["data"]["reprise"]["verdict"]) == (hit["id"], "exact")
    until(lambda: {one["state"] for one in api(calling, "webhooks")["webhooks"]} == {"delivered"})


def test_a_form_and_a_retried_call_ask_once(calling: Live, receiver: Receiver) -> None:
    form = {"prompt": (None, "a red cube that calls"), "steps": (None, str(STEPS)), "reprise[webhook_url]": (None, f"{receiver.url}/form")}
    for _ in range(2):
        answer = httpx.post(f"{calling.url}/v1/videos", files=form, headers={"Idempotency-Key": "once"}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
    calling.finished(answer.json())
    receiver.called("/form")
    after = calling.post("a red cube that calls", steps=STEPS, reprise={"webhook_url": f"{receiver.url}/after"})
    receiver.called("/after")
    assert len(receiver.at("/form")) == 1
    assert after["reprise"]["verdict"] == "exact"


def test_a_cancel_is_told_as_a_failure(calling: Live, receiver: Receiver) -> None:
    video = calling.post("a slow ring", steps=100, seconds=2, reprise={"webhook_url": f"{receiver.url}/cancelled"})
    httpx.post(f"{calling.url}/v1/videos/{video['id']}/cancel", timeout=PATIENCE)
    told = receiver.called("/cancelled").told
    assert (told["type"], told["data"]["error"]["code"]) == ("video.failed", "cancelled")


def test_what_is_erased_is_not_told(calling: Live, receiver: Receiver) -> None:
    """It would have been called before the one after it."""
    video = calling.post("a slow star", steps=100, seconds=2, reprise={"webhook_url": f"{receiver.url}/erased"})
    httpx.delete(f"{calling.url}/v1/videos/{video['id']}", params={"erase": "true"}, timeout=PATIENCE)
    calling.post("a quick star", steps=STEPS, reprise={"webhook_url": f"{receiver.url}/quick"})
    receiver.called("/quick")
    assert receiver.at("/erased") == []
    assert video["id"] not in {one["request_id"] for one in api(calling, "webhooks")["webhooks"]}


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/",
        "http://hooks.example/",
        "https://127.0.0.1/",
        "http://127.0.0.1:1/",
        "nonsense",
        "",
        "https://hooks.example/" + "a" * 2100,
        7,
    ],
)
def test_another_url_is_refused_by_name(calling: Live, url: object) -> None:
    answer = httpx.post(
        f"{calling.url}/v1/videos", json={"prompt": "a red ball that calls", "reprise": {"webhook_url": url}}, timeout=PATIENCE
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "reprise.webhook_url")


def test_an_outage_of_the_receiver_and_of_the_server(calling: Live, receiver: Receiver) -> None:
    """Last of this module but one: what was not delivered before a kill -9 is delivered after it."""
    receiver.answers = [503]
    receiver.hold.clear()
    video = calling.post("a red ball that calls", steps=STEPS, reprise={"webhook_url": f"{receiver.url}/outage"})
    receiver.called("/outage")
    receiver.hold.set()
    until(lambda: api(calling, "webhooks")["webhooks"][0]["trouble"] == "the answer was 503")
    page = html(calling, "/admin/webhooks")
    assert "the answer was 503" in page
    assert f"{receiver.url}/outage" in page
    calling.kill()
    calling.start()
    assert receiver.called("/outage", times=2).told["data"]["id"] == video["id"]
    (first, second) = receiver.at("/outage")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_other_tenants_urls_are_hidden(calling: Live, receiver: Receiver) -> None:
    """Last of this module: from here on the server needs keys."""
    key = new_key(calling, "--tenant", "acme")
    admin = new_key(calling, "--tenant", "local", "--role", "admin")
    with httpx.Client(base_url=calling.url, timeout=PATIENCE) as client:
        until(lambda: client.get("/v1/models").status_code == 401)
        body = {"prompt": "a red ball of acme", "steps": STEPS, "reprise": {"webhook_url": f"{receiver.url}/acme?token=hidden-word"}}
        assert client.post("/v1/videos", json=body, headers=bearer(key)).status_code == 200
        call = receiver.called("/acme?token=hidden-word")
        assert call.verified(secret_of(calling, "acme"))["type"] == "video.completed"
        for path in ("/admin/webhooks", "/admin/api/webhooks"):
            page = client.get(path, headers=bearer(admin))
            assert page.status_code == 200
            assert "hidden-word" not in page.text
            assert f"{receiver.url}/ball" in page.text
        assert client.get("/admin/webhooks", headers=bearer(key)).status_code == 403
        assert client.get("/admin/api/webhooks", params={"before": "x"}, headers=bearer(admin)).status_code == 400


def test_without_signing_keys_there_are_none(tmp_path: Path) -> None:
    told = command(tmp_path, "keys", "webhook-secret", "--tenant", "a", DATABASE_URL="postgresql+psycopg://x@127.0.0.1:1/x")
    assert told.returncode != 0
    assert "REPRISE_SIGNING_KEYS" in told.stderr
    assert ADMIN not in told.stderr
