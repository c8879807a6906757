"""Under a path behind a proxy, whether that cuts the path off or not: every address that the server tells leads back to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.door.tenants import STEPS
from tests.door.test_keys import ADMIN, bearer
from tests.live import PATIENCE, Live
from tests.servers.proxy import PrefixProxy

ROOT = "/reprise/v2"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[PrefixProxy]:
    proxy = PrefixProxy(ROOT)
    live = Live(tmp_path_factory.mktemp("rooted"), tiny_model, admin_key=ADMIN, public_url=proxy.url).start()
    proxy.target = live.url
    yield proxy
    proxy.close()
    live.close()


@pytest.fixture(params=["cut off", "left"])
def client(proxy: PrefixProxy, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    proxy.strips = request.param == "cut off"
    with httpx.Client(base_url=proxy.url, headers=bearer(ADMIN), timeout=PATIENCE) as client:
        yield client
    assert proxy.strays == []


@pytest.fixture
def browser(proxy: PrefixProxy, client: httpx.Client) -> Iterator[httpx.Client]:
    """Without a key: what a browser sends."""
    with httpx.Client(base_url=proxy.url, timeout=PATIENCE) as browser:
        yield browser


def test_the_api(proxy: PrefixProxy, client: httpx.Client, browser: httpx.Client) -> None:
    ask = {"prompt": "a red ball under a path", "steps": STEPS, "user": "a/b"}
    video = client.post("/v1/videos", json=ask, headers={"Prefer": "wait=30"}).json()
    assert video["reprise"]["url"].startswith(f"{proxy.url}/v1/links/")
    assert browser.get(video["reprise"]["url"]).headers["content-type"] == "video/mp4"
    assert browser.get(video["reprise"]["thumbnail_url"]).status_code == 200
    assert client.get("/v1/videos?limit=1").json()["data"][0]["id"] == video["id"]
    assert "video.completed" in client.get(f"/v1/videos/{video['id']}/events").text
    assert client.get(f"/v1/users/{quote('a/b', safe='')}/requests").json()["data"][-1]["id"] == video["id"]
    assert client.get("/health/ready").status_code == 200
    assert client.get("/v1/models/no-such").status_code == 404


def test_the_pages_name_nothing_outside(proxy: PrefixProxy, client: httpx.Client, browser: httpx.Client) -> None:
    told = browser.get("/openapi.json")
    assert told.json()["servers"] == [{"url": ROOT}]
    for path in ("/", "/docs", "/docs/try", "/admin/login", "/admin", "/admin/clips", "/admin/requests", "/admin/keys", "/admin/near-hits"):
        page = client.get(path, follow_redirects=True)
        assert page.status_code == 200, path
        named = re.findall(r'\s(?:href|src|action|poster|hx-[a-z]+|srcset)="(/[^"]*)"', page.text)
        assert len(named) > 3, path
        assert [one for one in named if not one.startswith(f"{ROOT}/")] == [], path
        for one in {one for one in named if one.endswith((".css", ".js", ".svg"))}:
            assert browser.get(proxy.url.removesuffix(ROOT) + one).status_code == 200, one
    assert f'"{proxy.url}/v1/videos"' in browser.get("/docs").text.replace("&#34;", '"'), "code samples call it where it is"


def test_signing_in(proxy: PrefixProxy, browser: httpx.Client) -> None:
    asked = browser.get("/admin/clips?state=live")
    assert (asked.status_code, asked.headers["location"]) == (303, f"{ROOT}/admin/login?next=%2Fadmin%2Fclips%3Fstate%3Dlive")
    entered = browser.post("/admin/login", data={"key": ADMIN, "next": "/admin/clips?state=live"})
    assert (entered.status_code, entered.headers["location"]) == (303, f"{ROOT}/admin/clips?state=live")
    assert f"Path={ROOT}/admin;" in entered.headers["set-cookie"]
    assert browser.get("/admin/clips").status_code == 200
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', browser.get("/admin/keys").text)
    assert token is not None
    left = browser.post("/admin/logout", data={"csrf": token[1]})
    assert (left.status_code, left.headers["location"]) == (303, f"{ROOT}/admin/login")
    assert browser.get("/admin/clips").status_code == 303
    refused = browser.get("/admin/overview/live", headers={"hx-request": "true"})
    assert refused.headers["hx-redirect"] == f"{ROOT}/admin/login"


def test_the_server_itself_answers_as_ever(proxy: PrefixProxy, client: httpx.Client) -> None:
    """Health checks and clients beside the proxy know no path."""
    assert httpx.get(f"{proxy.target}/health/live", timeout=PATIENCE).status_code == 200
    assert httpx.get(f"{proxy.target}/v1/models", headers=bearer(ADMIN), timeout=PATIENCE).status_code == 200
