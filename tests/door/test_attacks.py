"""What an attacker sends: bombs, smuggled requests, planted headers, tricks in paths. Through real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import time
from functools import lru_cache
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bodies import held, send
from tests.live import Live

HEAD = b"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\n"


def raw(live: Live, *pieces: bytes, patience: float = 5.0) -> bytes:
    """Everything that the server says to these bytes until it closes, or `patience` seconds pass in silence."""
    with socket.create_connection(("127.0.0.1", urlsplit(live.url).port or 80)) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.settimeout(patience)
        told = b""
        try:
            while got := connection.recv(65_536):
                told += got
        except TimeoutError:
            pass
        return told


def statuses(told: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", told)]


# Bombs


@lru_cache(maxsize=1)
def bomb() -> bytes:
    return gzip.compress(b'{"prompt": "' + b"x" * 50_000_000 + b'"}', 1)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip", "unheard-of"])
def test_a_compressed_body_is_never_unpacked(live: Live, encoding: str) -> None:
    assert len(bomb()) < 300_000
    live.made("a red ball", steps=2)  # from here on nothing more is loaded
    before, _ = held(live.pid)
    answer = httpx.post(
        f"{live.url}/v1/videos", content=bomb(), headers={"Content-Encoding": encoding, "Content-Type": "application/json"}, timeout=30
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert held(live.pid)[0] - before < 40


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\nx\r\n' * 5000 + b"--b--", 413),
        ("multipart/form-data; boundary=b", b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--b--", 413),
        ("multipart/form-data; boundary=" + "b" * 8000, b"--" + b"b" * 8000 + b"--", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A: b\r\n" * 5000 + b"\r\nx\r\n--b--", 413),
        ("multipart/form-data; boundary=b", b"\r\n" * 200_000, 400),
        ("application/json", b'{"a":' * 150_000 + b"1" + b"}" * 150_000, 400),
        ("application/json", b'{"seed": ' + b"9" * 100_000 + b', "prompt": "a"}', 400),
        ("application/json", json.dumps({"prompt": "a", "tags": ["x"] * 100_000}).encode(), 400),
        ("application/json", json.dumps({f"k{number}": 1 for number in range(50_000)}).encode(), 400),
    ],
)
def test_a_bomb_of_parts_or_nesting_is_refused_soon(live: Live, content_type: str, body: bytes, status: int) -> None:
    began = time.monotonic()
    answer = httpx.post(f"{live.url}/v1/videos", content=body, headers={"Content-Type": content_type}, timeout=30)
    assert answer.status_code == status, answer.text[:300]
    assert len(answer.content) < 2_000, "what was sent does not come back"
    assert time.monotonic() - began < 5


def test_a_header_without_end_is_cut_off(live: Live) -> None:
    told = raw(live, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 2_000_000)
    assert statuses(told) in ([], [400], [431])
    assert httpx.get(f"{live.url}/health/live").status_code == 200


# Smuggling


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 60\r\n",
        b"Content-Length: 4, 60\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length : 4\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
    ],
)
def test_two_lengths_of_one_body_are_never_two_requests(live: Live, headers: bytes) -> None:
    """Who stands in front of us may have read the other length: whatever we answer, the hidden request must not be served."""
    hidden = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    told = raw(live, HEAD + b"Content-Type: application/json\r\n" + headers + b"\r\n" + hidden, patience=0.7)
    assert b'"object":"list"' not in told
    assert 200 not in statuses(told)


def test_requests_on_one_line_are_answered_in_turn(live: Live) -> None:
    """The control: a second request that is meant to be one."""
    ask = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert statuses(raw(live, ask + ask, patience=1)) == [200, 200]


# Planted headers


@pytest.mark.parametrize("evil", ["\r\nSet-Cookie: a=b", "\nSet-Cookie: a=b", "%0d%0aSet-Cookie: a=b", "\u560d\u560aSet-Cookie: a=b"])
def test_no_word_of_a_client_becomes_a_header(live: Live, evil: str) -> None:
    with httpx.Client(base_url=live.url, timeout=60) as client:
        answers = [
            client.post("/v1/videos", json={"prompt": f"a{evil}", "tags": [f"t{evil}"], "steps": 2}),
            client.post("/v1/videos", json={"prompt": "a", f"x{evil}": 1}),
            client.post("/v1/videos", json={"prompt": "a", "model": f"m{evil}"}),
            client.get("/v1/videos", params={"after": f"video{evil}"}),
            client.get("/v1/videos", params={f"x{evil}": "1"}),
            client.get(f"/v1/videos/{httpx.QueryParams({'a': f'x{evil}'})}"),
            client.get(f"/v1/models/{httpx.QueryParams({'a': f'x{evil}'})}"),
            client.get(f"/nothing/{httpx.QueryParams({'a': f'x{evil}'})}"),
        ]
        video = answers[0].json()
        while client.get(f"/v1/videos/{video['id']}").json()["status"] not in {"completed", "failed"}:
            time.sleep(0.1)
        answers.append(client.get(f"/v1/videos/{video['id']}/content"))
    assert [answer.status_code for answer in answers] == [200, 400, 404, 400, 400, 404, 404, 404, 200]
    assert [name for answer in answers for name in answer.headers if name == "set-cookie"] == []


@pytest.mark.parametrize(
    ("header", "value", "kept"),
    [
        (b"X-Request-Id", b"mine-1", True),
        (b"X-Request-Id", b"x" * 128, True),
        (b"X-Request-Id", b"x" * 129, False),
        (b"X-Request-Id", b"\xff\xfe", False),
        (b"X-Request-Id", b"a b", False),
        (b"X-Request-Id", b'{"a": 1}', False),
        (b"X-Request-Id", b"a\tb", False),
    ],
)
def test_a_request_id_comes_back_only_where_it_is_harmless(live: Live, header: bytes, value: bytes, kept: bool) -> None:
    for path, status in (("/v1/models", 200), ("/nothing", 404), ("/v1/videos/x", 404), ("/v1/videos?limit=x", 400)):
        answer = httpx.get(live.url + path, headers=[(header, value)])
        assert answer.status_code == status
        assert (answer.headers["x-request-id"].encode("latin-1") == value) is kept
        assert answer.headers["x-request-id"].isascii()


# Tricks in paths

TRICKS = [
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fserver.log", "....//....//x", "video_..%5c..%5cx", "%00", "video_%00",
    "%c0%ae%c0%ae/", "video_" + "0" * 31 + "/../x", "clip_" + "0" * 32, "VIDEO_" + "0" * 32, "video_" + "0" * 32 + "%20",
    "video_" + "０" * 32, "C:%5cx", "%252e%252e",
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_an_id_never_becomes_a_path(live: Live, trick: str) -> None:
    for path in (f"/v1/videos/{trick}", f"/v1/videos/{trick}/content", f"/v1/shared/{trick}", f"/docs/x/{trick}", f"/playground/x/{trick}"):
        target = path.encode("utf-8")
        told = raw(live, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert set(statuses(told)) <= {400, 404, 405}, (path, told[:200])
        assert b"root:" not in told


@pytest.mark.parametrize("trick", [*TRICKS, b"\xff\xfe", "a/b/c".encode("utf-16")])
def test_an_id_of_a_user_may_be_anything_and_is_no_path(live: Live, trick: str | bytes) -> None:
    sent = trick if isinstance(trick, bytes) else trick.encode("utf-8")
    told = raw(live, b"GET /v1/users/" + sent + b"/requests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert set(statuses(told)) <= {200, 400, 404, 405}, told[:200]
    assert b"root:" not in told


@given(variant=st.text(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_variant_is_one_of_five_words(live: Live, variant: str) -> None:
    answer = httpx.get(f"{live.url}/v1/videos/{'video_' + '0' * 32}/content", params={"variant": variant.encode("utf-8", "replace")})
    assert answer.status_code == (404 if variant in {"video", "thumbnail", "spritesheet", "webp", "gif"} else 400)


# Everything at once


def test_broken_bodies_leave_nothing_behind(live: Live) -> None:
    """The short form of `python -m benchmarks.leaks`."""
    live.made("a red ball", steps=2)
    asyncio.run(send(live.url, 400, 1))
    memory, files = held(live.pid)
    told = asyncio.run(send(live.url, 800, 2))
    assert told[500] == 0
    assert sum(told.values()) == 800
    assert {400, 413, 415, 504} <= set(told)
    until = time.monotonic() + 10
    while held(live.pid)[1] - files > 8:  # connections are closed on both sides in turn
        assert time.monotonic() < until
        time.sleep(0.05)
    now, _ = held(live.pid)
    assert now - memory < 48
    assert live.post("a red ball", steps=2)["reprise"]["verdict"] == "exact"
