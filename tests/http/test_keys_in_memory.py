"""What a gateway remembers of keys: for how long, and what it does while the database is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cache.errors import Invalid, NotFound, RateLimited, Unavailable
from cache.storage.database.database import Database
from cache.storage.fleet.accounts import Accounts, Key, KeyTerms, Rate
from gateway.auth import access
from gateway.auth.access import KeyAccess
from gateway.auth.limits import Limits
from tests.databases import open_sqlite


async def away(database: Database, folder: Path) -> None:
    def remove() -> None:
        for file in folder.glob("reprise.db*"):
            file.unlink()
        (folder / "reprise.db").mkdir()

    await database.close()
    await asyncio.to_thread(remove)


async def test_a_key_is_believed_for_a_moment_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_sqlite(tmp_path) as database:
        accounts = Accounts(database)
        key, secret = await accounts.create(KeyTerms("acme", "admin", Rate(3, 60), 2, "all", "theirs"))
        asked = KeyAccess(accounts, Limits())
        assert await asked.known(secret) == key
        assert (key.tenant, key.role, key.share, str(key.rate), key.concurrency) == ("acme", "admin", "all", "3/m", 2)
        await accounts.revoke(key.id)
        assert await asked.known(secret) == key
        monkeypatch.setattr(access, "_FRESH", 0.0)
        assert await asked.known(secret) is None
        assert await asked.known("") is None
        assert [known.revoked_at is None for known in await accounts.list()] == [False]
        assert not await accounts.any()


async def test_keys_that_were_confirmed_bridge_an_outage_and_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_FRESH", 0.0)
    async with open_sqlite(tmp_path) as database:
        accounts = Accounts(database)
        _, secret = await accounts.create(KeyTerms("acme"))
        asked = KeyAccess(accounts, Limits())
        assert await asked.known(secret) is not None
        await away(database, tmp_path)
        assert await asked.known(secret) is not None
        with pytest.raises(Unavailable):
            await asked.known("another")
        monkeypatch.setattr(access, "_BRIDGED", 0.0)
        with pytest.raises(Unavailable):
            await asked.known(secret)


async def test_many_calls_of_one_key_share_one_look(tmp_path: Path) -> None:
    class Counted(Accounts):
        looks = 0

        async def find(self, digest: str) -> Key | None:
            self.looks += 1
            return await super().find(digest)

    async with open_sqlite(tmp_path) as database:
        accounts = Counted(database)
        _, secret = await accounts.create(KeyTerms("acme"))
        asked = KeyAccess(accounts, Limits())
        found = await asyncio.gather(*(asked.known(secret) for _ in range(50)))
        assert len({key.id for key in found if key is not None}) == 1
        assert accounts.looks == 1


async def test_a_tenant_shares_when_it_is_told_to(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database:
        accounts = Accounts(database)
        await accounts.create(KeyTerms("acme", share="all"))
        assert (await accounts.create(KeyTerms("acme")))[0].share == "all", "a second key changes nothing"
        await accounts.create(KeyTerms("acme", share="tenant"))
        assert {key.share for key in await accounts.list()} == {"tenant"}
        for wrong in ("", "Acme", "a b", "-a", "x" * 64, "../a", "a:b"):
            with pytest.raises(Invalid):
                await accounts.create(KeyTerms(wrong))
        for key_id in ("nonsense", "key_" + "0" * 32):
            with pytest.raises(NotFound):
                await accounts.revoke(key_id)


@pytest.mark.parametrize(("text", "rate"), [("60/m", Rate(60, 60)), ("1/s", Rate(1, 1)), ("5/h", Rate(5, 3600)), ("9/d", Rate(9, 86_400))])
def test_rates(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate
    assert str(rate) == text


@pytest.mark.parametrize("text", ["", "60", "0/m", "-1/m", "60/w", "60 / m", "1e3/s", "60/m ", "٣/m"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(Invalid):
        Rate.parse(text)


async def test_a_window_ends_and_calls_come_back() -> None:
    limits, key = Limits(), Key("key_1", "acme", "user", "tenant", Rate(2, 60), 1)
    assert [(await limits.take(key))[1][1][:13] for _ in range(2)] == [b'"default";r=1', b'"default";r=0']
    with pytest.raises(RateLimited) as refused:
        await limits.take(key)
    assert 0 < refused.value.retry_after <= 60
    limits._count(key.id).until -= 60
    assert (await limits.take(key))[1][1].startswith(b'"default";r=1')
    with limits.running(key), pytest.raises(RateLimited), limits.running(key):
        pass
    with limits.running(key):
        pass
