"""A worker without a web server says how it is; so does a gateway of each of its parts."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest

from cache.errors import DiskFull, Unavailable
from cache.settings import Settings
from gateway.api.health import Health, HealthPart
from gateway.health_parts import room
from gateway.telemetry.worker_metrics import asked_for_health


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def test_a_worker_is_alive_before_it_is_ready() -> None:
    trouble: list[Exception] = [Unavailable("the model cannot be loaded")]

    async def model() -> None:
        if trouble:
            raise trouble[0]

    health = Health({"model": HealthPart(model, needed=True)})
    with asked_for_health(health, Settings(health_port=free_port())) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/health/live")).json() == {"status": "live"}
            early = await client.get("/health/ready")
            assert (early.status_code, early.json()["parts"]["model"]["note"]) == (503, "unavailable")
            trouble.clear()
            assert (await client.get("/health/ready")).json()["status"] == "ready"
            assert (await client.get("/metrics")).status_code == 404


async def test_there_is_no_port_where_none_is_wanted() -> None:
    with asked_for_health(Health({}), Settings()) as port:
        assert port is None


async def test_a_taken_port_is_one_line_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(health_port=int(taken.getsockname()[1]))
        with (
            pytest.raises(Unavailable, match=f"health cannot be served on 127.0.0.1:{settings.health_port}"),
            asked_for_health(Health({}), settings),
        ):
            pass


async def test_a_full_or_missing_disk_is_said(tmp_path: Path) -> None:
    await room(tmp_path, 0)
    with pytest.raises(DiskFull, match="GB are free"):
        await room(tmp_path, 1e18)
    with pytest.raises(DiskFull, match="cannot be looked at"):
        await room(tmp_path / "nowhere", 0)
    await asyncio.sleep(0)
