"""The scores of an instance's own traffic make its judge stricter, in steps that the admin page shows and an undo takes back."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from cache.ids import new_id
from cache.matching.encoding.encoders import Loading
from cache.matching.encoding.loading import configured_encoders
from cache.matching.prior import FEWEST_SCORES, PRIOR_STEP
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.requests.recalibrations import Recalibrations
from cache.storage.tables import now, requests
from gateway.upkeep.recalibrating import Recalibrator
from tests.admin.pages import api, html
from tests.conftest import StartServer
from tests.door.test_labels import followed

STEPS = 4


async def ask_much(database: Database, count: int, own: float) -> None:
    """As many requests that a judge refused a clip, each with this probability, like one that was really made."""
    async with database.write() as connection:
        row = dict((await connection.execute(select(requests).where(requests.c.verdict == "miss").limit(1))).mappings().one())
        refused = [{"reason": "not sure enough", "similarity": 0.8, "confidence": own, "clip_id": new_id("clip"), "prompt": None}]
        for at in range(count):
            more = {"id": new_id("video"), "spec_key": f"{at:064x}", "refused": refused, "job_id": None, "created_at": now()}
            await connection.execute(insert(requests).values(**row | more))


async def test_traffic_with_few_right_answers_makes_the_judge_stricter(start: StartServer) -> None:
    live = start()
    live.made("a red ball on grass", steps=STEPS)
    assert live.made("The red ball is on the grass", steps=STEPS)["reprise"]["verdict"] == "near"
    settings = Settings(data_dir=live.folder)
    loading, database = Loading(lambda: configured_encoders(settings), 60.0), Database(settings.database)
    shipped = (await loading.loaded()).calibration
    assert shipped is not None
    recalibrator = Recalibrator(Recalibrations(database), loading)
    try:
        await ask_much(database, FEWEST_SCORES - 10, 0.05)
        assert await recalibrator.weigh() is None, "too few say too little"
        told = api(live, "recalibration")["prior"]
        assert told["shipped"] == (shipped.judged or shipped.prior) == pytest.approx(told["expected"])
        async with database.write() as connection:
            await connection.execute(requests.delete().where(requests.c.spec_key.startswith("0" * 40)))
        await ask_much(database, FEWEST_SCORES + 10, 0.05)
        step = await recalibrator.weigh()
        assert step is not None
        assert (step.shift, step.prior_shift, step.right, step.wrong) == (0.0, -PRIOR_STEP, 0, 0)
        assert FEWEST_SCORES <= step.scores <= FEWEST_SCORES + 12
        assert await recalibrator.weigh() is None, "each candidate counts once"
        at_hand = loading.at_hand()
        assert at_hand is not None and at_hand.calibration is not None
        assert at_hand.calibration.bias == pytest.approx(shipped.bias - PRIOR_STEP)
        await followed(live, at_hand.calibration.version)
        assert api(live, "recalibration")["prior"]["expected"] < told["shipped"]
        page = html(live, "/admin/near-hits")
        assert "expected by the judge" in page and "-0.25" in page
        assert await recalibrator.undo() is not None
        await followed(live, shipped.version)
    finally:
        await database.close()
        await loading.close()
