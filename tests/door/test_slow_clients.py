"""Clients that keep a connection and send or take next to nothing are cut off; others are not disturbed."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.live import Live

PATIENCE = 1.5


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("hurried"), tiny_model, CLIENT_TIMEOUT_SECONDS=PATIENCE).start()
    yield server
    server.close()


def connect(live: Live) -> socket.socket:
    address = urlsplit(live.url)
    return socket.create_connection((address.hostname, address.port), timeout=20)


def cut_off(connection: socket.socket, drip: bytes) -> float:
    """Sends `drip` again and again until the other side ends the connection; how many seconds that took."""
    began = time.monotonic()
    connection.settimeout(0.2)
    while time.monotonic() < began + 20:
        try:
            if drip:
                connection.sendall(drip)
            if connection.recv(1000) == b"":
                return time.monotonic() - began
        except TimeoutError:
            continue
        except ConnectionError:
            return time.monotonic() - began
    raise AssertionError("it holds the connection still")


@pytest.mark.parametrize(
    ("opening", "drip"),
    [
        (b"", b""),
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n"),
        (b"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n", b" "),
    ],
    ids=["nothing", "headers", "body"],
)
def test_a_request_that_does_not_arrive(hurried: Live, opening: bytes, drip: bytes) -> None:
    with connect(hurried) as connection:
        connection.sendall(opening)
        assert PATIENCE - 0.3 < cut_off(connection, drip) < PATIENCE + 10


def test_others_are_not_disturbed(hurried: Live) -> None:
    with httpx.Client(base_url=hurried.url, timeout=60) as client:
        assert client.get("/health/live").status_code == 200
        time.sleep(PATIENCE * 1.5)
        assert client.get("/health/live").status_code == 200, "an idle connection is no slow one"
    waited = hurried.post("a red ball that takes a while", steps=40, headers={"Prefer": "wait=5"})
    assert hurried.finished(waited)["status"] == "completed", "nor is one whose answer takes its time"


def test_a_reader_that_stops_reading(hurried: Live) -> None:
    with connect(hurried) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ask = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.settimeout(20)
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() < began + 20:  # pipelined answers that nobody takes
                connection.sendall(ask * 50)
                time.sleep(0.02)
    assert httpx.get(f"{hurried.url}/health/live").status_code == 200
