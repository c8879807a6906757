"""The main job, through the front door: a prompt in, a clip out, the same clip again."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import HTTP
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.conftest import StartServer
from tests.live import Live

STEPS = 4  # of the tiny model: a render takes a few tenths of a second


def test_a_miss_becomes_a_clip_and_the_clip_a_hit(live: Live) -> None:
    first = live.post("a red ball bouncing on grass", steps=STEPS)
    assert (first["status"], first["reprise"]["verdict"]) in {("queued", "miss"), ("in_progress", "miss")}
    first = live.finished(first)
    assert first["status"] == "completed"
    assert first["progress"] == 100
    assert set(first["reprise"]["stages_ms"]) == {"queue", "text_encode", "denoise", "vae_decode", "video_encode", "store"}

    renders = live.renders()
    again = live.post("  A red ball bouncing  on grass. ", steps=STEPS)
    assert (again["status"], again["reprise"]["verdict"]) == ("completed", "exact")
    assert again["reprise"]["clip"] == first["reprise"]["clip"]
    assert again["id"] != first["id"]
    assert again["reprise"]["gpu_seconds"] == 0.0
    assert again["reprise"]["gpu_seconds_saved"] == pytest.approx(first["reprise"]["gpu_seconds"])
    assert live.content(again["id"]) == live.content(first["id"])
    assert live.renders() == renders


def test_the_time_of_a_hit_includes_its_commit(live: Live) -> None:
    live.made("a red ring on a white background", steps=STEPS)
    before = time.perf_counter()
    hit = live.post("a red ring on a white background", steps=STEPS)
    took = time.perf_counter() - before
    until, seconds = time.monotonic() + 10, None
    with sqlite3.connect(live.folder / "reprise.db") as rows:
        while seconds is None and time.monotonic() < until:
            time.sleep(0.1)
            ((seconds,),) = rows.execute("SELECT answer_ms / 1000.0 FROM requests WHERE id = ?", (hit["id"],))
    assert seconds is not None
    assert 0 < seconds <= took
    (shown,) = [row for row in httpx.get(f"{live.url}/admin/api/requests", timeout=10).json()["requests"] if row["id"] == hit["id"]]
    assert shown["seconds"] == pytest.approx(seconds)


def test_the_video_is_what_its_answer_says(live: Live, tmp_path: Path) -> None:
    video = live.made("a green star on sand", steps=STEPS, seconds=1)
    (tmp_path / "video.mp4").write_bytes(live.content(video["id"]))
    with av.open(str(tmp_path / "video.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate or 0) == 8.0
    assert f"{frames[0].shape[1]}x{frames[0].shape[0]}" == video["size"] == "128x128"
    assert len(frames) / 8 == float(video["seconds"]) == 1.125
    boxes = (tmp_path / "video.mp4").read_bytes()
    assert boxes.index(b"moov") < boxes.index(b"mdat"), "faststart: the index comes before the pictures"
    assert np.stack(frames).std() > 0
    for variant in ("thumbnail", "spritesheet"):
        assert len(live.content(video["id"], variant)) > 100


def test_an_expired_video_gives_no_bytes(live: Live) -> None:
    """Its object still tells what it was, and its clip answers others."""
    video = live.made("a star that expires", steps=STEPS, seconds=1)
    link = video["reprise"]["url"]
    assert httpx.get(link).status_code == 200
    with sqlite3.connect(live.folder / "reprise.db", timeout=30) as rows:
        rows.execute("UPDATE requests SET expires_at = ? WHERE id = ?", (time.time() - 1, video["id"]))
    rows.close()
    told = live.get(video["id"])
    assert (told["status"], told["expires_at"] < time.time(), told["reprise"]["url"]) == ("completed", True, None)
    for address in (f"{live.url}/v1/videos/{video['id']}/content", f"{live.url}/v1/videos/{video['id']}/content?variant=webp", link):
        gone = httpx.get(address)
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "clip_gone"), address
    hit = live.post("a star that expires", steps=STEPS, seconds=1)
    assert (hit["reprise"]["verdict"], len(live.content(hit["id"])) > 100) == ("exact", True)


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_a_preview_is_made_once_and_sent_like_other_bytes(live: Live, kind: str) -> None:
    video = live.made("a green star on sand", steps=STEPS, seconds=1)
    path = f"{live.url}/v1/videos/{video['id']}/content?variant={kind}"
    whole = httpx.get(path, timeout=60)
    assert (whole.status_code, whole.headers["content-type"]) == (200, f"image/{kind}")
    shown = Image.open(io.BytesIO(whole.content))
    assert (shown.format, shown.size, getattr(shown, "n_frames", 1)) == (kind.upper(), (128, 128), 9)
    assert whole.headers["content-disposition"] == f'inline; filename="{video["id"]}.{kind}"'
    assert whole.headers["etag"] == f'"{hashlib.sha256(whole.content).hexdigest()}"'
    assert httpx.get(path).content == whole.content
    assert httpx.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    part = httpx.get(path, headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, whole.content[4:10])
    head = httpx.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole.content)))
    linked = httpx.get(video["reprise"]["preview_url"])
    assert (linked.status_code, linked.headers["content-type"]) == (200, "image/webp")
    assert httpx.get(video["reprise"]["preview_url"].replace("webp", "gif")).status_code == 403, "a link names its bytes"
    private = live.made("a preview of what is kept by nobody", steps=STEPS, seconds=1, headers={"Cache-Control": "no-store"})
    unkept = httpx.get(f"{live.url}/v1/videos/{private['id']}/content?variant={kind}", timeout=60)
    assert (unkept.status_code, unkept.headers["cache-control"]) == (200, "no-store")
    assert httpx.delete(f"{live.url}/v1/videos/{video['id']}", params={"erase": "true"}).status_code == 200
    assert httpx.get(path).status_code == 404


def test_settings_must_be_equal(live: Live) -> None:
    """Only words may be near: the same words under other settings are another video."""
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
    # One request may be stricter than the instance, never looser.
    words = "A white ring is moving right on the black background"
    url, body = f"{live.url}/v1/videos", {"prompt": words, "steps": STEPS}
    cached_only = {"Cache-Control": "only-if-cached"}
    strict = httpx.post(url, json={**body, "reprise": {"max_wrong": 0.0}}, headers=cached_only, timeout=30)
    assert strict.status_code == 504, "nothing is that sure"
    loose = httpx.post(url, json={**body, "reprise": {"max_wrong": 0.5}}, timeout=30)
    assert (loose.status_code, loose.json()["error"]["param"]) == (400, "reprise.max_wrong")
    trap = live.made("a white ring moving left on a black background", steps=STEPS)
    assert trap["reprise"]["verdict"] == "miss"
    assert trap["reprise"]["clip"] != made["reprise"]["clip"]
    assert "left" in trap["reprise"]["refused"][0]["reason"]
    # What was refused can be looked at beside the reason.
    assert trap["reprise"]["refused"][0]["clip"] == made["reprise"]["clip"]
    content = f"{live.url}/v1/videos/{trap['id']}/content"
    shown = httpx.get(content, params={"refused": 1, "variant": "thumbnail"})
    assert shown.content == httpx.get(f"{live.url}/v1/videos/{made['id']}/content", params={"variant": "thumbnail"}).content
    assert httpx.get(content, params={"refused": 0}).json()["error"]["param"] == "refused"


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
    assert httpx.get(f"{live.url}/v1/videos/{seven['id']}/content", params={"refused": 2}).status_code == 404, "only one was refused"
    assert seven["reprise"]["clip"] != plain["reprise"]["clip"]
    assert live.content(seven["id"]) != live.content(plain["id"])
    again = live.post("a cyan triangle standing still", steps=STEPS, seed=7)
    assert (again["reprise"]["verdict"], again["reprise"]["clip"]) == ("exact", seven["reprise"]["clip"])


def test_a_pinned_seed_means_the_same_video_anywhere(start: StartServer) -> None:
    videos = []
    for name in ("one", "two"):
        server = start(name)
        videos.append(server.content(server.made("a brown star", steps=STEPS, seed=42)["id"]))
        server.close()
    assert videos[0] == videos[1]


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


def test_only_if_cached_sees_what_was_committed_a_moment_ago(live: Live) -> None:
    """The index learns of a clip a moment after its client does."""
    things = ("ball", "cube", "ring", "star", "kite", "boat", "leaf", "drum", "lamp", "coin", "shoe", "bell")
    for thing in things:
        made = live.made(f"a red {thing} on a white table", steps=1, seconds=0.5)
        body = {"prompt": f"a red {thing} on the white table", "steps": 1, "seconds": 0.5}
        near = httpx.post(f"{live.url}/v1/videos", json=body, headers={"Cache-Control": "only-if-cached"}, timeout=30)
        assert near.status_code == 200, (thing, near.text)
        assert (near.json()["reprise"]["verdict"], near.json()["reprise"]["clip"]) == ("near", made["reprise"]["clip"])


def test_a_form_of_a_mail_program_means_what_it_says(live: Live) -> None:
    """Python's own `email` writes a preamble if told to, and base64; an answer's own length comes back with it."""
    words = "a träge snail on a leaf"
    first = live.made(words, steps=STEPS)
    form = MIMEMultipart("form-data", boundary="the-boundary")
    form.preamble = "This is a form."
    for name, value in (("prompt", words), ("seconds", first["seconds"]), ("steps", str(STEPS)), ("input_reference", "")):
        part = MIMEText(value, "plain", "utf-8")
        part.add_header("Content-Disposition", "form-data", name=name)
        form.attach(part)
    body = form.as_bytes(policy=HTTP).partition(b"\r\n\r\n")[2]
    assert b"base64" in body
    assert b"This is a form." in body
    kind = {"Content-Type": "multipart/form-data; boundary=the-boundary"}
    hit = httpx.post(f"{live.url}/v1/videos", content=body, headers=kind, timeout=30)
    assert hit.status_code == 200, hit.text
    assert (hit.json()["reprise"]["verdict"], hit.json()["reprise"]["clip"]) == ("exact", first["reprise"]["clip"])
    marked = {"prompt": words, "seconds": first["seconds"], "steps": STEPS, "input_reference": None}
    bom = httpx.post(
        f"{live.url}/v1/videos", content=codecs.BOM_UTF8 + json.dumps(marked).encode(), headers={"Content-Type": "application/json"}
    )
    assert bom.json()["reprise"]["clip"] == first["reprise"]["clip"]


def test_the_queue_is_bounded(start: StartServer) -> None:
    server = start(queue_jobs=2)
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
    with pytest.raises(AssertionError, match="another Reprise uses"):
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
