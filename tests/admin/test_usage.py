"""Usage by tenant and key: the sums are the requests, before and after they were pruned."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from cache.storage.database.database import Database
from cache.storage.operators.tally import Tally
from cache.storage.operators.usage import usage_of
from cache.storage.tables import requests
from tests.admin.conftest import ADMIN
from tests.live import Live
from tests.stage import SERVED, made, set_stage, take

DAY = 86_400


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("usage"), tiny_model, ADMIN_KEY=ADMIN, GPU_PRICE_PER_HOUR=3).start()
    yield server
    server.close()


def test_each_key_has_its_own_sums(busy: Live) -> None:
    admin = {"Authorization": f"Bearer {ADMIN}"}
    keys = []
    for label in ("=cmd()", "web"):
        terms = {"tenant": "acme", "role": "user", "label": label}
        written = httpx.post(f"{busy.url}/admin/keys", data=terms, headers=admin | {"Origin": busy.url})
        assert written.status_code == 200, written.text
        keys.append(written.text.partition('id="secret">')[2].partition("<")[0])
    for key, times in zip(keys, (1, 3), strict=True):
        for _ in range(times):
            body = {"prompt": "a red ball rolls", "quality": "draft"}
            sent = {"Authorization": f"Bearer {key}", "Prefer": "wait=60"}
            assert httpx.post(f"{busy.url}/v1/videos", json=body, headers=sent, timeout=90).json()["status"] == "completed"
    told = httpx.get(f"{busy.url}/admin/api/usage", headers=admin).json()["usage"]
    first, second = sorted((row for row in told if row["tenant"] == "acme"), key=lambda row: row["requests"])
    assert (first["key_label"], first["requests"], first["hits"]) == ("=cmd()", 1, 0)
    assert first["gpu_seconds"] > 0
    assert (second["key_label"], second["requests"], second["hits"]) == ("web", 3, 3)
    assert second["gpu_seconds"] == 0
    assert second["gpu_seconds_saved"] == pytest.approx(3 * first["gpu_seconds"])
    table = list(csv.DictReader(io.StringIO(httpx.get(f"{busy.url}/admin/api/usage.csv", headers=admin).text)))
    assert {row["key_label"] for row in table if row["tenant"] == "acme"} == {"'=cmd()", "web"}, "no spreadsheet computes a label"
    nothing = httpx.get(f"{busy.url}/admin/api/usage", params={"since": "2020-01-01", "until": "2020-01-02"}, headers=admin)
    assert nothing.json()["usage"] == []
    for wrong in ({"since": "yesterday"}, {"until": "2020-01-01"}):
        answer = httpx.get(f"{busy.url}/admin/api/usage", params=wrong, headers=admin)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(wrong)))


async def test_pruned_requests_stay_counted(database: Database, tmp_path: Path) -> None:
    stage = set_stage(database, tmp_path)
    await stage.ask(take("a ball"))
    (lease,) = await stage.leases.lease("w", SERVED.revision)
    await stage.leases.finish(lease, made())
    before = await usage_of(stage.database, 0.0, 1e12)
    assert [(one.requests, one.gpu_seconds > 0) for one in before] == [(1, True)]
    await age(stage.database, 3 * DAY)
    assert await Tally(stage.database, keep_days=1).prune() == 1
    assert await usage_of(stage.database, 0.0, 1e12) == before


async def age(database: Database, seconds: float) -> None:
    async with database.write() as connection:
        await connection.execute(update(requests).values(created_at=requests.c.created_at - seconds))
