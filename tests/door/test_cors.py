"""Pages of other sites through the front door: those that are named may call the API, and nobody the admin pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from cache.settings import Settings
from tests.conftest import StartServer
from tests.door.test_keys import ADMIN, bearer
from tests.live import PATIENCE, Live

SHOP, EVIL = "https://shop.example", "https://evil.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type, x-stainless-os"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("cors"), tiny_model, admin_key=ADMIN, cors_origins=f"{SHOP}, http://localhost:3000").start()
    yield server
    server.close()


def call(live: Live, method: str, path: str, origin: str | None, **headers: str) -> httpx.Response:
    sent = headers if origin is None else {**headers, "Origin": origin}
    return httpx.request(method, f"{live.url}{path}", headers=sent, timeout=PATIENCE)


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/videos/video_x/cancel", "/v1/models"])
def test_a_preflight_needs_no_key(keyed: Live, path: str) -> None:
    answer = call(keyed, "OPTIONS", path, SHOP, **ASKS)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-headers"] == ASKS["Access-Control-Request-Headers"]
    assert {"POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert answer.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in answer.headers


def test_answers_and_errors_can_be_read(keyed: Live) -> None:
    for headers, path, status in (
        (bearer(ADMIN), "/v1/models", 200),
        (bearer(ADMIN), "/v1/videos/video_x", 404),
        ({}, "/v1/models", 401),
        ({}, "/v1/no-such-path", 404),
    ):
        answer = call(keyed, "GET", path, SHOP, **headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, SHOP)
        assert {"ETag", "X-Request-Id", "openai-poll-after-ms", "Retry-After"} <= set(
            answer.headers["access-control-expose-headers"].split(", ")
        )


@pytest.mark.parametrize("origin", [EVIL, "null", "https://shop.example.evil.example", "http://shop.example", None])
def test_others_are_not_allowed(keyed: Live, origin: str | None) -> None:
    preflight = call(keyed, "OPTIONS", "/v1/videos", origin, **ASKS)
    answer = call(keyed, "GET", "/v1/models", origin, **bearer(ADMIN))
    assert (preflight.status_code, answer.status_code) == (401, 200)
    for one in (preflight, answer):
        assert "access-control-allow-origin" not in one.headers
        assert one.headers["vary"] == "origin", "a cache must not give it to a page that may read it"


@pytest.mark.parametrize("path", ["/admin", "/admin/api/overview", "/admin/login", "/metrics", "/"])
def test_pages_are_opened_to_nobody(keyed: Live, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = call(keyed, method, path, SHOP, **ASKS, **bearer(ADMIN))
        assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_by_default_nothing_is_allowed(live: Live) -> None:
    for method in ("GET", "OPTIONS"):
        answer = call(live, method, "/v1/models", SHOP, **ASKS)
        assert answer.status_code == 403
        assert [name for name in answer.headers if name.startswith("access-control") or name == "vary"] == []


def test_in_open_mode_named_sites_may_call_and_every_site_may_not(start: StartServer) -> None:
    live = start(cors_origins=f"{SHOP},*")
    assert call(live, "GET", "/v1/models", SHOP).headers["access-control-allow-origin"] == SHOP
    refused = call(live, "GET", "/v1/models", EVIL)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert "REPRISE_CORS_ORIGINS" in refused.json()["error"]["message"]
    assert call(live, "POST", "/admin/api/clips/invalidate", SHOP).status_code == 403


def test_any_site_may_call_with_a_key_where_that_is_set(start: StartServer) -> None:
    live = start(admin_key=ADMIN, cors_origins="*")
    assert call(live, "OPTIONS", "/v1/videos", EVIL, **ASKS).headers["access-control-allow-origin"] == "*"
    assert call(live, "GET", "/v1/models", EVIL).status_code == 401
    assert call(live, "GET", "/v1/models", EVIL, **bearer(ADMIN)).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in call(live, "GET", "/admin", EVIL, **bearer(ADMIN)).headers


@pytest.mark.parametrize(
    "wrong", ["shop.example", "https://shop.example/", "https://shop.example/a", "https://*.example.com/x", "ftp://x", "null"]
)
def test_what_is_no_origin_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="an origin is"):
        Settings(cors_origins=(wrong,))


def test_an_origin_is_what_browsers_send() -> None:
    assert Settings(cors_origins="https://Shop.Example, *").cors_origins == (SHOP, "*")
