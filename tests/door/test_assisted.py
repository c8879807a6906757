"""Assisted renders through the front door: what starts from what, what is told of it, and what is never a donor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cache.settings import Settings
from gateway.app import create_app
from tests.admin.pages import api, until
from tests.conftest import StartServer
from tests.donor_table import write_table
from tests.live import PATIENCE, Live

QUICK: dict[str, Any] = {"steps": 10, "seconds": 0.5}
AGAIN = {"Cache-Control": "no-cache"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, table: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("takes"), tiny_model, assist_table=table)
    yield server.start()
    server.close()


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """A server that assists near misses, too, by the table that ships."""
    server = Live(tmp_path_factory.mktemp("near"), tiny_model, assist="near")
    yield server.start()
    server.close()


def told(video: dict[str, Any]) -> dict[str, Any]:
    assert video["status"] == "completed", video["error"]
    found: dict[str, Any] = video["reprise"]
    return found


def again(live: Live, prompt: str, **fields: object) -> dict[str, Any]:
    return told(live.made(prompt, headers=AGAIN, **{**QUICK, **fields}))


def latents(live: Live) -> list[Path]:
    return [path for path in (live.folder / "objects" / "clips").rglob("*.safetensors") if path.is_file()]


def test_another_take_starts_from_a_cold_one_and_says_so(live: Live) -> None:
    first = told(live.made("a red ball", **QUICK))
    assert (first["assisted"], first["steps_skipped"]) == (None, 0)
    second = again(live, "a red ball")
    assisted = second["assisted"]
    assert (second["verdict"], second["take"]) == ("bypass", 1)
    assert (assisted["from"], assisted["kind"], assisted["prompt"]) == (first["clip"], "take", "a red ball")
    assert assisted["steps_skipped"] == second["steps_skipped"] == 10 - len(second["steps_ms"]) > 0
    assert assisted["saved_ms"] > 0
    assert second["gpu_seconds_saved"] == 0, "no hit: it is counted apart"
    hit = told(live.made("a red ball", **QUICK))
    assert (hit["verdict"], hit["clip"], hit["assisted"]["from"]) == ("exact", second["clip"], first["clip"])
    third = again(live, "a red ball")
    assert (third["take"], third["assisted"]["from"]) == (2, first["clip"]), "what was made from a donor is none itself"
    assert len({first["clip"], second["clip"], third["clip"]}) == 3
    assert len(latents(live)) == 1, "and keeps no latent"


def test_whoever_refuses_it_gets_a_clip_from_noise(live: Live) -> None:
    live.made("a green star", **QUICK)
    assert again(live, "a green star", reprise={"assist": False})["assisted"] is None
    assert again(live, "a green star", reprise={"assist": True})["assisted"] is not None
    form = {"prompt": (None, "a green star"), "steps": (None, "10"), "seconds": (None, "0.5"), "reprise[assist]": (None, "false")}
    headers = {**AGAIN, "Prefer": "wait=30"}
    answer = httpx.post(f"{live.url}/v1/videos", files=form, headers=headers, timeout=PATIENCE)
    assert told(live.finished(answer.json()))["assisted"] is None
    wrong = httpx.post(f"{live.url}/v1/videos", json={"prompt": "a star", "reprise": {"assist": "no"}}, timeout=PATIENCE)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "reprise.assist")


def test_a_pinned_seed_few_steps_and_a_limit_of_nothing_get_no_donor(live: Live) -> None:
    live.made("a blue square", **QUICK)
    assert again(live, "a blue square", seed=5)["assisted"] is None
    assert again(live, "a blue square", reprise={"max_wrong": 0})["assisted"] is None
    live.made("a blue square", **{**QUICK, "steps": 4})
    assert again(live, "a blue square", steps=4)["assisted"] is None


def test_a_donor_that_somebody_called_wrong_is_none(live: Live) -> None:
    wrong = live.made("a pink ring", **QUICK)
    httpx.post(f"{live.url}/v1/videos/{wrong['id']}/feedback", json={"satisfied": False}, timeout=PATIENCE).raise_for_status()
    assert again(live, "a pink ring")["assisted"] is None


def test_without_its_latent_it_is_rendered_from_noise_as_the_take_that_it_is(live: Live) -> None:
    before = set(latents(live))
    first = told(live.made("a white triangle", **QUICK))
    (latent,) = set(latents(live)) - before
    latent.write_bytes(b"these are no clean latents")
    second = again(live, "a white triangle")
    assert (second["take"], second["assisted"], second["steps_skipped"]) == (1, None, 0)
    assert len(second["steps_ms"]) == 10
    kinds = {one["kind"] for one in api(live, f"clips/{first['clip']}")["objects"]}
    assert kinds == {"video", "thumbnail", "spritesheet"}, "what was corrupt is gone, and the video serves on"
    assert again(live, "a white triangle")["assisted"]["from"] == second["clip"], "rendered from noise, so a donor in its turn"


def test_what_came_of_a_donor_outlives_its_words(live: Live) -> None:
    first = live.made("a brown diamond", **QUICK)
    second = live.made("a brown diamond", headers=AGAIN, **QUICK)
    assert told(second)["assisted"]["prompt"] == "a brown diamond"
    gone = httpx.delete(f"{live.url}/v1/videos/{first['id']}", params={"erase": "true"}, timeout=PATIENCE)
    assert gone.status_code == 200, gone.text
    kept = told(live.get(second["id"]))["assisted"]
    assert (kept["from"], kept["prompt"]) == (told(first)["clip"], None)
    assert live.content(second["id"])


def test_near_is_off_unless_it_is_asked_for(live: Live) -> None:
    live.made("a small yellow ball bounces", **QUICK)
    miss = told(live.made("a large yellow ball bounces", **QUICK))
    assert (miss["verdict"], miss["assisted"]) == ("miss", None)
    assert "size" in miss["refused"][0]["reason"]


def test_a_refused_neighbour_is_a_donor_and_its_child_answers_its_own_asker_alone(near: Live) -> None:
    donor = told(near.made("a small red ball bounces", **QUICK))
    asked = near.made("a large red ball bounces", **QUICK)
    child = told(asked)
    assert (child["verdict"], child["assisted"]["from"], child["assisted"]["kind"]) == ("miss", donor["clip"], "near")
    assert child["assisted"]["prompt"] == "a small red ball bounces"
    assert child["steps_skipped"] > 0
    own = told(near.made("a large red ball bounces", **QUICK))
    assert (own["verdict"], own["assisted"]) == ("miss", None), "whoever asks again gets one from noise"
    assert told(near.made("a large red ball bounces", **QUICK))["clip"] == own["clip"]
    assert told(near.get(asked["id"]))["clip"] == child["clip"]


def test_a_label_lets_it_answer_everybody(near: Live) -> None:
    near.made("a small blue star bounces", **QUICK)
    asked = near.made("a large blue star bounces", **QUICK)
    assert told(asked)["assisted"]["kind"] == "near"
    httpx.post(f"{near.url}/v1/videos/{asked['id']}/feedback", json={"satisfied": True}, timeout=PATIENCE).raise_for_status()
    hit = told(near.made("a large blue star bounces", **QUICK))
    assert (hit["verdict"], hit["clip"]) == ("exact", told(asked)["clip"])
    until(lambda: near_hit(near) == told(asked)["clip"], seconds=30)


def near_hit(live: Live) -> str | None:
    """Which clip answers by nearness, once the index has learned of the change."""
    found = told(live.made("the large blue star bounces", **QUICK, reprise={"assist": False}))
    clip: str = found["clip"]
    return clip if found["verdict"] == "near" else None


def test_what_differs_in_more_than_was_measured_is_no_donor(near: Live) -> None:
    near.made("a cat runs on the beach", **QUICK)
    miss = told(near.made("a dog runs on the beach", **QUICK))
    assert (miss["verdict"], miss["assisted"]) == ("miss", None)
    assert miss["refused"]


@pytest.mark.parametrize(("answers", "hit"), [("none", False), ("all", True)])
def test_which_assisted_clips_answer_is_a_setting(start: StartServer, table: Path, answers: str, hit: bool) -> None:
    live = start(assist="near", assist_answers=answers, assist_table=table)
    first = told(live.made("a small red ball bounces", **QUICK))
    take = again(live, "a small red ball bounces")
    assert take["assisted"]["kind"] == "take"
    assert told(live.made("a small red ball bounces", **QUICK))["clip"] == (take["clip"] if hit else first["clip"])
    child = told(live.made("a large red ball bounces", **QUICK))
    assert child["assisted"]["kind"] == "near"
    assert (told(live.made("a large red ball bounces", **QUICK))["clip"] == child["clip"]) == hit


def test_takes_that_would_look_like_their_donor_are_rendered_from_noise(start: StartServer, tmp_path: Path) -> None:
    live = start(assist_table=write_table(tmp_path, least_variety=0.9))
    live.made("a red ball", **QUICK)
    assert again(live, "a red ball")["assisted"] is None


def test_a_file_that_holds_no_table_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "donors.json").write_text('{"curves": {}}')
    with pytest.raises(ValueError, match=r"donors\.json is no table of donors"):
        create_app(Settings(data_dir=tmp_path, assist_table=tmp_path / "donors.json"))


def test_off_is_off(start: StartServer, table: Path) -> None:
    live = start(assist="off", assist_table=table)
    live.made("a red ball", **QUICK)
    assert again(live, "a red ball")["assisted"] is None
    assert latents(live) == []
