"""Sign-in by a proxy: its header opens the admin pages from its own address, and from nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cache.errors import Forbidden
from gateway.admin.proxy_login import ProxyLogin
from tests.admin.conftest import ADMIN
from tests.admin.test_door import ROUTES
from tests.door.test_keys import bearer, new_key
from tests.live import Live

HEADER, NAME = "X-Forwarded-Email", "änn@example.com"
NAMED = [(HEADER.encode(), NAME.encode())]
SAME_SITE = (b"Sec-Fetch-Site", b"same-origin")


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """The tests are its proxy."""
    folder = tmp_path_factory.mktemp("proxied")
    server = Live(folder, tiny_model, ADMIN_KEY=ADMIN, RENDERER="none", login_header=HEADER, login_proxies="10.9.8.0/24, 127.0.0.1").start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """Its proxy has another address than the tests."""
    folder = tmp_path_factory.mktemp("elsewhere")
    server = Live(folder, tiny_model, ADMIN_KEY=ADMIN, RENDERER="none", login_header=HEADER, login_proxies="10.9.8.0/24").start()
    yield server
    server.close()


def test_the_proxy_opens_every_page_and_the_log_names_the_person(proxied: Live) -> None:
    with httpx.Client(base_url=proxied.url, headers=NAMED) as client:
        page = client.get("/admin")
        assert page.status_code == 200
        assert NAME in page.text
        assert "Sign out" not in page.text
        made = client.post("/admin/api/clips/invalidate", data={"tag": "x", "counted_at": "9e9"}, headers=[SAME_SITE])
        assert made.status_code == 200, made.text
    log = proxied.log.read_text()
    assert '"by": "login:\\u00e4nn@example.com"' in log or f'"by": "login:{NAME}"' in log
    assert log.count("signed in to the admin pages by the proxy") == 1


def test_prompts_of_other_tenants_stay_hidden(proxied: Live) -> None:
    key = new_key(proxied, "--tenant", "acme")
    httpx.get(f"{proxied.url}/v1/videos", headers=bearer(key))
    told = httpx.get(f"{proxied.url}/admin/api/keys", headers=NAMED).json()
    assert {"local", "acme"} <= {one["tenant"] for one in told["keys"]}
    assert httpx.get(f"{proxied.url}/v1/videos", headers=NAMED).status_code == 401, "it is no key"


def test_changes_come_from_our_own_pages(proxied: Live) -> None:
    """A browser signs every call in, also one that another site made it send."""
    refused: list[list[tuple[bytes, bytes]]] = [
        [],
        [(b"Sec-Fetch-Site", b"cross-site")],
        [(b"Sec-Fetch-Site", b"same-site")],
        [(b"Origin", b"https://evil.example")],
        [(b"Origin", b"null")],
        [SAME_SITE, (b"Origin", b"https://evil.example")],
    ]
    changing = [(method, path) for method, path in ROUTES if method not in {"GET", "HEAD"}]
    with httpx.Client(base_url=proxied.url) as client:
        for method, path in changing:
            for headers in refused:
                assert client.request(method, path, headers=[*NAMED, *headers]).status_code == 403, (method, path, headers)
        ours = [(b"Origin", proxied.url.encode())]
        made = client.post("/admin/api/clips/invalidate", data={"tag": "x", "counted_at": "9e9"}, headers=[*NAMED, *ours])
        assert made.status_code == 200


def test_from_elsewhere_the_header_opens_nothing(elsewhere: Live) -> None:
    with httpx.Client(base_url=elsewhere.url) as client:
        for method, path in ROUTES:
            assert client.request(method, path, headers=[*NAMED, SAME_SITE]).status_code == 403, (method, path)
            forwarded = [*NAMED, SAME_SITE, (b"X-Forwarded-For", b"10.9.8.7"), (b"Forwarded", b"for=10.9.8.7")]
            assert client.request(method, path, headers=forwarded).status_code == 403, (method, path)
        assert client.get("/admin", headers=bearer(ADMIN)).status_code == 200
    assert "a login header was not believed" in elsewhere.log.read_text()


def test_without_the_header_there_is_the_login(proxied: Live, elsewhere: Live) -> None:
    for live in (proxied, elsewhere):
        answer = httpx.get(f"{live.url}/admin")
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login?next=%2Fadmin")


# The decision alone


def asked(sent: bytes, client: tuple[str, int] | None) -> Any:
    login = ProxyLogin("X-User", ["10.0.0.0/8", "fd00::/8", "192.0.2.1"])
    return login.caller({"client": client}, {b"x-user": sent})  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::1", "192.0.2.1", "::ffff:10.1.2.3"])
def test_believed_addresses(address: str) -> None:
    caller = asked(b" ann ", (address, 1))
    assert (caller.tenant, caller.role, caller.key_id) == ("local", "admin", "login:ann")


@pytest.mark.parametrize("client", [("11.0.0.1", 1), ("192.0.2.2", 1), ("::1", 1), ("unix", 1), None])
def test_other_addresses(client: tuple[str, int] | None) -> None:
    with pytest.raises(Forbidden, match="REPRISE_LOGIN_PROXIES"):
        asked(b"ann", client)


@pytest.mark.parametrize("name", [b"", b"  ", b"ann, bob", b"a\nb", b"\xff", b"a" * 101])
def test_what_is_no_name(name: bytes) -> None:
    with pytest.raises(Forbidden, match="one name"):
        asked(name, ("10.0.0.1", 1))


def test_settings_that_believe_everybody_or_nobody_are_refused() -> None:
    for header, proxies in (("X-User", ()), ("", ("10.0.0.1",)), ("X-User", ("ingress.local",)), ("X-User", ("10.0.0.1/8",))):
        with pytest.raises(ValueError, match="REPRISE_LOGIN_PROXIES"):
            ProxyLogin(header, proxies)
    assert ProxyLogin().caller({}, {b"": b"ann"}) is None  # type: ignore[arg-type]
