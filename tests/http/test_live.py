"""Over a real socket and server: what the official client sends, and clients that do not play along."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
import uvicorn

from cache.ids import new_id
from tests.http.memory import Edge, ask_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Live:
    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.server = uvicorn.Server(uvicorn.Config(edge.app, port=0, lifespan="off", ws="none", log_level="warning", access_log=False))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()

    def raw(self, *pieces: bytes, until: float = 3.0) -> bytes:
        """What comes back on one connection for bytes sent as they are; the server closes or time runs out."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=until) as connection:
            for piece in pieces:
                connection.sendall(piece)
            received = b""
            try:
                while more := connection.recv(65536):
                    received += more
                    if b"\r\n\r\n" in received and received.endswith(b"}"):
                        break
            except TimeoutError:
                pass
            return received


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    live = Live(Edge())
    yield live
    live.close()


@pytest.fixture(autouse=True)
def as_new(live: Live) -> None:
    live.edge.reset()


@pytest.fixture
def official(live: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_the_official_client(live: Live, official: openai.OpenAI) -> None:
    # Ours are not its types' lengths and sizes; on the wire it does not check them.
    ours: dict[str, Any] = {"seconds": "2", "size": "128x128", "extra_body": {"seed": 7, "tags": ["a", "b"]}}
    video = official.videos.create(prompt="a red kite", model="sora-2", **ours)
    assert video.status == "completed"
    assert video.reprise["verdict"] == "exact"  # type: ignore[attr-defined]
    (ask,) = live.edge.answer.asks
    assert (ask.seed, ask.tags) == (7, ("a", "b"))
    assert official.videos.retrieve(video.id).seconds == "2.125"
    for variant in ("video", "thumbnail", "spritesheet"):
        assert official.videos.download_content(video.id, variant=variant).read().startswith(variant.encode())
    assert official.videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError) as missing:
        official.videos.retrieve(video.id)
    assert missing.value.code == "not_found"


def test_the_official_client_pages_through_everything(live: Live, official: openai.OpenAI) -> None:
    for number in range(53):
        official.videos.create(prompt=f"kite {number}")
    assert len({video.id for video in official.videos.list()}) == 53
    assert len(list(official.videos.list(limit=10, order="asc"))) == 53


def test_the_official_client_polls_as_told(live: Live, official: openai.OpenAI) -> None:
    answer = official.videos.with_raw_response.create(prompt="miss: a kite")
    assert answer.headers["openai-poll-after-ms"] == "1800"
    video = official.videos.with_raw_response.retrieve(answer.parse().id)
    assert video.headers["openai-poll-after-ms"] == "1800"


@pytest.mark.parametrize("length", [10, 200_000, 5_000_000])
def test_an_input_reference_is_refused_by_name_whatever_its_length(official: openai.OpenAI, length: int) -> None:
    with pytest.raises(openai.BadRequestError, match="image-to-video is not supported") as refused:
        official.videos.create(prompt="a red kite", input_reference=("x.png", b"\x89" * length))
    assert refused.value.param == "input_reference"


def test_a_nested_extra_field_is_refused_by_name(official: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        official.videos.create(prompt="a red kite", extra_body={"reprise": {"a": 1}})
    assert refused.value.param == "reprise.a"


def test_what_the_client_does_not_know_is_refused_by_us(official: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        official.videos.remix(new_id("video"), prompt="x")
    assert refused.value.code == "not_supported"


@pytest.mark.parametrize("length", [65_537, 3_000_000])
def test_a_body_over_the_limit(live: Live, length: int) -> None:
    answer = httpx.post(f"{live.url}/v1/videos", content=b"x" * length, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_body_over_the_limit_that_never_says_its_length(live: Live) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    answer = httpx.post(f"{live.url}/v1/videos", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_a_connection_lives_on_after_a_refusal(live: Live) -> None:
    with httpx.Client(base_url=live.url) as client:
        for _ in range(3):
            assert client.post("/v1/videos", content=b"x" * 300_000, headers={"content-type": "application/json"}).status_code == 413
            assert client.post("/v1/videos", json={"prompt": "a red kite"}).status_code == 200


def test_a_body_in_many_pieces(live: Live) -> None:
    body = json.dumps({"prompt": "a red kite"}).encode()
    head = f"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = live.raw(head, *(body[at : at + 1] for at in range(len(body))))
    assert answer.startswith(b"HTTP/1.1 200")


def test_no_host_no_service(live: Live) -> None:
    assert live.raw(b"GET /v1/models HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert live.raw(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n").split()[1] in {b"400", b"403"}


def test_headers_cannot_be_planted(live: Live) -> None:
    answer = httpx.get(f"{live.url}/v1/models", headers={"x-request-id": "a%0d%0aset-cookie: b"})
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_client_that_leaves_in_the_middle_of_a_long_spec(live: Live) -> None:
    edge = live.edge
    video = httpx.post(f"{live.url}/v1/videos", json={"prompt": "a red kite"}).json()
    answered = edge.answer.videos[video["id"]]
    assert answered.clip is not None
    stored = answered.clip.objects["video"]
    long: Any = b"x" * 30_000_000
    edge.objects.bodies[stored.name] = long
    object.__setattr__(stored, "length", len(long))
    with httpx.stream("GET", f"{live.url}/v1/videos/{video['id']}/content") as response:
        next(response.iter_raw())
    time.sleep(0.3)
    assert edge.answer.downloads == []
    assert len(httpx.get(f"{live.url}/v1/videos/{video['id']}/content").content) == len(long)
    assert edge.answer.downloads == [video["id"]]


def test_a_head_over_the_wire(live: Live) -> None:
    video = httpx.post(f"{live.url}/v1/videos", json={"prompt": "a red kite"}).json()
    path = f"{live.url}/v1/videos/{video['id']}/content"
    assert httpx.head(path).headers["content-length"] == httpx.get(path).headers["content-length"]
    assert httpx.get(path, headers={"if-none-match": "*"}).status_code == 304


def test_an_ask_of_the_tests_is_whole() -> None:
    assert ask_of().recipe.size == "128x128"
