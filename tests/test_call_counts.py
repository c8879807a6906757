"""A key's rate at several gateways: shared by the database, never more than it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from cache.errors import RateLimited
from cache.storage.database.database import Database
from cache.storage.fleet.accounts import Accounts, Key, KeyTerms, Rate
from cache.storage.fleet.call_counts import CallCounts
from cache.storage.tables import call_counts
from gateway.auth.limits import Limits
from tests.door.test_keys import bearer, command
from tests.fleet import Fleet
from tests.live import PATIENCE
from tests.servers.postgres import shared_postgres

DAY = 86_400


async def key_of(database: Database, rate: Rate) -> Key:
    key, _ = await Accounts(database).create(KeyTerms("acme", rate=rate))
    return key


async def let_in(limits: Limits, key: Key) -> bool:
    try:
        await limits.take(key)
    except RateLimited as refused:
        assert refused.retry_after > 0
        return False
    return True


@pytest.mark.parametrize("calls", [1, 7, 50, 333])
async def test_gateways_together_let_a_rate_through_and_no_more(database: Database, calls: int) -> None:
    key = await key_of(database, Rate(calls, DAY))
    gateways = [Limits(CallCounts(database)) for _ in range(3)]
    asked = await asyncio.gather(*(let_in(gateways[turn % 3], key) for turn in range(3 * calls + 9)))
    assert sum(asked) == calls, "each gateway used up what it leased"
    assert not any([await let_in(gateway, key) for gateway in gateways])


async def test_what_is_left_is_told_of_all_gateways(database: Database) -> None:
    key = await key_of(database, Rate(100, DAY))
    first, second = Limits(CallCounts(database)), Limits(CallCounts(database))
    assert (await first.take(key))[1][1].startswith(b'"default";r=99;')
    assert (await second.take(key))[1][1].startswith(b'"default";r=97;'), "the first has leased two"
    assert (await first.take(key))[1][1].startswith(b'"default";r=98;'), "it tells what it knows"


async def test_a_new_window_begins_anew_and_an_old_one_never_again(database: Database) -> None:
    key = await key_of(database, Rate(2, DAY))
    counts = CallCounts(database)
    assert [(await counts.lease(key.id, Rate(2, DAY), 1)).calls for _ in range(3)] == [1, 1, 0]

    async def shift(by: int) -> None:
        async with database.write() as connection:
            await connection.execute(update(call_counts).values(part=call_counts.c.part + by))

    await shift(1)  # as a gateway sees it that asked before midnight and was answered after it
    assert (await counts.lease(key.id, Rate(2, DAY), 1)).calls == 0
    await shift(-2)
    lease = await counts.lease(key.id, Rate(2, DAY), 1)
    assert (lease.calls, lease.beyond) == (1, 1)
    assert 0 <= lease.seconds <= DAY
    await shift(10)  # the database's clock was put back
    assert (await counts.lease(key.id, Rate(2, DAY), 1)).calls == 1


@pytest.fixture
def two_gateways(tmp_path: Path, tiny_model: Path) -> Iterator[Fleet]:
    name = f"rates_{tmp_path.name.replace('-', '_')}"
    machines = Fleet(tmp_path, tiny_model, shared_postgres().create(name), (tmp_path / "store").as_uri())
    try:
        machines.start(gateways=2, workers=0)
        yield machines
    finally:
        machines.close()
        shared_postgres().drop(name)


def test_two_gateways_share_a_key_s_rate(two_gateways: Fleet, tmp_path: Path) -> None:
    shared = {"DATABASE_URL": two_gateways.environment["REPRISE_DATABASE_URL"]}
    made = command(tmp_path, "keys", "create", "--tenant", "acme", "--rate", "5/d", **shared)
    assert made.returncode == 0, made.stderr
    headers = bearer(made.stdout.strip())
    until = time.monotonic() + PATIENCE
    while any(httpx.get(f"{gateway.url}/v1/videos", timeout=PATIENCE).status_code != 401 for gateway in two_gateways.gateways):
        assert time.monotonic() < until, "open mode ends with the first key"
        time.sleep(0.1)
    asked = [
        httpx.post(f"{gateway.url}/v1/videos", json={"prompt": ""}, headers=headers, timeout=PATIENCE)
        for _ in range(4)
        for gateway in two_gateways.gateways
    ]
    assert [answer.status_code for answer in asked] == [400] * 5 + [429] * 3
    assert asked[-1].headers["ratelimit"].startswith('"default";r=0;t=')
    assert int(asked[-1].headers["retry-after"]) >= 1
