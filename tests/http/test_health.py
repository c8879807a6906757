"""Live is the process; ready is its parts, and only those that nothing works without decide."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from cache.errors import DatabaseAway, StillLoading
from gateway.api import health
from gateway.api.health import HealthPart
from tests.http.memory import Edge


async def fine() -> None: ...


async def away() -> None:
    raise DatabaseAway("postgres at secret.internal does not answer")


async def loading() -> None:
    raise StillLoading("the encoder loads", 9)


async def silent() -> None:
    await asyncio.sleep(60)


async def ready(**parts: HealthPart) -> httpx.Response:
    async with Edge(parts=parts).client() as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
        return await client.get("/health/ready")


async def test_ready_with_an_encoder_that_still_loads() -> None:
    answer = await ready(database=HealthPart(fine, needed=True), encoder=HealthPart(loading, needed=False))
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "parts": {
            "database": {"ready": True, "needed": True, "note": None},
            "encoder": {"ready": False, "needed": False, "note": "still_loading"},
        },
    }
    assert answer.headers["cache-control"] == "no-store"


async def test_how_a_part_works_is_told_where_there_is_something_to_tell() -> None:
    placed = HealthPart(fine, needed=False, how=lambda: "offload none: all parts stay on the device")
    answer = await ready(model=placed)
    assert answer.json()["parts"]["model"]["how"] == "offload none: all parts stay on the device"


async def test_not_ready_without_the_database_and_no_names_told() -> None:
    answer = await ready(database=HealthPart(away, needed=True), encoder=HealthPart(fine, needed=False))
    assert answer.status_code == 503
    assert answer.json()["status"] == "not_ready"
    assert "secret" not in answer.text


async def test_a_part_that_says_nothing_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    answer = await ready(store=HealthPart(silent, needed=True))
    assert answer.json()["parts"]["store"]["note"] == "no_answer"
