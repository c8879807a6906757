"""Bad input gets its documented status and an envelope that names the field, and leaves no row and no object behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.live import Live

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def untouched(live: Live) -> Iterator[Live]:
    """Fails the test if it left a request, a job or an object."""

    def held() -> tuple[int, list[str]]:
        listed = httpx.get(f"{live.url}/v1/videos?limit=100", timeout=30).json()
        return len(listed["data"]), live.objects()

    before = held()
    yield live
    assert held() == before


def refused(answer: httpx.Response, status: int, param: str | None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"]
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param, error
    assert error["message"]
    assert error["code"]
    return error


BODIES: list[tuple[str, dict[str, Any], str]] = [
    ("no prompt", {}, "prompt"),
    ("empty prompt", {"prompt": ""}, "prompt"),
    ("blank prompt", {"prompt": " \n\t "}, "prompt"),
    ("only punctuation", {"prompt": "..."}, "prompt"),
    ("long prompt", {"prompt": "x" * 4001}, "prompt"),
    ("NUL", {"prompt": "a\x00b"}, "prompt"),
    ("prompt of another type", {"prompt": 5}, "prompt"),
    ("prompt null", {"prompt": None}, "prompt"),
    ("size", {"prompt": "a ball", "size": "640x480"}, "size"),
    ("size of another type", {"prompt": "a ball", "size": 128}, "size"),
    ("seconds over", {"prompt": "a ball", "seconds": 3}, "seconds"),
    ("seconds zero", {"prompt": "a ball", "seconds": 0}, "seconds"),
    ("seconds words", {"prompt": "a ball", "seconds": "two"}, "seconds"),
    ("seconds infinite", {"prompt": "a ball", "seconds": "inf"}, "seconds"),
    ("seconds bool", {"prompt": "a ball", "seconds": True}, "seconds"),
    ("seed float", {"prompt": "a ball", "seed": 1.5}, "seed"),
    ("seed string", {"prompt": "a ball", "seed": "7"}, "seed"),
    ("seed negative", {"prompt": "a ball", "seed": -1}, "seed"),
    ("seed huge", {"prompt": "a ball", "seed": 2**64}, "seed"),
    ("steps and quality", {"prompt": "a ball", "steps": 5, "quality": "draft"}, "steps"),
    ("steps bool", {"prompt": "a ball", "steps": True}, "steps"),
    ("quality", {"prompt": "a ball", "quality": "best"}, "quality"),
    ("guidance", {"prompt": "a ball", "guidance_scale": 100}, "guidance_scale"),
    ("priority", {"prompt": "a ball", "priority": "urgent"}, "priority"),
    ("smaller for a person", {"prompt": "a ball", "allow_smaller": True}, "allow_smaller"),
    ("negative prompt", {"prompt": "a ball", "negative_prompt": "x" * 1001}, "negative_prompt"),
    ("unknown field", {"prompt": "a ball", "colour": "red"}, "colour"),
    ("input_reference", {"prompt": "a ball", "input_reference": {"image_url": "http://127.0.0.1/"}}, "input_reference"),
    ("tags of another type", {"prompt": "a ball", "tags": "one"}, "tags"),
]


@pytest.mark.parametrize(("body", "param"), [(body, param) for _, body, param in BODIES], ids=[name for name, _, _ in BODIES])
def test_a_wrong_field_is_named(untouched: Live, body: dict[str, Any], param: str) -> None:
    refused(httpx.post(f"{untouched.url}/v1/videos", json=body), 400, param)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "param"),
    [
        (b"{", "application/json", 400, None),
        (b"", "application/json", 400, None),
        (b"[]", "application/json", 400, None),
        (b'"a ball"', "application/json", 400, None),
        (b'{"prompt": "a \\ud800 ball"}', "application/json", 400, "prompt"),
        (b'{"prompt": "\xff\xfe"}', "application/json", 400, None),
        (b'{"prompt": "a ball", "seed": NaN}', "application/json", 400, None),
        (b"[" * 100_000, "application/json", 400, None),
        (b"prompt=a+ball", "application/x-www-form-urlencoded", 415, None),
        (b"a ball", "text/plain", 415, None),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400, None),
        (b"--x", "multipart/form-data", 400, None),
    ],
)
def test_a_broken_body_is_refused(untouched: Live, body: bytes, content_type: str, status: int, param: str | None) -> None:
    answer = httpx.post(f"{untouched.url}/v1/videos", content=body, headers={"Content-Type": content_type})
    refused(answer, status, param)


def test_a_body_over_the_limit_is_refused_before_it_is_read(untouched: Live) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"prompt": "'
        for _ in range(64):
            yield b"x" * 65_536

    answer = httpx.post(f"{untouched.url}/v1/videos", content=endless(), headers=JSON)
    refused(answer, 413, None)
    refused(httpx.post(f"{untouched.url}/v1/videos", content=b"x" * 2_000_000, headers=JSON), 413, None)


def test_multipart_says_the_same(untouched: Live) -> None:
    fields = {"prompt": (None, "a ball"), "size": (None, "640x480")}
    refused(httpx.post(f"{untouched.url}/v1/videos", files=fields), 400, "size")
    refused(httpx.post(f"{untouched.url}/v1/videos", files={"prompt": (None, "a ball"), "colour": (None, "red")}), 400, "colour")
    refused(httpx.post(f"{untouched.url}/v1/videos", files=[(f"field{number}", (None, "x")) for number in range(500)]), 400, "field0")


@pytest.mark.parametrize("path", ["video_" + "0" * 32, "nonsense", "video_%2e%2e", "video_" + "0" * 31 + "%00", "clip_" + "0" * 32])
def test_an_unknown_id_is_404_everywhere(untouched: Live, path: str) -> None:
    base = f"{untouched.url}/v1/videos/{path}"
    refused(httpx.get(base), 404, "video_id")
    refused(httpx.get(f"{base}/content"), 404, "video_id")
    refused(httpx.delete(base), 404, "video_id")
    refused(httpx.post(f"{base}/cancel"), 404, "video_id")
    refused(httpx.post(f"{base}/feedback", json={"satisfied": True}), 404, "video_id")


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=x", "after"), ("page=2", "page")],
)
def test_a_wrong_query_is_named(untouched: Live, query: str, param: str) -> None:
    refused(httpx.get(f"{untouched.url}/v1/videos?{query}"), 400, param)


def test_what_is_not_offered_says_so(untouched: Live) -> None:
    video = "video_" + "0" * 32
    for path in (f"/v1/videos/{video}/remix", "/v1/videos/edits", "/v1/videos/extensions", "/v1/videos/characters"):
        error = refused(httpx.post(untouched.url + path, json={"prompt": "a ball"}), 404, None)
        assert error["code"] == "not_supported"
    refused(httpx.put(f"{untouched.url}/v1/videos"), 405, None)
    refused(httpx.get(f"{untouched.url}/v2/videos"), 404, None)


def test_ranges(live: Live) -> None:
    video = live.made("a red ball for ranges", steps=2)
    url = f"{live.url}/v1/videos/{video['id']}/content"
    whole = httpx.get(url)
    body, etag = whole.content, whole.headers["etag"]

    def ask(header: str, **headers: str) -> httpx.Response:
        return httpx.get(url, headers={"Range": header, **headers})

    first = ask("bytes=0-99")
    assert (first.status_code, first.content, first.headers["content-range"]) == (206, body[:100], f"bytes 0-99/{len(body)}")
    assert ask("bytes=-10").content == body[-10:]
    assert ask(f"bytes={len(body) - 5}-").content == body[-5:]
    beyond = ask(f"bytes={len(body)}-")
    assert beyond.headers["content-range"] == f"bytes */{len(body)}"
    refused(beyond, 416, None)
    for unreadable in ("bytes=x", "lines=1-2", "bytes=5-2", "bytes=0-1,5-6"):
        assert ask(unreadable).status_code == 200
    assert ask("bytes=0-9", **{"If-Range": etag}).status_code == 206
    assert ask("bytes=0-9", **{"If-Range": '"another"'}).status_code == 200
    assert httpx.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert httpx.get(url, headers={"If-Match": '"another"'}).status_code == 412
    head = httpx.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(body)))
    refused(httpx.get(url, params={"variant": "latent"}), 400, "variant")
    refused(httpx.get(url, params={"variant": "../x"}), 400, "variant")


def test_content_before_there_is_any(live: Live) -> None:
    video = live.post("a square that is not ready", steps=100)
    answer = httpx.get(f"{live.url}/v1/videos/{video['id']}/content")
    assert refused(answer, 409, None)["code"] == "not_ready"
    httpx.post(f"{live.url}/v1/videos/{video['id']}/cancel")


def test_open_mode_is_for_this_machine(untouched: Live) -> None:
    body = json.dumps({"prompt": "a ball"})
    refused(httpx.post(f"{untouched.url}/v1/videos", content=body, headers=JSON | {"Host": "evil.example"}), 403, None)
    refused(httpx.post(f"{untouched.url}/v1/videos", content=body, headers=JSON | {"Origin": "https://evil.example"}), 403, None)
    refused(httpx.get(f"{untouched.url}/", headers={"Host": "evil.example"}), 403, None)
    refused(httpx.get(f"{untouched.url}/v1/videos", headers={"Origin": "null"}), 403, None)
    # The server listens on 127.0.0.1 and tells people localhost; the browser sends the name it was given, both times.
    own = {"Origin": untouched.url, "Host": untouched.url.removeprefix("http://")}
    assert httpx.get(f"{untouched.url}/v1/videos", headers=own).status_code == 200


def test_request_ids_come_back(live: Live) -> None:
    assert httpx.get(f"{live.url}/v1/videos", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    hostile = httpx.get(f"{live.url}/v1/videos", headers={"X-Request-Id": "<script>"}).headers["x-request-id"]
    assert hostile.startswith("req_")
