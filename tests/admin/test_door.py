"""Who gets in to the admin pages, over HTTP, on every route that there is."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from cache.settings import Settings
from gateway.admin.door import COOKIE, local_path, may_read
from gateway.admin.lockout import FREE, LONGEST, Lockout, neighbourhood, wait_after
from gateway.app import create_app
from tests.admin.conftest import ADMIN
from tests.door.test_keys import bearer, new_key
from tests.live import Live

FREELY = ("/admin/login", "/admin/static/")  # what nobody needs a session for


def routes() -> list[tuple[str, str]]:
    """(method, path) of every route below /admin, with something in the place of its parameters."""
    with tempfile.TemporaryDirectory() as folder:
        made = create_app(Settings(data_dir=Path(folder), renderer="none")).routes
    found = {
        (str(method), re.sub(r"\{[^}]*\}", "1", route.path))
        for route in made
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if route.path.startswith("/admin") and method != "OPTIONS"
    }
    return sorted(one for one in found if not one[1].startswith(FREELY))


ROUTES = routes()


@contextmanager
def session(live: Live, key: str = ADMIN) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=30) as client:
        answer = client.post("/admin/login", data={"key": key})
        assert answer.status_code == 303, answer.text
        yield client


def token_in(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None, page.text[:500]
    return found[1]


def test_there_are_routes_to_guard() -> None:
    paths = {path for _, path in ROUTES}
    assert {"/admin", "/admin/keys", "/admin/settings", "/admin/what-if", "/admin/requests", "/admin/api/overview"} <= paths
    assert {method for method, _ in ROUTES} >= {"GET", "POST"}


def test_without_a_session_nobody_gets_in(keyed: Live) -> None:
    with httpx.Client(base_url=keyed.url) as client:
        for method, path in ROUTES:
            answer = client.request(method, path)
            if method in {"GET", "HEAD"} and not path.startswith("/admin/api/"):
                assert answer.status_code == 303, (method, path)
                assert answer.headers["location"].startswith("/admin/login?next="), (method, path)
            else:
                assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, '"; DROP TABLE sessions; --', "é" * 30])
def test_a_made_up_cookie_opens_nothing(keyed: Live, cookie: str) -> None:
    headers = [(b"Cookie", f"{COOKIE}={cookie}".encode())]
    assert httpx.get(f"{keyed.url}/admin/api/keys", headers=headers).status_code == 401


def test_a_key_that_is_no_admins_opens_nothing(keyed: Live) -> None:
    user = new_key(keyed, "--tenant", "acme")
    with httpx.Client(base_url=keyed.url, headers=bearer(user)) as client:
        assert {(method, path, client.request(method, path).status_code) for method, path in ROUTES} == {
            (method, path, 403) for method, path in ROUTES
        }
    assert httpx.post(f"{keyed.url}/admin/login", data={"key": user}).status_code == 401


def test_every_change_by_a_session_needs_its_token(keyed: Live) -> None:
    changing = [(method, path) for method, path in ROUTES if method not in {"GET", "HEAD"}]
    assert len(changing) >= 3
    with session(keyed) as client, session(keyed) as other:
        theirs = token_in(other.get("/admin/keys"))
        for method, path in changing:
            assert client.request(method, path).status_code == 403, (method, path)
            assert client.request(method, path, headers={"X-CSRF-Token": "0" * 64}).status_code == 403, (method, path)
            assert client.request(method, path, headers={"X-CSRF-Token": theirs}).status_code == 403, (method, path)
            assert client.request(method, path, data={"csrf": theirs}).status_code == 403, (method, path)


def test_every_change_from_another_site_is_refused(keyed: Live) -> None:
    with session(keyed) as client:
        token = token_in(client.get("/admin/keys"))
        for method, path in ROUTES:
            if method in {"GET", "HEAD"}:
                continue
            for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
                answer = client.request(method, path, headers={"X-CSRF-Token": token, **headers})
                assert answer.status_code == 403, (method, path, headers)
    assert httpx.post(f"{keyed.url}/admin/login", data={"key": ADMIN}, headers={"Origin": "https://evil.example"}).status_code == 403


def test_the_open_instance_is_for_this_machine(opened: Live) -> None:
    with httpx.Client(base_url=opened.url) as client:
        for method, path in ROUTES:
            assert client.request(method, path, headers={"Host": "rebound.example"}).status_code == 403, (method, path)
            if method not in {"GET", "HEAD"}:
                assert client.request(method, path, headers={"Origin": "https://evil.example"}).status_code == 403, (method, path)
        assert client.get("/admin").status_code == 200
        assert client.get("/admin/login").headers["location"] == "/admin"


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_text(keyed: Live) -> None:
    answer = httpx.post(f"{keyed.url}/admin/login", data={"key": ADMIN})
    told = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/admin"} <= set(told.split("; "))
    assert "Secure" not in told
    host = keyed.url.removeprefix("http://")
    behind = httpx.post(f"{keyed.url}/admin/login", data={"key": ADMIN}, headers={"Origin": f"https://{host}"})
    assert "Secure" in behind.headers["set-cookie"].split("; ")
    secret = told.split(";")[0].removeprefix(f"{COOKIE}=")
    database = (keyed.folder / "reprise.db").read_bytes() + (keyed.folder / "reprise.db-wal").read_bytes()
    assert secret.encode() not in database, "only its hash is kept"
    assert secret not in keyed.log.read_text()


def test_signing_out_ends_the_session_on_the_server(keyed: Live) -> None:
    with session(keyed) as client:
        kept = dict(client.cookies)
        token = token_in(client.get("/admin/keys"))
        assert client.post("/admin/logout", data={"csrf": token}).headers["location"] == "/admin/login"
        assert client.get("/admin").status_code == 303
    again = httpx.get(f"{keyed.url}/admin", headers={"Cookie": f"{COOKIE}={kept[COOKIE]}"})
    assert again.status_code == 303


def test_revoking_a_key_ends_its_sessions(keyed: Live) -> None:
    second = new_key(keyed, "--tenant", "ops", "--role", "admin")
    with session(keyed, second) as theirs, session(keyed) as ours:
        assert theirs.get("/admin").status_code == 200
        page = ours.get("/admin/keys")
        (key,) = [one["id"] for one in ours.get("/admin/api/keys").json()["keys"] if one["tenant"] == "ops"]
        assert ours.post(f"/admin/keys/{key}/revoke", data={"csrf": token_in(page)}).status_code == 303
        assert theirs.get("/admin").status_code == 303
        assert ours.get("/admin").status_code == 200


def test_a_session_ends_by_itself(keyed: Live) -> None:
    with session(keyed) as client:
        connection = sqlite3.connect(keyed.folder / "reprise.db", timeout=10)
        connection.execute("UPDATE sessions SET expires_at = 1")
        connection.commit()
        connection.close()
        assert client.get("/admin/api/overview").status_code == 401


def test_a_key_is_made_shown_once_and_never_kept(keyed: Live) -> None:
    with session(keyed) as client:
        token = token_in(client.get("/admin/keys"))
        form = {"csrf": token, "tenant": "made", "role": "user", "rate": "60/m", "concurrency": "2", "label": "<b>for tests</b>"}
        page = client.post("/admin/keys", data=form)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        found = re.search(r'id="secret">(reprise_[\w-]+)<', page.text)
        assert found is not None
        assert httpx.get(f"{keyed.url}/v1/videos", headers=bearer(found[1])).status_code == 200
        assert found[1] not in client.get("/admin/keys").text
        assert "<b>for tests" not in page.text
        (made,) = [one for one in client.get("/admin/api/keys").json()["keys"] if one["tenant"] == "made"]
        assert (made["rate"], made["concurrency"], made["role"]) == ("60/m", 2, "user")
        assert made["last_used_at"] is None or made["last_used_at"] > 1
        for field, wrong in (("rate", "lots"), ("tenant", "No Good"), ("concurrency", "0"), ("role", "king")):
            refused = client.post("/admin/keys", data=form | {field: wrong})
            assert refused.status_code == 400, field
            assert 'role="alert"' in refused.text


def test_the_first_key_of_an_open_instance_is_an_admins(opened: Live) -> None:
    with httpx.Client(base_url=opened.url) as client:
        assert client.post("/admin/keys", data={"tenant": "acme", "role": "user"}).status_code == 400
        assert client.get("/admin/api/keys").json() == {"keys": []}


def test_wrong_keys_are_locked_out(guarded: Live) -> None:
    answers = [httpx.post(f"{guarded.url}/admin/login", data={"key": f"wrong {number}"}) for number in range(FREE)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    locked = httpx.post(f"{guarded.url}/admin/login", data={"key": ADMIN})
    assert locked.status_code == 429
    assert 1 <= int(locked.headers["retry-after"]) <= 2
    # Keys in headers are another door: whoever has one is not kept out by who guesses.
    assert httpx.get(f"{guarded.url}/admin/api/keys", headers=bearer(ADMIN)).status_code == 200


def test_the_wait_grows_and_has_an_end() -> None:
    waits = [wait_after(wrong) for wrong in range(60)]
    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE : FREE + 3] == [2.0, 4.0, 8.0]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST


def test_an_address_is_forgotten_by_time_or_by_a_right_key() -> None:
    at = 0.0
    lockout = Lockout(lambda: at)
    for _ in range(FREE):
        lockout.check("10.0.0.1")
        lockout.wrong("10.0.0.1")
    lockout.check("10.0.0.2")
    with pytest.raises(Exception, match="too many"):
        lockout.check("10.0.0.1")
    at += 3.0
    lockout.check("10.0.0.1")
    lockout.wrong("10.0.0.1")
    at += 3.0
    with pytest.raises(Exception, match="too many"):
        lockout.check("10.0.0.1")
    at += 4000.0
    lockout.wrong("10.0.0.1")
    lockout.check("10.0.0.1")
    assert neighbourhood("2001:db8:1:2:aaaa::1") == neighbourhood("2001:db8:1:2:bbbb::9") != neighbourhood("2001:db8:1:3::1")


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "https://evil.example",
        "//evil.example",
        "/admin\\..\\x",
        "/adminx",
        "/admin/login",
        "javascript:alert(1)",
        "/admin\r\nx: y",
        "/v1",
    ],
)
def test_the_way_back_stays_here(sent: str | None) -> None:
    assert local_path(sent) == "/admin"


@pytest.mark.parametrize("sent", ["/admin", "/admin?view=day", "/admin/clips/clip_1?a=b"])
def test_the_way_back_is_kept(sent: str) -> None:
    assert local_path(sent) == sent


def test_whose_words_are_shown() -> None:
    assert may_read(None, "acme")
    assert may_read("acme", "acme")
    assert not may_read("local", "acme")


def test_anothers_prompt_is_hidden_and_counted(keyed: Live) -> None:
    write_request(keyed, "acme", "the secret words of acme")
    write_request(keyed, "local", "<script>alert('ours')</script>")
    with session(keyed) as client:
        page = client.get("/admin/requests").text
        assert "the secret words" not in page
        assert "hidden (tenant acme)" in page
        assert "&lt;script&gt;alert(&#39;ours&#39;)&lt;/script&gt;" in page
        told = client.get("/admin/api/requests").json()["requests"]
        assert {row["prompt"] for row in told} == {None, "<script>alert('ours')</script>"}
        assert client.get("/admin/api/overview").json()["ever"]["verdicts"]["exact"]["count"] == 2


def test_every_page_is_strict(keyed: Live) -> None:
    with session(keyed) as client:
        for path in ("/admin", "/admin/login", "/admin/keys", "/admin/settings", "/admin/what-if", "/admin/requests"):
            answer = client.get(path)
            assert answer.status_code == 200, path
            policy = answer.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert answer.headers["cache-control"] == "no-store"
            assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", answer.text) == [], path
            named = set(re.findall(r'"(/admin/static/[^"]+)"', answer.text))
            assert len(named) >= 5
            for asset in named:
                found = client.get(asset)
                assert (found.status_code, "immutable" in found.headers["cache-control"]) == (200, True), asset
                assert client.get(asset, headers={"If-None-Match": found.headers["etag"]}).status_code == 304
        assert client.get("/admin/static/x/admin.css").headers["cache-control"] == "no-cache"
        for name in ("..%2fpage.py", "%2e%2e%2fbase.html", "nothing.css"):
            assert client.get(f"/admin/static/x/{name}").status_code == 404


def test_secrets_are_no_settings_to_show(guarded: Live) -> None:
    for path in ("/admin/settings", "/admin/api/settings"):
        told = httpx.get(f"{guarded.url}{path}", headers=bearer(ADMIN)).text
        assert ADMIN not in told
        assert "a-secret-of-upstream" not in told
        assert "hush" not in told
        assert "up.example" in told
    found = httpx.get(f"{guarded.url}/admin/api/settings", headers=bearer(ADMIN)).json()["settings"]
    rows = {row["name"]: row for row in found}
    assert rows["REPRISE_RENDERER"]["source"] == "environment"
    assert rows["REPRISE_MAX_WRONG"]["source"] == "default"
    assert set(rows) == {f"REPRISE_{name.upper()}" for name in Settings.model_fields}


def write_request(live: Live, tenant: str, prompt: str) -> None:
    from cache.canonical import digest
    from tests.admin import traffic

    row = traffic.row(1_795_000_000.0, "exact", prompt, tenant)
    row["recipe_key"] = digest({"x": 1})
    connection = sqlite3.connect(live.folder / "reprise.db", timeout=10)
    connection.execute("INSERT OR IGNORE INTO recipes (key, fields) VALUES (?, '{}')", (row["recipe_key"],))
    kept: dict[str, Any] = {name: "[]" if isinstance(value, list) else value for name, value in row.items()}
    names = ", ".join(kept)
    connection.execute(f"INSERT INTO requests ({names}) VALUES ({', '.join('?' * len(kept))})", tuple(kept.values()))
    connection.commit()
    connection.close()
