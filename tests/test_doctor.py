"""What a crash may leave behind, planted and found; and that repair leaves nothing to find."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from cache.ids import new_id
from cache.storage.clips.doctor import Doctor
from cache.storage.database.database import Database
from cache.storage.tables import requests
from gateway.cli import main
from generator.queue.withdrawal import forsaken, set_free, unwanted
from tests.stage import Stage, draft, new_job, set_stage, take


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture
def doctor(stage: Stage) -> Doctor:
    return Doctor(stage.database, stage.objects, stage.shelf)


async def stored(stage: Stage, words: str) -> tuple[str, str]:
    """A clip with one object: its id and the object's name."""
    clip_id = new_id("clip")
    video = await stage.objects.put(clip_id, "video", words.encode(), "video/mp4")
    await stage.add(draft(take(words), id=clip_id, objects=[video]))
    return clip_id, video.name


async def test_nothing_is_wrong_with_a_sound_store(stage: Stage, doctor: Doctor) -> None:
    await stored(stage, "a red ball")
    found = await doctor.examine(older=0)
    assert (found.sound, found.checked, found.young) == (True, 1, 0)


async def test_garbage_is_collected_once_it_is_older_than_any_job(stage: Stage, doctor: Doctor) -> None:
    left = await stage.objects.put(new_id("clip"), "video", b"nobody's", "video/mp4")
    young = await doctor.examine(older=60)
    assert (young.sound, young.young) == (True, 1)
    found = await doctor.examine(older=-60)
    assert found.orphans == [left.name]
    await doctor.repair(found)
    assert (await doctor.examine(older=-60)).sound


@pytest.mark.parametrize("fault", ["missing", "short", "other"])
async def test_a_clip_whose_bytes_are_lost_goes_out_of_service(stage: Stage, doctor: Doctor, tmp_path: Path, fault: str) -> None:
    lost, name = await stored(stage, "a red ball")
    sound, _ = await stored(stage, "a blue ball")
    file = tmp_path / "objects" / name
    file.unlink() if fault == "missing" else file.write_bytes(b"a rad ball" if fault == "other" else b"a")
    found = await doctor.examine(older=0)
    assert (found.missing if fault == "missing" else found.corrupt) == [name]
    await doctor.repair(found)
    states = {clip.id: clip.state for clip in await stage.all_clips()}
    assert states == {lost: "withdrawn", sound: "live"}
    assert (await doctor.examine(older=60)).sound


async def test_jobs_and_requests_that_lost_each_other(stage: Stage) -> None:
    async with stage.database.write() as connection:
        await stage.queue.submit(connection, alone := new_job(take("nobody's")))
    request, _ = await stage.ask(take("a red ball"))
    async with stage.database.write() as connection:
        await connection.execute(update(requests).where(requests.c.id == request).values(job_id="job_that_never_was"))
        kept = await unwanted(connection, 10)
        assert alone.id in kept
        assert await forsaken(connection, 10) == [request]
        await set_free(connection, [request])
        assert await forsaken(connection, 10) == []
    assert [one.id for one in await stage.asked.orphans(10)] == [request]
    for job in kept:
        assert await stage.queue.cancel(job)


def test_the_command(tmp_path: Path) -> None:
    environment = {"REPRISE_DATA_DIR": str(tmp_path)}
    assert CliRunner().invoke(main, ["migrate"], env=environment).exit_code == 0
    healthy = CliRunner().invoke(main, ["doctor"], env=environment)
    assert healthy.exit_code == 0, healthy.output
    name = f"clips/{new_id('clip')}/{'a' * 64}.mp4"
    (tmp_path / "objects" / name).parent.mkdir(parents=True)
    (tmp_path / "objects" / name).write_bytes(b"nobody's")
    ill = CliRunner().invoke(main, ["doctor", "--older-than", "-60"], env=environment)
    assert ill.exit_code == 1
    assert f"objects without a row: 1\n  {name}" in ill.output
    assert CliRunner().invoke(main, ["doctor", "--older-than", "-60", "--repair"], env=environment).exit_code == 0
    assert CliRunner().invoke(main, ["doctor", "--older-than", "-60"], env=environment).exit_code == 0
    assert not (tmp_path / "objects" / name).exists()
