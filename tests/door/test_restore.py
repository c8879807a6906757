"""An older dump takes the place of the database under a gateway and a worker that run, as an operator in need would do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fleet import Fleet
from tests.live import PATIENCE
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.timeout(600)

STEPS = 2
CACHED = {"Cache-Control": "only-if-cached"}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Not the shared one: its programs make the dump."""
    server = Postgres()
    yield server.start()
    server.close()


@pytest.fixture(scope="module")
def fleet(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("restore")
    machines = Fleet(folder, tiny_model, postgres.create("reprise"), (folder / "objects").as_uri(), stop_grace_seconds=5)
    try:
        machines.start(gateways=1, workers=1)
        machines.ready()
        yield machines
    finally:
        machines.close()


def within(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.1)


def verdict(url: str, prompt: str) -> str:
    """Without rendering; "" where there is no hit."""
    answer = httpx.post(f"{url}/v1/videos", json={"prompt": prompt, "steps": STEPS}, headers=CACHED, timeout=PATIENCE)
    return str(answer.json()["reprise"]["verdict"]) if answer.status_code == 200 else ""


def test_a_running_gateway_notices_an_older_dump(fleet: Fleet, postgres: Postgres) -> None:
    (gateway,) = fleet.gateways
    kept = gateway.made("a white ring moving right on a black background", steps=STEPS)
    dump = postgres.dump("reprise")
    lost = gateway.made("a red ball on grass", steps=STEPS)
    assert verdict(gateway.url, "the red ball is on grass") == "near"
    postgres.restore(dump, "reprise")
    within(PATIENCE, lambda: httpx.get(f"{gateway.url}/health/ready", timeout=PATIENCE).status_code == 200)
    # As many changes as were lost, and at once: their numbers are those that the gateway has read already.
    again = gateway.made("a blue square spins slowly", steps=STEPS)
    within(PATIENCE, lambda: "an older state of the database was restored" in gateway.log.read_text())
    within(PATIENCE, lambda: verdict(gateway.url, "the blue square is spinning slowly") == "near")
    assert verdict(gateway.url, "The white ring is moving right on the black background") == "near"
    assert verdict(gateway.url, "the red ball is on grass") == "", "nobody knows of it any more"
    assert httpx.get(f"{gateway.url}/v1/videos/{lost['id']}", timeout=PATIENCE).status_code == 404
    for video in (kept, again):
        assert gateway.content(video["id"])[4:8] == b"ftyp"
    fleet.ready()
