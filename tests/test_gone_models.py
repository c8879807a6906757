"""Jobs of a model that is gone: remade by the one that is there where nobody pinned a seed, else ended, and never queued for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from cache.renewal import again
from cache.storage.database.database import Database
from cache.storage.fleet.announcements import Announcements
from cache.storage.tables import jobs, models
from gateway.answering.models import Models
from gateway.upkeep.gone_models import GoneModels
from generator.queue.gone import MODEL_GONE, SILENT, gone, no_worker
from tests.stage import RECIPE, SERVED, Stage, seeded, set_stage, take

NEWER = replace(SERVED, revision="revision-2")


@pytest.fixture
async def stage(database: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    stage = set_stage(database, tmp_path)
    yield stage
    await stage.objects.close()


def sweep(stage: Stage, renders: bool = True) -> GoneModels:
    return GoneModels(stage.database, Models([NEWER], {}), stage.signals, renders=renders)


async def forsaken(stage: Stage) -> list[str]:
    async with stage.database.read() as connection:
        return await gone(connection, no_worker(SILENT), 10)


async def age_all(stage: Stage, seconds: float) -> None:
    async with stage.database.write() as connection:
        await connection.execute(update(jobs).values(created_at=jobs.c.created_at - seconds))
        await connection.execute(update(models).values(seen_at=models.c.seen_at - seconds))


def test_the_same_ask_by_another_revision() -> None:
    remade = again(NEWER, RECIPE)
    assert remade == replace(RECIPE, revision="revision-2")
    assert again(replace(NEWER, row=replace(NEWER.row, name="another")), RECIPE) is None
    assert again(NEWER, replace(RECIPE, width=1, height=1)) is None
    assert again(NEWER, replace(RECIPE, quality="custom", steps=7)) == replace(RECIPE, quality="custom", steps=7, revision="revision-2")


async def test_who_pinned_no_seed_asks_the_model_that_is_there(stage: Stage) -> None:
    asked, _ = await stage.ask(take())
    await sweep(stage).run_once()
    (orphan,) = await stage.asked.orphans(10)
    assert (orphan.id, orphan.recipe.revision) == (asked, "revision-2")
    assert any("revision-2" in note for note in orphan.notes)
    assert await stage.leases.lease("a worker", "revision-1") == []


async def test_who_pinned_a_seed_ends(stage: Stage) -> None:
    asked, _ = await stage.ask(seeded())
    await sweep(stage).run_once()
    row = await stage.row("requests", asked)
    assert (row.error_code, row.job_id is not None) == (MODEL_GONE, True)
    assert "revision-1" in row.error_message


async def test_what_nobody_may_keep_ends(stage: Stage) -> None:
    asked, _ = await stage.ask(take(), joinable=False)
    await sweep(stage).run_once()
    assert (await stage.row("requests", asked)).error_code == MODEL_GONE


async def test_workers_get_ten_minutes(stage: Stage) -> None:
    await Announcements(stage.database).announce(SERVED, "cpu")
    await stage.ask(take())
    await age_all(stage, 500)
    await sweep(stage, renders=False).run_once()
    assert (await forsaken(stage), await stage.asked.orphans(10)) == ([], [])
    await age_all(stage, 200)
    assert len(await forsaken(stage)) == 1, "the doctor and the page name it"
    await Announcements(stage.database).seen(SERVED)
    await sweep(stage, renders=False).run_once()
    assert await stage.asked.orphans(10) == [], "one came back"
    await age_all(stage, 700)
    await sweep(stage, renders=False).run_once()
    assert len(await stage.asked.orphans(10)) == 1


async def test_a_job_of_this_model_stays(stage: Stage) -> None:
    await stage.ask(take())
    await GoneModels(stage.database, Models([SERVED], {}), stage.signals, renders=True).run_once()
    assert len(await stage.leases.lease("a worker", "revision-1")) == 1
