"""Several models in one deployment: which are served, which is the default, and what is said of one that nobody has."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from cache.catalog import DEMO, AskedSettings, ServedModel
from cache.errors import ModelAway, NotFound
from cache.storage.database.database import Database
from cache.storage.fleet.announcements import Announced, Announcements
from cache.storage.fleet.model_states import ModelStates
from cache.storage.fleet.workers import Workers
from cache.storage.tables import models
from gateway.answering.announced_models import fleet_models
from gateway.answering.models import Models
from generator.queue.gone import SILENT
from tests.fleet import Fleet
from tests.http.test_worker_health import free_port
from tests.live import PATIENCE, Live
from tests.servers.postgres import shared_postgres

DAY = 86_400.0
STEPS = 2


def model(name: str) -> ServedModel:
    return ServedModel(replace(DEMO, name=name), f"revision of {name}", "pipeline")


def known(name: str, silent: float = 0.0, introduced_at: float = 0.0) -> Announced:
    return Announced(model(name), silent, introduced_at)


names = st.sampled_from("abcdef")
announced = st.lists(
    st.builds(known, names, st.floats(0, 3 * DAY), st.floats(0, 1000)), unique_by=lambda one: one.model.name, max_size=6
)  # fmt: skip


@given(announced, names, st.none() | names)
def test_every_model_is_served_away_or_retired(found: list[Announced], wanted: str, own: str | None) -> None:
    ours = None if own is None else model(own)
    fleet = fleet_models(found, wanted, ours)
    served = {one.name for one in fleet.served}
    assert len(served) == len(fleet.served)
    assert served | fleet.retired == {one.model.name for one in found} | ({own} if own else set())
    assert not served & fleet.retired
    assert fleet.away <= served
    if fleet.served:
        default = fleet.served[0].name
        assert default not in fleet.away, "the default's misses wait for workers"
        assert wanted not in served or default == wanted
        assert wanted in served or own is None or default == own
    else:
        assert not found


@given(announced, names)
def test_the_default_does_not_depend_on_who_started_last(found: list[Announced], wanted: str) -> None:
    assert fleet_models(found, wanted, None) == fleet_models(list(reversed(found)), wanted, None)


def test_the_default_is_the_name_introduced_last_of_those_that_live() -> None:
    found = [known("old", 5.0, 1.0), known("new", 5.0, 2.0), known("gone", SILENT + 1, 3.0)]
    fleet = fleet_models(found, "", None)
    assert [one.name for one in fleet.served] == ["new", "gone", "old"]
    assert fleet.away == {"gone"}
    assert fleet_models([known("only", 2 * DAY)], "", None).served == (model("only"),)


def test_what_is_said_of_a_model_that_nobody_has() -> None:
    held = Models([], {"sora-2": "b"})
    held.serve([model("a"), model("b")], frozenset({"b"}), frozenset({"c"}))
    assert held.named("sora-2").name == "b"
    assert held.recipe("b", AskedSettings()).model == "b", "what is kept of it is still served"
    with pytest.raises(ModelAway, match="no worker with b gave a sign of life lately"):
        held.check_workers("b")
    held.check_workers("a")
    with pytest.raises(ModelAway, match="no worker has 'c' any more; served: a, b, sora-2"):
        held.named("c")
    with pytest.raises(NotFound, match="'d' is not served here"):
        held.named("d")


def test_the_same_ask_goes_to_the_same_model() -> None:
    held = Models([model("a"), model("b")], {})
    recipe = replace(held.recipe("b", AskedSettings()), revision="an older one")
    found = held.again(recipe)
    assert found is not None
    assert (found.model, found.revision) == ("b", "revision of b")
    assert held.again(replace(recipe, model="c")) is None


async def test_operators_get_a_row_for_each_model_that_matters(database: Database) -> None:
    announcements, workers = Announcements(database), Workers(database)
    older, newer = replace(model("a"), revision="1"), replace(model("a"), revision="2")
    for served in (older, newer, model("b")):
        await announcements.announce(served, "cpu")
        await asyncio.sleep(0.01)
    await workers.loaded("worker_1", "a", "2", "cpu")
    await workers.loaded("worker_2", "b", model("b").revision, "cpu")
    await workers.stopped("worker_2")
    found = await ModelStates(database).list()
    assert [(one.name, one.revision, one.workers) for one in found] == [("a", "2", 1), ("b", "revision of b", 0)]
    await workers.loaded("worker_3", "a", "1", "cpu")
    assert {(one.revision, one.workers) for one in await ModelStates(database).list() if one.name == "a"} == {("1", 1), ("2", 1)}


# Through the front door: two workers, each with a folder of its own, and a gateway without any.


@pytest.fixture(scope="module")
def second_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(tiny_model, tmp_path_factory.mktemp("second") / "model"))
    row = {"name": "second", "sizes": [[64, 64], [128, 128]], "default_seconds": 1, "longest_seconds": 2, "fps": 8,
           "steps": {"draft": 1, "standard": 2, "final": 3}, "guidance": 1.0, "flow_shift": 3.0, "max_sequence_length": 64,
           "negative_prompt": ""}  # fmt: skip
    (folder / "reprise.json").write_text(json.dumps(row))
    return folder


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, second_model: Path) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    url = shared_postgres().create("two-models")
    machines = Fleet(folder, tiny_model, url, (folder / "objects").as_uri(), stop_grace_seconds=5)
    try:
        machines.gateway(DEMO.name)
        with ThreadPoolExecutor(2) as pool:  # most of a start is waiting for imports
            starts = [pool.submit(machines.worker), pool.submit(machines.worker, second_model, offload="model", health_port=free_port())]
            for started in starts:
                started.result()
        machines.workers.sort(key=lambda worker: "HEALTH_PORT" in worker.settings)
        machines.ready()
        yield machines
    finally:
        machines.close()


@pytest.fixture
def gateway(fleet: Fleet) -> Live:
    until = time.monotonic() + PATIENCE
    while len(listed(fleet.gateways[0])) < 2:
        assert time.monotonic() < until, "the second model is not served"
        time.sleep(0.1)
    return fleet.gateways[0]


def listed(gateway: Live) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{gateway.url}/v1/models", timeout=PATIENCE).json()["data"]
    return found


pytestmark = pytest.mark.timeout(600)  # three processes start first, on cores that may be busy


def test_all_announced_models_are_listed_the_default_first(gateway: Live) -> None:
    assert [one["id"] for one in listed(gateway)] == [DEMO.name, "second"]
    assert listed(gateway)[1]["reprise"]["sizes"] == ["64x64", "128x128"]


def test_a_request_chooses_its_model(gateway: Live) -> None:
    usual = gateway.made("a red ball on grass", steps=STEPS)
    other = gateway.made("a red ball on grass", model="second", steps=STEPS)
    assert (usual["status"], usual["model"], usual["size"]) == ("completed", DEMO.name, "128x128")
    assert (other["status"], other["model"], other["size"]) == ("completed", "second", "64x64"), other
    assert other["reprise"]["verdict"] == "miss", "another model's clip answers nobody"
    assert gateway.post("a red ball on grass", model="second", steps=STEPS)["reprise"]["clip"] == other["reprise"]["clip"]


def test_place_and_time_in_the_queue_are_the_models_own(fleet: Fleet, gateway: Live) -> None:
    gateway.made("a green ball", model="second", steps=STEPS)  # so that its time is known
    fleet.workers[0].stop()
    try:
        first, third = (gateway.post(f"a blue ball {at}", steps=STEPS) for at in range(2))
        assert [first["reprise"]["queue_position"], third["reprise"]["queue_position"]] == [1, 2]
        other = gateway.made("a yellow ball", model="second", steps=STEPS)
        assert other["status"] == "completed", "it waits for nobody else's worker"
        assert gateway.get(third["id"])["reprise"]["queue_position"] == 2
    finally:
        fleet.workers[0].start()
    assert gateway.finished(third)["status"] == "completed"


def test_nobody_has_it(fleet: Fleet, gateway: Live) -> None:
    never = ask(gateway, model="third")
    assert (never.status_code, never.json()["error"]["code"]) == (404, "model_not_found")
    kept = gateway.made("a white ring", model="second", steps=STEPS)
    fleet.workers[1].stop()
    asyncio.run(silenced(str(fleet.environment["REPRISE_DATABASE_URL"]), SILENT + 60))
    until = time.monotonic() + PATIENCE
    while (away := ask(gateway, model="second")).status_code == 200:
        assert time.monotonic() < until, "its worker is away, and misses are taken"
        time.sleep(0.2)
    assert (away.status_code, away.json()["error"]["code"]) == (503, "model_away")
    assert "no worker with second" in away.json()["error"]["message"]
    assert int(away.headers["retry-after"]) >= 1
    assert gateway.post("a white ring", model="second", steps=STEPS)["reprise"]["clip"] == kept["reprise"]["clip"], "its clips are served"
    assert ask(gateway).status_code == 200, "and the default renders on"
    fleet.workers[1].start()
    while ask(gateway, model="second").status_code == 503:
        assert time.monotonic() < until + PATIENCE
        time.sleep(0.2)


def test_a_worker_tells_where_the_parts_of_its_model_lie(fleet: Fleet) -> None:
    worker = fleet.workers[1]
    told = httpx.get(f"http://127.0.0.1:{worker.settings['HEALTH_PORT']}/health/ready", timeout=PATIENCE).json()["parts"]["model"]
    assert told["ready"]
    assert told["how"].startswith("offload model: each part lies in page-locked main memory")
    assert '"offload": "model"' in worker.log.read_text()


def test_operators_see_each_model(gateway: Live) -> None:
    answer = httpx.get(f"{gateway.url}/admin/api/overview", timeout=PATIENCE)
    assert answer.status_code == 200, gateway.log.read_text()[-3000:]
    facts = answer.json()
    assert facts["default_model"] == DEMO.name
    assert {(one["name"], one["workers"]) for one in facts["models"]} == {(DEMO.name, 1), ("second", 1)}
    page = httpx.get(f"{gateway.url}/admin", timeout=PATIENCE).text
    assert 'id="models-head"' in page


def ask(gateway: Live, **fields: object) -> httpx.Response:
    words = f"a black ring {time.monotonic_ns()}"
    return httpx.post(f"{gateway.url}/v1/videos", json={"prompt": words, "steps": STEPS, "seed": 1, **fields}, timeout=PATIENCE)


async def silenced(url: str, seconds: float) -> None:
    """As if that much time had gone by since the second model's worker stopped."""
    database = Database(url)
    async with database.write() as connection:
        await connection.execute(update(models).where(models.c.name == "second").values(seen_at=models.c.seen_at - seconds))
    await database.close()
