"""Links through the front door: a page's player needs no key, and what is taken away is gone for it at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.admin.pages import until
from tests.door.tenants import Tenant
from tests.door.test_keys import ADMIN, STEPS, bearer
from tests.live import PATIENCE, Live

PUBLIC = "https://films.example/video"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("links"), tiny_model, admin_key=ADMIN, signing_keys="an old key", link_minutes=2).start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def acme(keyed: Live) -> Iterator[Tenant]:
    tenant = Tenant(keyed, "acme")
    yield tenant
    tenant.close()


def see(link: str, **headers: str) -> httpx.Response:
    return httpx.get(link, headers=headers, timeout=PATIENCE)


def test_a_player_needs_no_key(keyed: Live, acme: Tenant) -> None:
    video = acme.ask("a red ball on grass")
    told = video["reprise"]
    whole = see(told["url"])
    assert (whole.status_code, whole.content) == (200, acme.spec(video))
    assert see(told["url"], Range="bytes=0-1").status_code == 206, "as Safari begins"
    assert see(told["thumbnail_url"]).headers["content-type"] == "image/webp"
    assert 0 < int(whole.headers["cache-control"].split("max-age=")[1].split(",")[0]) <= 180
    assert see(told["url"].partition("?")[0]).status_code == 400
    hit = acme.post("a red ball on grass").json()
    assert see(hit["reprise"]["url"]).content == whole.content
    assert see(f"{keyed.url}/v1/videos/{video['id']}/content").status_code == 401


def test_a_link_is_no_key(keyed: Live, acme: Tenant) -> None:
    """What opens one video opens no other, and not the same by another variant."""
    one, other = acme.ask("a red cube"), acme.ask("a blue cube")
    link = one["reprise"]["url"]
    assert see(link.replace(one["id"], other["id"])).json()["error"]["code"] == "invalid_link"
    assert see(link.replace("variant=video", "variant=spritesheet")).status_code == 403
    assert httpx.delete(link, timeout=PATIENCE).status_code == 405


@pytest.mark.parametrize("erase", ["true", "false"])
def test_a_deleted_video_is_gone_at_once(acme: Tenant, erase: str) -> None:
    video = acme.ask(f"a star that is deleted, {erase}")
    assert see(video["reprise"]["url"]).status_code == 200
    assert acme.client.delete(f"/v1/videos/{video['id']}", params={"erase": erase}).status_code == 200
    assert see(video["reprise"]["url"]).status_code == 404


def test_a_withdrawn_clip_is_gone_at_once(keyed: Live, acme: Tenant) -> None:
    video = acme.ask("a star that is withdrawn", tags=["bad"])
    with httpx.Client(base_url=keyed.url, headers=bearer(ADMIN), timeout=PATIENCE) as admin:
        assert see(video["reprise"]["url"]).status_code == 200
        invalidated = admin.post("/admin/api/clips/invalidate", data={"tag": "bad", "counted_at": str(time.time())})
        assert invalidated.status_code == 200, invalidated.text
    assert see(video["reprise"]["url"]).json()["error"]["code"] == "clip_gone"
    again = acme.client.get(f"/v1/videos/{video['id']}").json()
    assert (again["status"], again["reprise"]["url"], again["reprise"]["thumbnail_url"]) == ("completed", None, None)


def test_an_unknown_host_gets_no_link(acme: Tenant) -> None:
    told: dict[str, Any] = acme.ask("a lonely ring")
    shown = acme.client.get(f"/v1/videos/{told['id']}", headers={"Host": "evil.example"}).json()["reprise"]
    assert (shown["url"], shown["thumbnail_url"]) == (None, None)


def test_rotated_keys_and_a_public_url(keyed: Live) -> None:
    """Last of this module: the server starts again."""
    with httpx.Client(base_url=keyed.url, headers=bearer(ADMIN), timeout=PATIENCE) as admin:
        video = admin.post("/v1/videos", json={"prompt": "a rotating star", "steps": STEPS}, headers={"Prefer": "wait=30"}).json()
    link = video["reprise"]["url"]
    path = link.removeprefix(keyed.url)
    for keys, status in (("a new key,an old key", 200), ("a new key", 403)):
        keyed.stop()
        keyed.settings |= {"SIGNING_KEYS": keys, "PUBLIC_URL": f"{PUBLIC}/"}
        keyed.start()
        assert see(keyed.url + path).status_code == status
        shown = httpx.get(f"{keyed.url}/v1/videos/{video['id']}", headers={**bearer(ADMIN), "Host": "x.example"}, timeout=PATIENCE)
        fresh = shown.json()["reprise"]["url"]
        if status == 200:
            assert fresh.startswith(f"{PUBLIC}/v1/links/{video['id']}?variant=video&expires=")
            assert see(keyed.url + fresh.removeprefix(PUBLIC)).status_code == 200


def test_a_link_expires(keyed: Live) -> None:
    """By the end of the video's own life, which may come before the link's."""
    keyed.stop()
    keyed.settings |= {"VIDEO_TTL_DAYS": str(4 / 86_400)}
    keyed.start()
    with httpx.Client(base_url=keyed.url, headers=bearer(ADMIN), timeout=PATIENCE) as admin:
        admin.post("/v1/videos", json={"prompt": "a short star", "steps": STEPS}, headers={"Prefer": "wait=30"})
        video = admin.post("/v1/videos", json={"prompt": "a short star", "steps": STEPS}).json()
    link = keyed.url + video["reprise"]["url"].removeprefix(PUBLIC)
    assert see(link).status_code == 200
    until(lambda: see(link).status_code == 403, seconds=20)
    assert see(link).json()["error"]["code"] == "link_expired"
    assert time.time() > video["expires_at"]
