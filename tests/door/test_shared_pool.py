"""The shared pool through the front door: who gets in, who is answered, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.door.tenants import Tenant
from tests.door.test_keys import ADMIN, bearer
from tests.live import Live


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("shared"), tiny_model, ADMIN_KEY=ADMIN, SHARE_AFTER_TENANTS=3).start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def tenants(shared: Live) -> Iterator[dict[str, Tenant]]:
    made = {name: Tenant(shared, name, "--share", "all") for name in ("ada", "bob", "cyd", "dan")}
    made["eve"] = Tenant(shared, "eve")
    yield made
    for tenant in made.values():
        tenant.close()


def admin(live: Live, method: str, path: str = "") -> Any:
    with live.client() as client:
        return client.request(method, f"/v1/shared{path}", headers=bearer(ADMIN))


def soon(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.2)


def standing(live: Live, clip: str) -> dict[str, Any] | None:
    return next((one for one in admin(live, "GET").json()["data"] if one["clip"] == clip), None)


def pooled(live: Live, clip: str) -> bool:
    found = standing(live, clip)
    return found is not None and found["state"] == "pooled"


def test_three_tenants_that_ask_open_it_for_the_fourth(shared: Live, tenants: dict[str, Tenant]) -> None:
    words = "a red ball bouncing on green grass"
    first = tenants["ada"].ask(words)
    soon(lambda: standing(shared, first["reprise"]["clip"]) is not None)
    second = tenants["bob"].ask("A red ball bouncing on green grass!")
    assert second["reprise"]["verdict"] == "miss"
    assert second["reprise"]["clip"] != first["reprise"]["clip"]
    soon(lambda: (standing(shared, first["reprise"]["clip"]) or {})["tenants_asking"] == 2)
    assert not pooled(shared, first["reprise"]["clip"])
    # In other words: the judge takes them for the same.
    assert tenants["cyd"].ask("A red ball is bouncing on the green grass")["reprise"]["verdict"] == "miss"
    soon(lambda: any(one["state"] == "pooled" for one in admin(shared, "GET").json()["data"]))

    exact = tenants["dan"].post(words)
    told = exact.json()["reprise"]
    assert told["verdict"] == "exact"
    assert (told["similarity"], told["confidence"], told["matched_prompt"], told["refused"]) == (None, None, None, [])
    owner = first if told["clip"] == first["reprise"]["clip"] else second
    assert told["clip"] == owner["reprise"]["clip"]
    assert tenants["dan"].spec(exact.json()) in {tenants["ada"].spec(first), tenants["bob"].spec(second)}
    cached = {"Cache-Control": "only-if-cached"}  # or its first miss would answer the second ask
    soon(lambda: tenants["dan"].post("the red ball is bouncing on green grass", headers=cached).status_code == 200)
    near = tenants["dan"].post("the red ball is bouncing on green grass", headers=cached).json()["reprise"]
    assert near["verdict"] == "near"
    assert (near["similarity"], near["confidence"], near["matched_prompt"], near["refused"]) == (None, None, None, [])
    # Who does not share is not answered from it.
    assert tenants["eve"].ask(words)["reprise"]["verdict"] == "miss"


def test_an_admin_lets_in_and_takes_out(shared: Live, tenants: dict[str, Tenant]) -> None:
    video = tenants["ada"].ask("a blue square spinning slowly")
    clip = video["reprise"]["clip"]
    soon(lambda: standing(shared, clip) is not None)
    assert tenants["bob"].client.post(f"/v1/shared/{clip}").status_code == 403
    assert tenants["bob"].client.get("/v1/shared").status_code == 403
    assert admin(shared, "POST", f"/{clip}").status_code == 200
    assert tenants["bob"].post("a blue square spinning slowly").json()["reprise"]["clip"] == clip
    assert admin(shared, "DELETE", f"/{clip}").status_code == 200
    assert tenants["bob"].ask("a blue square spinning slowly")["reprise"]["verdict"] == "miss"
    assert admin(shared, "POST", f"/{clip}").status_code == 404, "withdrawn for good"
    assert tenants["ada"].post("a blue square spinning slowly").json()["reprise"]["clip"] == clip, "its own tenant keeps it"


def test_a_private_clip_cannot_be_let_in(shared: Live, tenants: dict[str, Tenant]) -> None:
    clip = tenants["eve"].ask("a green star at night")["reprise"]["clip"]
    hidden = tenants["ada"].ask("a green star at noon", headers={"Cache-Control": "no-store"})["reprise"]["clip"]
    later = tenants["ada"].ask("a green star at dawn")["reprise"]["clip"]
    soon(lambda: standing(shared, later) is not None)  # a round that saw all three
    for name in (clip, hidden, "clip_" + "0" * 32, "nonsense"):
        assert admin(shared, "POST", f"/{name}").status_code == 404


def test_erasing_withdraws_it_there_too(shared: Live, tenants: dict[str, Tenant]) -> None:
    words = "a yellow triangle falling down"
    video = tenants["ada"].ask(words)
    clip = video["reprise"]["clip"]
    soon(lambda: standing(shared, clip) is not None)
    assert admin(shared, "POST", f"/{clip}").status_code == 200
    held = tenants["bob"].post(words).json()
    assert held["reprise"]["clip"] == clip
    # Another tenant's erasing takes nothing of the owner's.
    again = tenants["cyd"].post(words).json()
    assert tenants["cyd"].client.delete(f"/v1/videos/{again['id']}?erase=true").status_code == 200
    assert tenants["ada"].post(words).json()["reprise"]["clip"] == clip

    for mine in tenants["ada"].client.get("/v1/videos?limit=100").json()["data"]:
        if mine["reprise"]["clip"] == clip:
            assert tenants["ada"].client.delete(f"/v1/videos/{mine['id']}?erase=true").status_code == 200
    assert tenants["dan"].ask(words)["reprise"]["verdict"] == "miss"
    assert tenants["bob"].spec(held), "who was given it before keeps the clip, never the words"
    assert all(one["clip"] != clip for one in admin(shared, "GET").json()["data"])


def test_what_shows_more_than_was_asked_poisons_nobody(shared: Live, tenants: dict[str, Tenant]) -> None:
    """Whose words they are is not known to whoever is answered: in the pool they must say what was asked, and no more."""
    words = "two children build a sandcastle on a beach"
    poison = tenants["ada"].ask(f"{words}. three soldiers march through a ruined city")
    clip = poison["reprise"]["clip"]
    soon(lambda: standing(shared, clip) is not None)
    assert admin(shared, "POST", f"/{clip}").status_code == 200
    assert tenants["ada"].post(words).json()["reprise"]["verdict"] == "near", "one's own clips may show more"
    cached = {"Cache-Control": "only-if-cached"}
    # The control: the pool does answer, and it knows this clip.
    same = f"{words}. three soldiers march through a ruined city!"
    soon(lambda: tenants["dan"].post(same, headers=cached).status_code == 200)
    assert tenants["dan"].post(words, headers=cached).status_code == 504


def test_a_pooled_clip_that_a_tenant_refused_is_not_served_to_it_again(shared: Live, tenants: dict[str, Tenant]) -> None:
    words = "a silver coin spinning on a desk"
    clip = tenants["ada"].ask(words)["reprise"]["clip"]
    soon(lambda: standing(shared, clip) is not None)
    assert admin(shared, "POST", f"/{clip}").status_code == 200
    hit = tenants["bob"].post(words).json()
    assert (hit["reprise"]["verdict"], hit["reprise"]["clip"]) == ("exact", clip)
    told = tenants["bob"].client.post(f"/v1/videos/{hit['id']}/feedback", json={"satisfied": False})
    assert told.status_code == 200
    own = tenants["bob"].ask(words)
    assert own["reprise"]["verdict"] == "miss"
    assert not [one for one in own["reprise"]["refused"] if "person" in one["reason"]], "of the pool nothing is told"
    assert tenants["bob"].post(words).json()["reprise"]["clip"] == own["reprise"]["clip"] != clip
    assert tenants["cyd"].post(words).json()["reprise"]["clip"] == clip, "others are still answered with it"
