"""Who renders and what each does, as rows and as the overview tells it."""

from __future__ import annotations

import sqlite3

import httpx
from sqlalchemy import update

from cache.storage.database.database import Database
from cache.storage.fleet.workers import ALIVE, Workers
from cache.storage.tables import workers
from tests.conftest import StartServer
from tests.stage import set_stage, take


async def test_a_worker_is_what_its_last_sign_of_life_says(database: Database) -> None:
    hands = Workers(database)
    for name in ("worker_a", "worker_b", "worker_c"):
        await hands.loaded(name, "demo", "revision-1", "cpu")
    await hands.loaded("worker_a", "demo", "revision-2", "a card", 80 * 10**9)
    await hands.stopped("worker_b")
    await age(database, "worker_c", ALIVE + 5)
    found = {hand.id: hand for hand in await hands.list()}
    assert {name: hand.state for name, hand in found.items()} == {"worker_a": "idle", "worker_b": "stopped", "worker_c": "silent"}
    assert (found["worker_a"].revision, found["worker_a"].memory) == ("revision-2", 80 * 10**9)
    await hands.seen("worker_c")
    await age(database, "worker_b", 7200)
    assert {hand.id: hand.state for hand in await hands.list()} == {"worker_a": "idle", "worker_c": "idle"}
    await age(database, "worker_a", 100_000)
    await hands.loaded("worker_d", "demo", "revision-1", "cpu")
    assert {hand.id for hand in await hands.list()} == {"worker_c", "worker_d"}


async def test_what_it_does_is_what_it_holds_a_lease_of(database: Database, tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    stage, hands = set_stage(database, tmp_path), Workers(database)
    await hands.loaded("worker_a", "demo", "revision-1", "cpu")
    job = await stage.job_for(take("a red ball"))
    (lease,) = await stage.leases.lease("worker_a", "revision-1")
    (hand,) = await hands.list()
    assert (hand.state, hand.job_id, hand.progress) == ("rendering", job, 0)
    await stage.leases.release(lease)
    (hand,) = await hands.list()
    assert (hand.state, hand.job_id, hand.stage) == ("idle", None, None)


def test_a_server_that_renders_is_a_worker_until_it_stops(start: StartServer) -> None:
    live = start()
    made = live.made("a red ball")
    assert made["status"] == "completed"
    (hand,) = httpx.get(f"{live.url}/admin/api/overview").json()["workers"]
    assert hand["state"] == "idle"
    connection = sqlite3.connect(live.folder / "reprise.db", timeout=10)
    leased = connection.execute("SELECT worker FROM jobs").fetchall()
    assert leased == [(hand["id"],)]
    live.stop()
    assert connection.execute("SELECT id, stopped FROM workers").fetchall() == [(hand["id"], 1)]
    connection.close()


async def age(database: Database, worker_id: str, seconds: float) -> None:
    async with database.write() as connection:
        await connection.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=workers.c.seen_at - seconds))
