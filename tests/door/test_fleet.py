"""Two gateways and two workers on a real PostgreSQL and a real S3 server, through the front doors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.door.test_events import follow
from tests.fleet import Fleet
from tests.live import PATIENCE, Live
from tests.servers.postgres import Postgres
from tests.servers.swift import NoSwift, Swift

pytestmark = pytest.mark.timeout(600)  # six processes start first, on two cores that may be busy

STEPS = 4
CACHED = {"Cache-Control": "only-if-cached"}
SLOW = 60  # steps: a render takes some seconds


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Not the shared one: these tests stop it."""
    server = Postgres()
    yield server.start()
    server.close()


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    try:
        server = Swift(tmp_path_factory.mktemp("fleet-swift"))
    except NoSwift as reason:
        pytest.skip(str(reason))
    server.start().client().make_bucket("clips")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def fleet(postgres: Postgres, swift: Swift, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Fleet]:
    machines = Fleet(
        tmp_path_factory.mktemp("fleet"), tiny_model, postgres.create("reprise"), swift.url("clips"), lease_seconds=4, stop_grace_seconds=5,
        signing_keys="a secret of all machines",
    )  # fmt: skip
    try:
        first = machines.gateway()
        refused = httpx.post(f"{first.url}/v1/videos", json={"prompt": "a red ball"}, timeout=PATIENCE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "still_loading"), "no worker has told its model yet"
        assert int(refused.headers["retry-after"]) >= 1
        machines.start(gateways=1, workers=2)
        machines.ready()
        yield machines
    finally:
        machines.close()


@pytest.fixture
def gateways(fleet: Fleet) -> tuple[Live, Live]:
    first, second = fleet.gateways
    return first, second


def within(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.02)


def at_once(gateways: tuple[Live, Live], asks: list[dict[str, Any]], headers: dict[str, str]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(len(asks)) as pool:
        asked = [pool.submit(gateways[n % 2].post, headers=headers, **ask) for n, ask in enumerate(asks)]
        return [one.result() for one in asked]


def renders(fleet: Fleet) -> int:
    return sum(worker.renders() for worker in fleet.workers)


def test_what_one_gateway_was_asked_for_is_a_hit_at_the_other(fleet: Fleet, gateways: tuple[Live, Live]) -> None:
    made = gateways[0].made("a red ball on grass", steps=STEPS)
    assert made["status"] == "completed"
    hit = gateways[1].post("A red ball on grass!", steps=STEPS)
    assert (hit["status"], hit["reprise"]["verdict"], hit["reprise"]["clip"]) == ("completed", "exact", made["reprise"]["clip"])
    assert gateways[0].content(made["id"]) == gateways[1].content(hit["id"]) == gateways[1].content(made["id"])


def test_who_waits_hears_of_a_clip_that_another_machine_made(gateways: tuple[Live, Live]) -> None:
    """By the database's news: the poll behind them alone would be late every other time."""
    late = []
    for number in range(4):
        video = gateways[0].post(f"a blue ball {number}", headers={"Prefer": "wait=30"}, steps=STEPS)
        late.append(time.time() - video["completed_at"])
        assert video["status"] == "completed"
    assert min(late) < 1.2  # completed_at is in whole seconds


def test_a_clip_of_any_worker_is_a_near_hit_at_every_gateway_within_a_second(gateways: tuple[Live, Live]) -> None:
    gateways[0].made("a white ring moving right on a black background", steps=STEPS)
    made = time.monotonic()
    for gateway in (gateways[1], gateways[0]):
        hit = gateway.post("A white ring is moving right on the black background", headers=CACHED, steps=STEPS)
        assert hit["reprise"]["verdict"] == "near"
    assert time.monotonic() - made < 1 + 2  # with two answers of two busy cores


def test_what_a_person_refused_at_one_gateway_no_other_serves(gateways: tuple[Live, Live]) -> None:
    """The other one still remembers the clip; the commit of the hit knows better."""
    words = "a brown bear walking in snow"
    made = gateways[0].made(words, steps=STEPS)
    assert gateways[1].post(words, steps=STEPS)["reprise"]["verdict"] == "exact"
    for satisfied, answered in ((False, 504), (True, 200), (False, 504)):
        told = httpx.post(f"{gateways[0].url}/v1/videos/{made['id']}/feedback", json={"satisfied": satisfied}, timeout=PATIENCE)
        assert told.status_code == 200
        asked = httpx.post(f"{gateways[1].url}/v1/videos", json={"prompt": words, "steps": STEPS}, headers=CACHED, timeout=PATIENCE)
        assert asked.status_code == answered, asked.text


def test_fifty_near_duplicates_at_once_at_two_gateways_are_one_render(fleet: Fleet, gateways: tuple[Live, Live]) -> None:
    before = renders(fleet)
    words = [
        "a red star falling on sand",
        "A red star is falling on the sand",
        "the red star falls on sand",
        "a red star falling on the sand",
    ]
    videos = at_once(gateways, [{"prompt": words[n % 4], "steps": STEPS} for n in range(50)], {"Prefer": "wait=60"})
    assert {video["status"] for video in videos} == {"completed"}
    assert len({video["reprise"]["clip"] for video in videos}) == 1
    assert len({video["id"] for video in videos}) == 50
    assert renders(fleet) == before + 1


def test_the_leader_leaves_and_the_others_get_their_clip(fleet: Fleet, gateways: tuple[Live, Live]) -> None:
    leader = gateways[0].post("a purple cube turns", steps=SLOW)
    others = at_once(gateways, [{"prompt": "A purple cube turns.", "steps": SLOW} for _ in range(6)], {})
    assert {video["reprise"]["verdict"] for video in others} == {"joined"}
    with gateways[1].client() as client:
        assert client.post(f"/v1/videos/{leader['id']}/cancel").json()["error"]["code"] == "cancelled"
    done = [gateways[n % 2].finished(video) for n, video in enumerate(others)]
    assert {video["status"] for video in done} == {"completed"}


def test_a_cancel_at_any_gateway_stops_the_render(fleet: Fleet, gateways: tuple[Live, Live]) -> None:
    before = renders(fleet)
    video = gateways[0].post("a gull asleep on a post", steps=100)
    within(PATIENCE, lambda: bool(gateways[0].get(video["id"])["status"] == "in_progress"))
    with gateways[1].client() as client:
        client.post(f"/v1/videos/{video['id']}/cancel")
    assert gateways[0].get(video["id"])["error"]["code"] == "cancelled"
    after = gateways[0].made("a tram crosses a bridge", steps=STEPS)
    assert after["status"] == "completed"
    assert renders(fleet) == before + 1


def test_what_one_gateway_erases_no_gateway_serves(gateways: tuple[Live, Live]) -> None:
    video = gateways[0].made("an owl turns its head", steps=STEPS)
    assert gateways[1].content(video["id"])
    with gateways[0].client() as client:
        assert client.delete(f"/v1/videos/{video['id']}", params={"erase": "true"}).status_code == 200
    with gateways[1].client() as client:
        assert client.get(f"/v1/videos/{video['id']}/content").status_code in {404, 410}
    again = gateways[1].post("an owl turns its head", steps=STEPS)
    assert again["reprise"]["verdict"] == "miss"


def test_a_render_elsewhere_is_followed(gateways: tuple[Live, Live]) -> None:
    video = gateways[0].post("a heron takes off", steps=SLOW)
    told = follow(gateways[1], video["id"])
    assert {name for name, _ in told[:-1]} == {"video.progress"}
    assert (told[-1][0], told[-1][1]["status"]) == ("video.completed", "completed")


def test_a_gateway_may_send_its_clients_to_the_store(fleet: Fleet, swift: Swift, gateways: tuple[Live, Live]) -> None:
    video = gateways[0].made("a candle burns down", steps=STEPS)
    third = fleet.gateway(store_url=f"{swift.url('clips')}&public=http://{swift.endpoint}")
    try:
        sent = httpx.get(f"{third.url}/v1/videos/{video['id']}/content", timeout=PATIENCE)
        assert sent.status_code == 302
        assert httpx.get(sent.headers["location"], timeout=PATIENCE).content == gateways[0].content(video["id"])
        tampered = sent.headers["location"].replace("Expires=300", "Expires=999")
        assert httpx.get(tampered, timeout=PATIENCE).status_code == 403
        link = third.get(video["id"])["reprise"]["url"]
        seen = httpx.get(link, timeout=PATIENCE, follow_redirects=True)
        assert (len(seen.history), seen.content) == (1, gateways[0].content(video["id"]))
        head = httpx.head(f"{third.url}/v1/videos/{video['id']}/content", timeout=PATIENCE)
        assert (head.status_code, int(head.headers["content-length"])) == (200, len(gateways[0].content(video["id"])))
    finally:
        fleet.gateways.pop().close()


def test_a_worker_is_killed_and_another_makes_the_clip(fleet: Fleet, gateways: tuple[Live, Live]) -> None:
    video = gateways[0].post("a slow comet", steps=SLOW)
    within(PATIENCE, lambda: any('"event": "render started"' in last_line(worker) for worker in fleet.workers))
    busy = next(worker for worker in fleet.workers if '"event": "render started"' in last_line(worker))
    busy.kill()
    try:
        done = gateways[1].finished(video)
    finally:
        busy.start()
    assert done["status"] == "completed"
    assert gateways[0].content(video["id"])


def test_a_worker_that_is_told_to_stop_loses_nothing(fleet: Fleet, gateways: tuple[Live, Live]) -> None:
    videos = [gateways[n % 2].post(f"meteor {n}", steps=20) for n in range(4)]
    stopped = fleet.workers[0]
    assert stopped.stop() == 0
    try:
        assert {gateways[0].finished(video)["status"] for video in videos} == {"completed"}
    finally:
        stopped.start()


def last_line(process: Live) -> str:
    lines = process.log.read_text().splitlines()
    return lines[-1] if lines else ""


def test_the_database_goes_away_and_comes_back(postgres: Postgres, gateways: tuple[Live, Live]) -> None:
    served = gateways[0].made("a kite above a harbour", steps=STEPS)
    body = gateways[0].content(served["id"])
    pending = gateways[0].post("a potter shapes a bowl", steps=SLOW)
    postgres.stop()
    try:
        with gateways[0].client() as client:
            refused = client.post("/v1/videos", json={"prompt": "now"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_away")
            assert int(refused.headers["retry-after"]) >= 1
            assert client.get(f"/v1/videos/{served['id']}/content").content == body
            assert client.get("/health/live").status_code == 200
            assert client.get("/health/ready").status_code == 503
    finally:
        postgres.start()
    within(30, lambda: httpx.get(f"{gateways[0].url}/health/ready", timeout=PATIENCE).status_code == 200)
    assert gateways[1].finished(pending)["status"] == "completed"
    assert gateways[1].made("after the outage", steps=STEPS)["status"] == "completed"


def test_the_store_goes_away_and_comes_back(swift: Swift, gateways: tuple[Live, Live]) -> None:
    at_hand = gateways[0].made("a tortoise on a skateboard", steps=STEPS)
    body = gateways[0].content(at_hand["id"])
    other = gateways[0].made("rain on a tin roof", steps=STEPS)
    swift.stop()
    try:
        hit = gateways[0].post("a tortoise on a skateboard", steps=STEPS)
        assert hit["reprise"]["verdict"] == "exact"
        assert gateways[0].content(hit["id"]) == body
        with gateways[0].client() as client:
            refused = client.get(f"/v1/videos/{other['id']}/content")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_away")
            assert int(refused.headers["retry-after"]) >= 1
        pending = gateways[1].post("a violin on a chair", steps=STEPS)
    finally:
        swift.start()
    assert gateways[0].finished(pending)["status"] == "completed"
    assert gateways[0].content(other["id"])


def test_the_doctor_finds_nothing_wrong_after_all_this(fleet: Fleet, tmp_path: Path) -> None:
    environment = {**os.environ, "REPRISE_DATA_DIR": str(tmp_path), **fleet.environment}
    done = subprocess.run([sys.executable, "-m", "gateway.cli", "doctor"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line.rpartition(": ")[2] for line in done.stdout.splitlines()[1:]]
    assert found == ["0"] * 7, done.stdout
