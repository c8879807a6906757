"""Plans through the front door: proposed, listed, started, cancelled, and what came of them."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.door.test_keys import new_key
from tests.live import PATIENCE, Live

ADMIN = "an-admin-key-of-many-characters"
NASTY = '<script>alert(1)</script> "javascript:alert(2)" & a red ball'


def wished(live: Live, words: str, times: int = 1, **fields: Any) -> None:
    """Asked for and cancelled before it was made: popularity needs no clip."""
    for _ in range(times):
        video = live.post(words, quality="draft", priority="background", **fields)
        if video["status"] != "completed":
            httpx.post(f"{live.url}/v1/videos/{video['id']}/cancel", timeout=PATIENCE)


def sent(live: Live, path: str, body: Any = None, **more: Any) -> httpx.Response:
    return httpx.post(f"{live.url}{path}", json={} if body is None else body, timeout=2 * PATIENCE, **more)


def got(live: Live, path: str, **more: Any) -> Any:
    answer = httpx.get(f"{live.url}{path}", timeout=PATIENCE, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def done(live: Live, plan_id: str, state: str = "done") -> dict[str, Any]:
    until = time.monotonic() + 100
    while (plan := got(live, f"/admin/api/plans/{plan_id}"))["state"] != state:
        assert time.monotonic() < until, plan
        time.sleep(0.3)
    found: dict[str, Any] = plan
    return found


def test_what_is_popular_is_proposed_made_and_answers(start: StartServer) -> None:
    live = start(ENCODER_WAIT_SECONDS=60)
    wished(live, "a red ball bouncing on grass", 3)
    wished(live, "the red ball bouncing on the grass", 2)
    wished(live, NASTY, 2)
    answer = sent(live, "/admin/api/plans", {"budget": 2})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["specs"], told["answered_already"]) == (3, 0)
    assert told["pairs_judged"] > 0
    plan = got(live, f"/admin/api/plans/{told['plan']['id']}")
    first, second = plan["prompts"]
    # One clip answers both: the judge says so, and the second is not proposed beside it.
    assert {cover["prompt"] for cover in first["covers"]} == {"a red ball bouncing on grass", "the red ball bouncing on the grass"}
    assert sum(cover["asks"] for cover in first["covers"]) == 5
    assert second["prompt"] == NASTY
    assert (plan["state"], plan["counts"]["waiting"]) == ("proposed", 2)
    assert first["expected_hits"] > second["expected_hits"]

    page = httpx.get(f"{live.url}/admin/plans/{plan['id']}", timeout=PATIENCE).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

    assert sent(live, f"/admin/api/plans/{plan['id']}/start").json()["state"] == "running"
    assert sent(live, f"/admin/api/plans/{plan['id']}/start").status_code == 409
    plan = done(live, plan["id"])
    assert plan["counts"] == {"waiting": 0, "asked": 0, "made": 2, "hit": 0, "failed": 0}
    both = ("a red ball bouncing on grass", "the red ball bouncing on the grass")
    verdicts = [live.post(words, quality="draft")["reprise"]["verdict"] for words in both]
    assert sorted(verdicts) == ["exact", "near"]
    assert got(live, f"/admin/api/plans/{plan['id']}")["realised_hits"] == 2
    again = sent(live, "/admin/api/plans", {"budget": 5}).json()
    assert (again["plan"], again["answered_already"]) == (None, 3), "what is answered is not proposed"


def test_a_list_through_the_page_goes_on_after_a_crash(start: StartServer) -> None:
    live = start()
    fields = {"action": "list", "list": f'prompt,quality\n{"a red ball"},draft\n"{NASTY.replace(chr(34), chr(34) * 2)}",draft\nx,none\n'}
    answer = httpx.post(f"{live.url}/admin/plans", data=fields, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    assert "Line 4: quality must be one of draft, standard, final" in answer.text
    (plan,) = got(live, "/admin/api/plans")["plans"]
    live.kill()
    live.start()
    plan = done(live, plan["id"])
    assert [one["prompt"] for one in plan["prompts"]] == ["a red ball", NASTY]
    assert plan["counts"]["made"] + plan["counts"]["hit"] == 2
    assert live.post(NASTY, quality="draft")["reprise"]["verdict"] == "exact"
    file = {"action": (None, "list"), "file": ("list.txt", "a red ball\na blue ball\n"), "recipe": (None, "quality=draft")}
    answer = httpx.post(f"{live.url}/admin/plans", files=file, timeout=PATIENCE)
    assert answer.status_code == 303, answer.text
    plan = done(live, answer.headers["location"].rpartition("/")[2])
    assert (plan["counts"]["hit"], plan["counts"]["made"]) == (1, 1)


def test_people_go_first_and_a_plan_can_be_cancelled(start: StartServer) -> None:
    live = start(QUEUE_JOBS=4)
    rows = [{"prompt": f"a slow ball number {at}", "steps": 60} for at in range(12)]
    plan = sent(live, "/admin/api/plans", {"prompts": rows, "start": True}).json()["plan"]
    until = time.monotonic() + 60
    while (told := got(live, f"/admin/api/plans/{plan['id']}"))["held_up_by"] is None and time.monotonic() < until:
        time.sleep(0.2)
    assert "jobs wait; the limit is 4" in told["held_up_by"], "a full queue holds the plan up, and nothing is lost"
    assert told["counts"]["failed"] == 0
    assert sent(live, f"/admin/api/plans/{plan['id']}/cancel").json()["state"] == "cancelled"
    left = got(live, f"/admin/api/plans/{plan['id']}")["counts"]["waiting"]
    assert left >= 6
    assert sent(live, f"/admin/api/plans/{plan['id']}/cancel").status_code == 409
    assert "It waits" not in httpx.get(f"{live.url}/admin/plans/{plan['id']}", timeout=PATIENCE).text


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, tiny_model: Any) -> Any:
    server = Live(tmp_path_factory.mktemp("idle"), tiny_model, ADMIN_KEY=ADMIN).start()
    yield server
    server.close()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"budget": 0}, "budget"),
        ({"budget": True}, "budget"),
        ({"budget": 10**6}, "budget"),
        ({"budget": 5, "gpu_seconds": -1}, "gpu_seconds"),
        ({"budget": 5, "tenant": 7}, "tenant"),
        ({"budget": 5, "start": "yes"}, "start"),
        ({"prompts": []}, "prompts"),
        ({"prompts": "a red ball"}, "prompts"),
        ({"prompts": [{"prompt": " . "}]}, "prompts"),
        ({"prompts": [{"prompt": "a", "seed": 7}]}, "prompts"),
        ({"prompts": [None, 5]}, "prompts"),
        ({"prompts": ["a"], "recipe": "draft"}, "recipe"),
        ({"promts": ["a"]}, "promts"),
    ],
)
def test_a_wrong_field_is_named(idle: Live, body: dict[str, Any], named: str) -> None:
    answer = sent(idle, "/admin/api/plans", body, headers={"X-API-Key": ADMIN})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, named), answer.text


def test_only_admins_plan_and_nobody_reads_anothers_words(idle: Live) -> None:
    admin = {"X-API-Key": ADMIN}
    assert sent(idle, "/admin/api/plans", {"budget": 1}).status_code == 401
    assert httpx.get(f"{idle.url}/admin/api/plans", timeout=PATIENCE).status_code == 401
    told = sent(idle, "/admin/api/plans", {"prompts": ["a secret ball"], "recipe": {"quality": "draft"}}, headers=admin)
    plan_id = told.json()["plan"]["id"]
    assert sent(idle, "/admin/api/plans", {"prompts": ["a"], "tenant": "other"}, headers=admin).status_code == 403
    other = {"X-API-Key": new_key(idle, "--tenant", "other", "--role", "admin")}
    found = got(idle, f"/admin/api/plans/{plan_id}", headers=other)
    assert [one["prompt"] for one in found["prompts"]] == [None]
    assert "secret ball" not in httpx.get(f"{idle.url}/admin/plans/{plan_id}", headers=other, timeout=PATIENCE).text
    assert [one["prompt"] for one in got(idle, f"/admin/api/plans/{plan_id}", headers=admin)["prompts"]] == ["a secret ball"]


def test_odd_ids_are_not_found(idle: Live) -> None:
    for path in ("plan_1", "..%2f..", "plan_" + "0" * 32):
        for answer in (
            httpx.get(f"{idle.url}/admin/api/plans/{path}", headers={"X-API-Key": ADMIN}, timeout=PATIENCE),
            sent(idle, f"/admin/api/plans/{path}/start", headers={"X-API-Key": ADMIN}),
        ):
            assert answer.status_code in {404, 405}, answer.text


def test_an_idle_server_plans_by_itself(start: StartServer) -> None:
    live = start(ENCODER_WAIT_SECONDS=60, PLAN_EVERY_HOURS=0.005, PLAN_PROMPTS=1)
    wished(live, "a red ball bouncing on grass", 3)
    until = time.monotonic() + 120
    while not (plans := got(live, "/admin/api/plans")["plans"]):
        assert time.monotonic() < until
        wished(live, "a red ball bouncing on grass")
        time.sleep(1)
    plan = done(live, plans[-1]["id"])
    assert (plan["source"], plan["counts"]["made"] + plan["counts"]["hit"]) == ("mined", 1)
    assert live.post("a red ball bouncing on grass", quality="draft")["reprise"]["verdict"] == "exact"
