"""What people say of answers: it acts in their tenant at once, and through admins' labels on the judge's table."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from sqlalchemy import insert, select

from cache.ids import new_id
from cache.matching.encoding.encoders import Encoders, Loading
from cache.matching.encoding.loading import configured_encoders
from cache.matching.recalibration import FEWEST, STEP
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.requests.recalibrations import Recalibrations
from cache.storage.tables import labels, now
from gateway.upkeep.recalibrating import Recalibrator
from tests.conftest import StartServer
from tests.databases import open_sqlite
from tests.live import Live

STEPS = 4
AGAIN = {"Cache-Control": "no-cache", "Prefer": "wait=30"}


async def rerolls(live: Live) -> list[tuple[str, bool, float]]:
    database = Database(Settings(data_dir=live.folder).database)
    try:
        async with database.read() as connection:
            rows = await connection.execute(select(labels.c.request_id, labels.c.right, labels.c.weight).where(labels.c.source == "reroll"))
            return [(row.request_id, row.right, row.weight) for row in rows]
    finally:
        await database.close()


async def test_asking_anew_soon_after_a_near_hit_is_a_weak_word_against_it(start: StartServer) -> None:
    live = start()
    live.made("a red ball rolls over the grass", steps=STEPS)
    near = live.post("a red ball is rolling over the grass", steps=STEPS)
    assert near["reprise"]["verdict"] == "near"
    live.post("a red ball rolls over the grass", headers=AGAIN, steps=STEPS)
    assert await rerolls(live) == [], "another prompt, which had no near hit"
    again = live.post("a red ball is rolling over the grass", headers=AGAIN, steps=STEPS)
    assert again["reprise"]["verdict"] == "bypass"
    ((request, right, weight),) = await rerolls(live)
    assert (request, right) == (near["id"], False)
    assert 0 < weight < 1
    live.post("a red ball is rolling over the grass", headers=AGAIN, steps=STEPS)
    assert len(await rerolls(live)) == 1, "one near hit, one word"
    # Weak as it is, it keeps the clip from nobody.
    assert live.post("the red ball is rolling over the grass", steps=STEPS)["reprise"]["verdict"] in {"exact", "near"}


async def test_who_always_asks_anew_says_nothing_by_it(start: StartServer) -> None:
    live = start()
    live.made("a red ball rolls over the grass", headers=AGAIN, steps=STEPS)
    for _ in range(3):
        live.post("a blue cube spins", headers=AGAIN, steps=STEPS)
    near = live.post("a red ball is rolling over the grass", steps=STEPS)
    assert near["reprise"]["verdict"] == "near"
    live.post("a red ball is rolling over the grass", headers=AGAIN, steps=STEPS)
    assert await rerolls(live) == []


async def say(database: Database, right: bool, count: int = FEWEST, confidence: float = 0.99, source: str = "admin") -> None:
    """Words on as many near hits."""
    rows = [
        {
            "id": new_id("label"), "tenant": "local", "scope": "tenant:local", "request_id": new_id("video"), "clip_id": None,
            "spec_key": "0" * 64, "recipe_key": "0" * 64, "verdict": "near", "right": right, "weight": 1.0, "source": source,
            "similarity": 0.9, "confidence": confidence,
        }
        for _ in range(count)
    ]  # fmt: skip
    async with database.write() as connection:
        for row in rows:
            await connection.execute(insert(labels).values(**row, created_at=now()))


async def test_labels_move_the_table_step_by_step_and_back(tmp_path: Path) -> None:
    """Any float will do for the shift: what the rows say is what counts."""
    async with open_sqlite(tmp_path) as database:
        recalibrations = Recalibrations(database)
        seen: list[list[tuple[float, bool]]] = []

        def down(shift: float, told: object) -> float:
            seen.append(list(told))  # type: ignore[call-overload]
            return shift - STEP

        await say(database, False, 3)
        await say(database, True, 2, source="client")
        first = await recalibrations.step("table", down)
        assert first is not None
        assert (first.version, first.shift, first.right, first.wrong, first.undone_at) == (1, -STEP, 0, 3, None)
        assert len(seen[0]) == 3, "clients' words move nothing for others"
        await say(database, True, 1)
        second = await recalibrations.step("table", down)
        assert second is not None
        assert seen[1] == [(0.99, True)], "a word counts once"
        assert await recalibrations.held("table") == second
        assert await recalibrations.held("another table") is None
        undone = await recalibrations.undo("table")
        assert undone is not None
        assert undone.version == 2
        assert await recalibrations.held("table") == first
        assert await recalibrations.step("table", lambda shift, told: shift) is None
        assert [recalibration.version for recalibration in await recalibrations.history("table")] == [2, 1]
        assert (await recalibrations.history("table"))[0].undone_at is not None
        await recalibrations.undo("table")
        assert await recalibrations.undo("table") is None
        third = await recalibrations.step("table", down)
        assert third is not None
        assert (third.version, third.shift, seen[-1]) == (3, -STEP, []), "no version comes twice, and undone labels stay used"


async def test_every_gateway_follows_the_table(start: StartServer) -> None:
    """Ten steps made elsewhere reach a running server, and so do ten undone."""
    live = start()
    settings = Settings(data_dir=live.folder)
    loading = Loading(lambda: configured_encoders(settings), 60.0)
    encoders: Encoders = await loading.loaded()
    database = Database(settings.database)
    recalibrator = Recalibrator(Recalibrations(database), loading)
    try:
        await say(database, False, FEWEST - 1)
        assert await recalibrator.consider() is None, "too few say too little"
        shipped = encoders.calibration
        assert shipped is not None
        for step in range(10):
            await say(database, False)
            recalibration = await recalibrator.consider()
            assert recalibration is not None
            assert abs(recalibration.shift + STEP * (step + 1)) < 1e-9
        await say(database, False)
        assert await recalibrator.consider() is None, "it has gone as far as it may"
        moved = loading.at_hand()
        assert moved is not None and moved.calibration is not None
        assert abs(moved.calibration.bias - shipped.bias + 1.0) < 1e-9
        await followed(live, moved.calibration.version)
        for _ in range(10):
            assert await recalibrator.undo() is not None
        back = loading.at_hand()
        assert back is not None
        assert back.calibration == shipped
        await followed(live, shipped.version)
    finally:
        await database.close()
        await loading.close()


async def followed(live: Live, version: str) -> None:
    """The running server says that it judges by this table now."""
    until = time.monotonic() + 30
    while True:
        told = [line for line in live.log.read_text().splitlines() if "table in use" in line]
        if told and version in told[-1]:
            return
        assert time.monotonic() < until, f"the server never took up {version}: {told[-2:]}"
        await asyncio.sleep(0.1)
