"""The recalibration's steps and their undo through the front door: on the page, as JSON, and on the command line."""

from __future__ import annotations

import httpx
import pytest

from cache.matching.recalibration import FEWEST, STEP
from cache.settings import Settings
from cache.storage.database.database import Database
from tests.admin.pages import api, html, post
from tests.conftest import StartServer
from tests.door.test_labels import say
from tests.live import PATIENCE, Live
from tests.test_precompute import command

STEPS = 4
UNDO = "/admin/near-hits/recalibration/undo"


async def stepped(live: Live) -> dict[str, object]:
    """Enough wrong labels, of which the last comes through the API: one step, as the API lists it."""
    database = Database(Settings(data_dir=live.folder).database)
    try:
        await say(database, False, FEWEST)
    finally:
        await database.close()
    near = api(live, "near-hits")["data"][0]["request"]
    assert post(live, f"/admin/api/near-hits/near/{near}/label", right="no").status_code == 200
    return dict(api(live, "recalibration")["steps"][0])


async def test_a_step_is_listed_and_undone(start: StartServer) -> None:
    live = start()
    live.made("a red ball on grass", steps=STEPS)
    assert live.made("The red ball is on the grass", steps=STEPS)["reprise"]["verdict"] == "near"
    assert "the table is as shipped" in html(live, "/admin/near-hits")
    assert api(live, "recalibration")["steps"] == []
    assert post(live, UNDO).status_code == 409

    step = await stepped(live)
    assert (step["shift"], step["wrong"], step["in_force"]) == (pytest.approx(-STEP), FEWEST + 1, True)
    page = html(live, "/admin/near-hits")
    assert f'action="{UNDO}"' in page
    assert "-0.10" in page
    answer = post(live, UNDO)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/near-hits#recalibration")
    (undone,) = api(live, "recalibration")["steps"]
    assert (undone["version"], undone["in_force"], undone["undone_at"] is None) == (step["version"], False, False)
    assert "All steps are undone" in html(live, "/admin/near-hits")

    second = await stepped(live)
    answer = post(live, "/admin/api/recalibration/undo")
    assert (answer.json()["undone"], answer.json()["steps"][0]["in_force"]) == (second["version"], False)


async def test_the_command_lists_and_undoes_with_a_server_and_without(start: StartServer) -> None:
    live = start()
    live.made("a red ball on grass", steps=STEPS)
    live.made("The red ball is on the grass", steps=STEPS)
    assert command(live, "recalibration").stdout == "There are no steps: the calibration table is as shipped.\n"
    await stepped(live)
    assert "in force" in command(live, "recalibration").stdout
    undone = command(live, "recalibration", "--undo")
    assert (undone.returncode, undone.stdout.splitlines()[0]) == (0, "step 1 is undone")
    again = command(live, "recalibration", "--undo")
    assert (again.returncode, "there is no step to undo" in again.stderr) == (1, True), again.stderr
    await stepped(live)
    live.stop()
    assert "in force" in command(live, "recalibration").stdout
    alone = command(live, "recalibration", "--undo")
    assert (alone.returncode, alone.stdout.splitlines()[0]) == (0, "step 2 is undone"), alone.stderr
    assert command(live, "recalibration", "--undo").returncode == 1


def test_another_site_and_a_user_may_not_undo(start: StartServer) -> None:
    live = start(ADMIN_KEY="an admin key of 24 chars")
    assert httpx.post(f"{live.url}{UNDO}", timeout=PATIENCE).status_code == 401
    headers = {"Authorization": "Bearer an admin key of 24 chars"}
    assert httpx.post(f"{live.url}{UNDO}", headers=headers, timeout=PATIENCE).status_code in {409, 503}
