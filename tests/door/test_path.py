"""The main job, through the front door: a prompt in, a clip out, the same clip again."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from tests.conftest import StartServer
from tests.live import Live

STEPS = 4  # of the tiny model: a render takes a few tenths of a second


def test_a_miss_becomes_a_clip_and_the_clip_a_hit(live: Live) -> None:
    first = live.post("a red ball bouncing on grass", steps=STEPS)
    assert (first["status"], first["reprise"]["verdict"]) in {("queued", "miss"), ("in_progress", "miss")}
    first = live.finished(first)
    assert first["status"] == "completed"
    assert first["progress"] == 100
    assert set(first["reprise"]["stages_ms"]) == {"queue", "text_encode", "denoise", "vae_decode", "film", "store"}

    renders = live.renders()
    again = live.post("  A red ball bouncing  on grass. ", steps=STEPS)
    assert (again["status"], again["reprise"]["verdict"]) == ("completed", "exact")
    assert again["reprise"]["clip"] == first["reprise"]["clip"]
    assert again["id"] != first["id"]
    assert again["reprise"]["gpu_seconds"] == 0.0
    assert again["reprise"]["gpu_seconds_saved"] == pytest.approx(first["reprise"]["gpu_seconds"])
    assert live.content(again["id"]) == live.content(first["id"])
    assert live.renders() == renders


def test_the_film_is_what_its_answer_says(live: Live, tmp_path: Path) -> None:
    video = live.made("a green star on sand", steps=STEPS, seconds=1)
    (tmp_path / "film.mp4").write_bytes(live.content(video["id"]))
    with av.open(str(tmp_path / "film.mp4")) as film:
        stream = film.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate or 0) == 8.0
    assert f"{frames[0].shape[1]}x{frames[0].shape[0]}" == video["size"] == "128x128"
    assert len(frames) / 8 == float(video["seconds"]) == 1.125
    boxes = (tmp_path / "film.mp4").read_bytes()
    assert boxes.index(b"moov") < boxes.index(b"mdat"), "faststart: the index comes before the pictures"
    assert np.stack(frames).std() > 0
    for variant in ("thumbnail", "spritesheet"):
        assert len(live.content(video["id"], variant)) > 100


def test_settings_must_be_equal(live: Live) -> None:
    """Only words may be near: the same words under other settings are another film."""
    live.made("a blue square spinning", steps=STEPS)
    for other in ({"steps": STEPS + 1}, {"steps": STEPS, "seconds": 1}, {"steps": STEPS, "negative_prompt": "blur"},
                  {"steps": STEPS, "guidance_scale": 3.5}):  # fmt: skip
        assert live.made("a blue square spinning", **other)["reprise"]["verdict"] == "miss"


def test_a_judged_near_duplicate_is_served_and_a_trap_is_not(live: Live) -> None:
    made = live.made("a white ring moving right on a black background", steps=STEPS)
    near = live.post("A white ring is moving right on the black background", steps=STEPS)
    assert near["reprise"]["verdict"] == "near", near["reprise"]
    assert near["reprise"]["clip"] == made["reprise"]["clip"]
    assert near["reprise"]["matched_prompt"] == "a white ring moving right on a black background"
    assert 0.8 < near["reprise"]["similarity"] <= 1
    assert 0.5 < near["reprise"]["confidence"] <= 1
    trap = live.made("a white ring moving left on a black background", steps=STEPS)
    assert trap["reprise"]["verdict"] == "miss"
    assert trap["reprise"]["clip"] != made["reprise"]["clip"]
    assert "left" in trap["reprise"]["refused"][0]["reason"]


def test_words_that_the_encoder_cannot_read_are_exact_only(live: Live) -> None:
    made = live.made("一个红色的球", steps=STEPS)
    other = live.made("一个蓝色的球", steps=STEPS)
    assert other["reprise"]["verdict"] == "miss"
    assert other["reprise"]["refused"][0]["reason"]
    assert live.post("一个红色的球", steps=STEPS)["reprise"]["clip"] == made["reprise"]["clip"]


def test_many_at_once_make_one_clip(live: Live) -> None:
    renders = live.renders()
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda _: live.post("an orange diamond going up", steps=STEPS), range(12)))
    done = [live.finished(answer) for answer in answers]
    assert len({video["reprise"]["clip"] for video in done}) == 1
    assert live.renders() == renders + 1
    verdicts = sorted(answer["reprise"]["verdict"] for answer in answers)
    assert verdicts.count("miss") == 1
    assert set(verdicts) <= {"miss", "joined", "exact"}


def test_near_duplicates_at_once_make_one_clip(live: Live) -> None:
    renders = live.renders()
    words = [
        "a pink box rolling to the right",
        "A pink box rolling to the right!",
        "the pink box is rolling to the right",
        "a pink box, rolling to the right",
    ]
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda prompt: live.post(prompt, steps=STEPS), words))
    assert len({live.finished(answer)["reprise"]["clip"] for answer in answers}) == 1
    assert live.renders() == renders + 1


def test_a_pinned_seed_is_exact_or_a_miss(live: Live) -> None:
    plain = live.made("a cyan triangle standing still", steps=STEPS)
    seven = live.made("a cyan triangle standing still", steps=STEPS, seed=7)
    assert seven["reprise"]["verdict"] == "miss"
    assert [refusal["reason"] for refusal in seven["reprise"]["refused"]] == ["seed pinned"]
    assert seven["reprise"]["clip"] != plain["reprise"]["clip"]
    assert live.content(seven["id"]) != live.content(plain["id"])
    again = live.post("a cyan triangle standing still", steps=STEPS, seed=7)
    assert (again["reprise"]["verdict"], again["reprise"]["clip"]) == ("exact", seven["reprise"]["clip"])


def test_a_pinned_seed_means_the_same_film_anywhere(start: StartServer) -> None:
    films = []
    for name in ("one", "two"):
        server = start(name)
        films.append(server.content(server.made("a brown star", steps=STEPS, seed=42)["id"]))
        server.close()
    assert films[0] == films[1]


def test_no_cache_renders_the_next_take(live: Live) -> None:
    first = live.made("a purple heart-free circle growing", steps=STEPS)
    second = live.made("a purple heart-free circle growing", steps=STEPS, headers={"Cache-Control": "no-cache"})
    assert (second["reprise"]["verdict"], second["reprise"]["take"]) == ("bypass", 1)
    assert second["reprise"]["clip"] != first["reprise"]["clip"]
    third = live.post("a purple heart-free circle growing", steps=STEPS)
    assert (third["reprise"]["verdict"], third["reprise"]["clip"]) == ("exact", second["reprise"]["clip"])
    assert live.content(first["id"]), "the first take stays with those who asked for it"
    pinned = live.made("a purple heart-free circle growing", steps=STEPS, seed=3)
    rendered_again = live.made("a purple heart-free circle growing", steps=STEPS, seed=3, headers={"Cache-Control": "no-cache"})
    assert rendered_again["reprise"]["clip"] != pinned["reprise"]["clip"]
    assert live.content(rendered_again["id"]) == live.content(pinned["id"])


def test_max_age_refuses_older_clips(live: Live) -> None:
    first = live.made("a yellow square shrinking", steps=STEPS)
    time.sleep(1.1)
    assert live.post("a yellow square shrinking", steps=STEPS, headers={"Cache-Control": "max-age=600"})["reprise"]["verdict"] == "exact"
    fresh = live.made("a yellow square shrinking", steps=STEPS, headers={"Cache-Control": "max-age=0"})
    assert fresh["reprise"]["clip"] != first["reprise"]["clip"]
    assert fresh["reprise"]["refused"][0]["reason"] == "older than max-age"


def test_only_if_cached_never_renders(live: Live) -> None:
    renders = live.renders()
    answer = httpx.post(
        f"{live.url}/v1/videos", json={"prompt": "a ring that nobody made"}, headers={"Cache-Control": "only-if-cached"}, timeout=30
    )
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "not_cached"
    assert live.renders() == renders


def test_no_store_keeps_nothing(start: StartServer) -> None:
    server = start()
    secret = "a red triangle for nobody else qzxv"
    video = server.made(secret, steps=STEPS, headers={"Cache-Control": "no-store"})
    assert video["status"] == "completed"
    assert server.content(video["id"])
    until = time.monotonic() + 20
    while server.objects() and time.monotonic() < until:
        time.sleep(0.1)
    assert server.objects() == []
    answer = httpx.get(f"{server.url}/v1/videos/{video['id']}/content")
    assert answer.status_code == 410
    assert server.post(secret, steps=STEPS)["reprise"]["verdict"] == "miss"
    assert secret not in server.log.read_text()


def test_waiting_returns_when_the_clip_is_there(live: Live) -> None:
    started = time.monotonic()
    video = live.post("a star that was waited for", steps=STEPS, headers={"Prefer": "wait=30"})
    assert video["status"] == "completed"
    assert time.monotonic() - started < 25
    assert live.post("another star, not waited for", steps=STEPS, headers={"Prefer": "wait=0"})["status"] != "completed"


def test_progress_is_true_and_never_goes_back(live: Live) -> None:
    video = live.post("a circle moving around for long", steps=60)
    seen = []
    while (now := live.get(video["id"]))["status"] in {"queued", "in_progress"}:
        seen.append((now["status"], now["progress"]))
        time.sleep(0.02)
    numbers = [progress for _, progress in seen]
    assert now["status"] == "completed"
    assert now["progress"] == 100
    assert numbers == sorted(numbers)
    assert len(set(numbers)) >= 5, f"one number per denoise step, not {sorted(set(numbers))}"
    assert all(progress < 100 for progress in numbers)


def test_cancel_frees_the_renderer_within_a_step(live: Live) -> None:
    long = live.post("a square that takes its time", steps=100)
    while live.get(long["id"])["status"] != "in_progress":
        time.sleep(0.02)
    renders = live.renders()
    started = time.monotonic()
    cancelled = httpx.post(f"{live.url}/v1/videos/{long['id']}/cancel", timeout=30).json()
    assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
    after = live.made("a square right after it", steps=1, seconds=1)
    assert after["status"] == "completed"
    assert time.monotonic() - started < 8, "the next clip did not wait for a hundred steps"
    assert live.renders() == renders + 1
    assert httpx.get(f"{live.url}/v1/videos/{long['id']}/content").status_code == 404


def test_a_cancel_withdraws_one_request_not_the_job_of_others(live: Live) -> None:
    one = live.post("a ring that two people want", steps=40)
    other = live.post("a ring that two people want", steps=40)
    assert other["reprise"]["verdict"] == "joined"
    httpx.post(f"{live.url}/v1/videos/{one['id']}/cancel", timeout=30)
    assert live.finished(other)["status"] == "completed"
    assert live.get(one["id"])["error"]["code"] == "cancelled"


def test_delete(live: Live) -> None:
    one = live.made("a diamond to be deleted", steps=STEPS)
    other = live.made("a diamond to be deleted", steps=STEPS)
    assert httpx.delete(f"{live.url}/v1/videos/{one['id']}").json() == {"id": one["id"], "object": "video.deleted", "deleted": True}
    assert httpx.get(f"{live.url}/v1/videos/{one['id']}").status_code == 404
    assert live.content(other["id"]), "the clip stays for others"
    assert httpx.delete(f"{live.url}/v1/videos/{other['id']}?erase=true").status_code == 200
    assert live.post("a diamond to be deleted", steps=STEPS)["reprise"]["verdict"] == "miss", "erased with its last holder"


def test_a_wrong_label_is_never_served_again(live: Live) -> None:
    live.made("a blue ball moving up on grass", steps=STEPS)
    near = live.post("the blue ball is moving up on grass", steps=STEPS)
    assert near["reprise"]["verdict"] == "near"
    told = httpx.post(f"{live.url}/v1/videos/{near['id']}/feedback", json={"satisfied": False}, timeout=30)
    assert told.status_code == 200
    after = live.post("the blue ball is moving up on grass", steps=STEPS)
    assert after["reprise"]["verdict"] == "miss"
    assert "person" in after["reprise"]["refused"][0]["reason"]


def test_the_queue_is_bounded(start: StartServer) -> None:
    server = start(queue_limit=2)
    server.made("a star for the clock", steps=STEPS)
    for number in range(2):
        server.post(f"star number {number} of many", steps=100)
    answer = httpx.post(f"{server.url}/v1/videos", json={"prompt": "one star too many"}, timeout=30)
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "queue_full"
    assert int(answer.headers["Retry-After"]) >= 1
    assert server.post("a star for the clock", steps=STEPS)["reprise"]["verdict"] == "exact", "hits are served all the same"
    assert len(httpx.get(f"{server.url}/v1/videos?limit=100").json()["data"]) == 4, "the refused one left no row"


def test_a_full_disk_is_said_before_a_render_starts(start: StartServer) -> None:
    server = start(min_free_gb=1e9)
    answer = httpx.post(f"{server.url}/v1/videos", json={"prompt": "a star with no room"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "disk_full")
    assert "Retry-After" in answer.headers
    assert httpx.get(f"{server.url}/v1/videos").json()["data"] == []


def test_jobs_survive_kill_9(start: StartServer) -> None:
    server = start()
    asked = [server.post("a circle that outlives its server", steps=60) for _ in range(3)]
    while server.get(asked[0]["id"])["status"] != "in_progress":
        time.sleep(0.02)
    server.kill()
    server.start()
    done = [server.finished(server.get(one["id"])) for one in asked]
    assert {video["status"] for video in done} == {"completed"}
    assert len({video["reprise"]["clip"] for video in done}) == 1
    assert server.renders() == 1
    near = server.post("the circle that outlives its server", steps=60)
    assert near["reprise"]["verdict"] == "near", "the index was rebuilt from rows"


def test_an_orderly_stop_loses_nothing(start: StartServer) -> None:
    server = start()
    asked = [server.post(f"circle {name} to be finished later", steps=60) for name in ("one", "two", "three")]
    server.stop()
    assert "Application shutdown complete." in server.log.read_text()
    server.start()
    assert {server.finished(server.get(one["id"]))["status"] for one in asked} == {"completed"}


def test_missing_and_corrupt_objects_take_the_clip_out_of_service(start: StartServer) -> None:
    server = start(byte_cache_mb=0)
    for damage in ("missing", "corrupt", "short"):
        video = server.made(f"a star that will be {damage}", steps=STEPS)
        (path,) = (server.folder / "objects" / "clips" / video["reprise"]["clip"]).glob("*.mp4")
        whole = path.read_bytes()
        path.chmod(0o600)
        match damage:
            case "missing":
                path.unlink()
            case "corrupt":
                path.write_bytes(whole[:-10] + bytes(10))
            case _:
                path.write_bytes(whole[:-1])
        answer = httpx.get(f"{server.url}/v1/videos/{video['id']}/content")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "object_corrupt"), damage
        assert httpx.get(f"{server.url}/v1/videos/{video['id']}/content").status_code == 410
        again = server.made(f"a star that will be {damage}", steps=STEPS)
        assert again["reprise"]["verdict"] == "miss"
        assert server.content(again["id"])


def test_idempotency_key(live: Live) -> None:
    def post(prompt: str, key: str) -> httpx.Response:
        return httpx.post(f"{live.url}/v1/videos", json={"prompt": prompt, "steps": STEPS}, headers={"Idempotency-Key": key}, timeout=30)

    first = post("a star sent twice", "key-1").json()
    assert post("a star sent twice", "key-1").json()["id"] == first["id"]
    live.finished(first)
    assert post("a star sent twice", "key-1").json()["id"] == first["id"]
    assert post("another star", "key-1").status_code == 422
    hit = post("a star sent twice", "key-2").json()
    assert hit["reprise"]["verdict"] == "exact"
    assert post("a star sent twice", "key-2").json()["id"] == hit["id"]


def test_two_instances_side_by_side(start: StartServer) -> None:
    one, other = start("one"), start("other")
    one.made("a star of one", steps=STEPS)
    assert other.post("a star of one", steps=STEPS)["reprise"]["verdict"] == "miss"


def test_a_second_server_on_the_same_folder_is_refused(start: StartServer) -> None:
    start("same")
    with pytest.raises(AssertionError, match="another Reprise serves"):
        start("same")


def test_hits_are_answered_while_a_clip_renders(live: Live) -> None:
    live.made("a star to be asked for often", steps=STEPS)
    long = live.post("a square in the background of it", steps=100)
    verdicts = [live.post("a star to be asked for often", steps=STEPS)["reprise"]["verdict"] for _ in range(20)]
    assert verdicts == ["exact"] * 20
    httpx.post(f"{live.url}/v1/videos/{long['id']}/cancel", timeout=30)


def test_counts_stay_right_under_concurrent_hits(live: Live) -> None:
    first = live.made("a star for the crowd", steps=STEPS)
    ids: set[str] = set()
    lock = threading.Lock()

    def ask(_: int) -> None:
        video = live.post("a star for the crowd", steps=STEPS)
        with lock:
            ids.add(video["id"])

    with ThreadPoolExecutor(16) as clients:
        list(clients.map(ask, range(200)))
    assert len(ids) == 200
    listed: set[str] = set()
    after = None
    while True:
        page = httpx.get(f"{live.url}/v1/videos", params={"limit": 100} | ({"after": after} if after else {})).json()
        listed |= {video["id"] for video in page["data"]}
        if not page["has_more"]:
            break
        after = page["last_id"]
    assert ids <= listed
    assert first["id"] in listed


def test_logs_hold_no_prompts(live: Live) -> None:
    live.made("a very private zebrafish star", steps=STEPS)
    log = live.log.read_text()
    assert "zebrafish" not in log
    assert [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]
