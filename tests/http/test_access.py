"""Open mode: this machine, under its own name, from its own pages."""

from __future__ import annotations

import pytest

from gateway.auth.access import host_name, is_local
from tests.http.memory import Edge


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8000", "127.1.2.3:5", "[::1]", "[::1]:8000"]
)
async def test_names_of_this_machine(edge: Edge, host: str) -> None:
    async with edge.client() as client:
        assert (await client.get("/v1/models", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "evil-localhost",
        "localhost:x",
        "10.0.0.1",
        "0.0.0.0",
        "[::2]",
        "127.0.0.1.nip.io",
        "a@localhost",
        "localhost/x",
    ],
)
async def test_other_names_are_refused(edge: Edge, host: str) -> None:
    async with edge.client() as client:
        answer = await client.get("/v1/models", headers={"host": host})
        assert answer.status_code in {400, 403}
        assert answer.json()["error"]["message"]


async def test_two_names_are_refused(edge: Edge) -> None:
    async with edge.client() as client:
        answer = await client.get("/v1/models", headers=[("host", "localhost"), ("host", "evil.example")])
        assert answer.status_code == 403


async def test_a_name_may_be_allowed() -> None:
    async with Edge(allowed_hosts=("Video.Internal",)).client("http://video.internal:8000", "10.0.0.7") as client:
        assert (await client.get("/v1/models")).status_code == 200
        assert (await client.get("/v1/models", headers={"host": "evil.example"})).status_code == 403


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("127.9.9.9", 200), ("10.0.0.7", 403), ("2001:db8::1", 403)]
)
async def test_only_this_machine_is_served(edge: Edge, address: str, status: int) -> None:
    async with edge.client(address=address) as client:
        assert (await client.get("/v1/models")).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),
        ("HTTP://LOCALHOST:8000", 200),
        ("https://localhost:8000", 200),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("http://127.0.0.1:8000", 403),
        ("https://evil.example", 403),
        ("http://localhost:8000.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
        ("http://[bad", 403),
    ],
)
async def test_origins(edge: Edge, origin: str, status: int) -> None:
    async with edge.client() as client:
        answer = await client.post("/v1/videos", json={"prompt": "a red kite"}, headers={"origin": origin})
        assert answer.status_code == status
        assert len(edge.answer.asks) == (status == 200)


async def test_a_foreigner_is_refused_before_its_body_is_read(edge: Edge) -> None:
    async with edge.client() as client:
        answer = await client.post("/v1/videos", content=b"x" * 100_000, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403


async def test_health_is_public(edge: Edge) -> None:
    async with edge.client("http://10.1.2.3:8000", "10.0.0.7") as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200


def test_names() -> None:
    assert host_name("localhost:8000") == "localhost"
    assert host_name("[::1]:80") == "[::1]"
    assert host_name("[::1]") == "[::1]"
    assert host_name("") is None
    assert host_name("a, b") is None
    assert not is_local("")
    assert not is_local("0.0.0.0")
