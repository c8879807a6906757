"""The playground's page and files over HTTP, without a browser: headers, caching, and no way out of the folder."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from gateway.http.problems import HANDLERS
from gateway.http.static import files_of
from gateway.playground.playground import SECURITY, Playground

POLICY = dict(SECURITY)[b"content-security-policy"].decode()
ALL = [file for room in ("theme", "playground", "docs", "admin") for file in files_of(f"gateway.{room}")]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient[Litestar]]:
    with TestClient(Litestar(Playground().routes(), exception_handlers=HANDLERS, openapi_config=None)) as found:
        yield found


def test_the_page_is_strict_about_what_it_loads(client: TestClient[Litestar]) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    # Nothing inline: the policy would stop it in a browser, and the page would only half work.
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", answer.text) == []


def test_everything_that_the_page_names_is_there_and_kept_for_good(client: TestClient[Litestar]) -> None:
    named = set(re.findall(r'"(/playground/[^"]+)"', client.get("/").text))
    assert len(named) >= 4
    for path in named:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-security-policy"] == POLICY


def test_modules_import_only_what_is_there() -> None:
    found = [*files_of("gateway.theme"), *files_of("gateway.playground")]
    there = {file.name for file in found}
    for file in found:
        text = file.read_text()
        assert set(re.findall(r'from "\./([^"]+)"', text)) <= there, file.name
        # The one address that may stand in a file is the name of the SVG language.
        assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}, file.name


def test_an_edition_that_is_gone_gets_todays_file_for_now(client: TestClient[Litestar]) -> None:
    answer = client.get("/playground/0123456789abcdef/main.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


def test_what_the_browser_holds_is_not_sent_again(client: TestClient[Litestar]) -> None:
    for path in ("/", "/playground/x/mark.svg"):
        etag = client.get(path).headers["etag"]
        answer = client.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
        assert (answer.status_code, answer.content) == (304, b"")
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_head_tells_the_length_and_sends_nothing(client: TestClient[Litestar]) -> None:
    for path in ("/", "/playground/x/look.css"):
        answer = client.head(path)
        assert answer.status_code == 200
        assert answer.content == b""
        assert int(answer.headers["content-length"]) == len(client.get(path).content)


@pytest.mark.parametrize("name", ["page.html", "..%2fpage.html", "%2e%2e%2fplayground.py", "..", "%00", "MAIN.JS"])
def test_nothing_else_has_an_address(client: TestClient[Litestar], name: str) -> None:
    assert client.get(f"/playground/x/{name}").status_code == 404


def test_files_are_short() -> None:
    """The same limit as for our Python."""
    lengths = {file.name: len(file.read_text().splitlines()) for file in ALL}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
