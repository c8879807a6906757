"""Reprise in front of a server of the kind that people run: the calls with which those introduce themselves run unchanged."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from cache.picture import InputPicture, decoded
from tests.live import NO_WARM_UP, PATIENCE, Live
from tests.neighbour_calls import (
    LITELLM_CONTENT,
    LITELLM_CREATE,
    LITELLM_STATUS,
    OMNI_CREATE,
    OMNI_DELETE,
    OMNI_DOWNLOAD,
    OMNI_PICTURE,
    OMNI_POLL,
    OMNI_SYNC,
    SGLANG_CREATE,
    SGLANG_DOWNLOAD,
    SGLANG_LIST,
    sent,
)
from tests.upstreams import Sglang, TheirServer, VllmOmni, mp4

ROW = {
    "name": "wan", "max_sequence_length": 512, "negative_prompt": "", "sizes": [[1280, 720], [854, 480]],
    "default_seconds": 1, "longest_seconds": 5, "fps": 16,
    "steps": {"draft": 10, "standard": 40, "final": 50}, "guidance": 5.0, "flow_shift": 12.0, "takes_picture": True,
}  # fmt: skip
FIELDS = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "negative_prompt": "negative_prompt",
    "frames": "num_frames",
    "fps": "fps",
}


def in_front_of(theirs: TheirServer, folder: Path) -> Live:
    folder.mkdir(parents=True)
    row = folder / "wan.json"
    row.write_text(json.dumps(ROW))
    return Live(
        folder / "data", row, renderer="upstream", upstream_url=theirs.url, upstream_fields=json.dumps(FIELDS), speed=NO_WARM_UP,
        model_aliases='{"sora-2": "wan"}',
    ).start()  # fmt: skip


@pytest.fixture(scope="module")
def omni() -> Iterator[VllmOmni]:
    # Made beforehand: a busy machine takes a while, and the server would not answer meanwhile.
    for size, frames in (((1280, 720), 81), ((854, 480), 81), ((1280, 720), 17), ((854, 480), 17)):
        mp4(*size, frames, 16)
    server = VllmOmni()
    yield server
    server.close()


@pytest.fixture(scope="module")
def fronted(omni: VllmOmni, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    live = in_front_of(omni, tmp_path_factory.mktemp("fronted") / "omni")
    yield live
    live.close()


@pytest.fixture(scope="module")
def client(fronted: Live) -> Iterator[httpx.Client]:
    with fronted.client() as client:
        yield client


def test_the_quick_start_of_vllm_omni(omni: VllmOmni, fronted: Live, client: httpx.Client) -> None:
    created = sent(client, OMNI_CREATE).json()
    assert created["status"] == "queued"
    video = fronted.finished(sent(client, OMNI_POLL, created["id"]).json())
    assert (video["status"], video["size"], video["seconds"]) == ("completed", "1280x720", "5.062")
    got = sent(client, OMNI_DOWNLOAD, video["id"])
    assert got.headers["content-type"] == "video/mp4"
    assert got.content == mp4(1280, 720, 81, 16)
    asked = omni.asked[-1]
    assert {name: asked[name] for name in ("size", "num_frames", "fps", "num_inference_steps")} == {
        "size": "1280x720", "num_frames": "81", "fps": "16", "num_inference_steps": "40",
    }  # fmt: skip
    again = sent(client, OMNI_CREATE).json()
    assert (again["status"], again["reprise"]["verdict"]) == ("completed", "exact")
    assert sent(client, OMNI_DELETE, again["id"]).json()["deleted"] is True


def test_the_image_to_video_call_of_vllm_omni(omni: VllmOmni, fronted: Live, client: httpx.Client) -> None:
    """Their server gets the picture at the size asked; the same picture again is a hit, another one is not."""
    files = {seed: {"input.png": InputPicture(64, 36, bytes([seed]) * (64 * 36 * 3)).packed()} for seed in (1, 2)}
    video = fronted.finished(sent(client, OMNI_PICTURE, files=files[1]).json())
    assert (video["status"], video["reprise"]["verdict"]) == ("completed", "miss"), video["error"]
    assert sent(client, OMNI_DOWNLOAD, video["id"]).content == mp4(1280, 720, 81, 16)
    assert decoded(omni.asked[-1]["input_reference"], 1280, 720).digest == video["reprise"]["picture"]
    assert sent(client, OMNI_PICTURE, files=files[1]).json()["reprise"]["verdict"] == "exact"
    assert fronted.finished(sent(client, OMNI_PICTURE, files=files[2]).json())["reprise"]["verdict"] == "miss"


def test_the_synchronous_call_of_vllm_omni(omni: VllmOmni, fronted: Live, client: httpx.Client) -> None:
    rendered = len(omni.asked)
    first, second = sent(client, OMNI_SYNC), sent(client, OMNI_SYNC)
    for answer, status in ((first, "Reprise; fwd=miss; stored"), (second, "Reprise; hit; detail=exact")):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4"), answer.text
        assert answer.content == mp4(854, 480, 81, 16)
        assert answer.headers["cache-status"] == status
    assert len(omni.asked) == rendered + 1
    video = fronted.get(second.headers["x-video-id"])
    assert (video["status"], video["reprise"]["verdict"]) == ("completed", "exact")


def test_a_synchronous_call_sent_again_waits_for_the_first(omni: VllmOmni, fronted: Live, client: httpx.Client) -> None:
    rendered, headers = len(omni.asked), {"Idempotency-Key": "robot-1"}
    said = {"prompt": "A patient robot", "width": 854, "height": 480}
    early = client.post("/v1/videos/sync", json=said, headers={**headers, "Prefer": "wait=0"})
    assert (early.status_code, early.json()["error"]["code"]) == (504, "still_rendering")
    late = client.post("/v1/videos/sync", json=said, headers=headers)
    assert (late.status_code, late.headers["x-video-id"]) == (200, early.headers["x-video-id"])
    assert len(omni.asked) == rendered + 1


def test_a_synchronous_call_of_no_store_is_erased_once_it_is_sent(fronted: Live, client: httpx.Client) -> None:
    said = {"prompt": "A secret robot", "width": 854, "height": 480, "user": "u-1", "metadata": {"a": "b"}}
    answer = client.post("/v1/videos/sync", json=said, headers={"Cache-Control": "no-store"})
    assert answer.status_code == 200
    video = fronted.get(answer.headers["x-video-id"])
    assert (video["prompt"], video["user"], video["metadata"]) == (None, None, None)
    until = time.monotonic() + PATIENCE
    while client.head(f"/v1/videos/{video['id']}/content").status_code != 410:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_quick_start_of_sglang(fronted: Live, client: httpx.Client) -> None:
    video = fronted.finished(sent(client, SGLANG_CREATE).json())
    assert (video["status"], video["size"]) == ("completed", "1280x720")
    assert video["id"] in {item["id"] for item in sent(client, SGLANG_LIST).json()["data"]}
    assert sent(client, SGLANG_DOWNLOAD, video["id"]).content == mp4(1280, 720, 17, 16)


def test_sglangs_example_with_the_official_client(fronted: Live) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the vendor's own API is gone; the shape is what we speak
        client = openai.OpenAI(api_key="sk-proj-1234567890", base_url=f"{fronted.url}/v1")
        video = client.videos.create(prompt="A calico cat playing a piano on stage", size="1280x720")
        fronted.finished(fronted.get(video.id))
        item = next(one for one in client.videos.list().data if one.id == video.id)
        assert item.status == "completed"
        assert client.videos.download_content(video_id=video.id).read() == mp4(1280, 720, 17, 16)
        more = client.videos.create(
            prompt="A calico cat playing a piano on stage",
            extra_body={"width": 1280, "height": 720, "num_frames": 17, "user": "user_123", "metadata": {"order": "4711"}},
        )
    told = fronted.get(more.id)
    assert (told["user"], told["metadata"], told["reprise"]["verdict"]) == ("user_123", {"order": "4711"}, "exact")


def test_the_proxy_calls_of_litellm(fronted: Live, client: httpx.Client) -> None:
    video = fronted.finished(sent(client, LITELLM_CREATE).json())
    assert sent(client, LITELLM_STATUS, video["id"]).json()["status"] == "completed"
    assert sent(client, LITELLM_CONTENT, video["id"]).content == mp4(1280, 720, 17, 16)


def test_a_failure_upstream_is_told_in_its_words(omni: VllmOmni, fronted: Live, client: httpx.Client) -> None:
    omni.statuses, omni.more = ("queued", "failed"), {"error": {"code": 500, "message": "the scheduler died"}}
    try:
        answer = client.post("/v1/videos/sync", json={"prompt": "a doomed robot"})
    finally:
        omni.statuses, omni.more = VllmOmni.statuses, {}
    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "the upstream could not make the clip: the scheduler died"
    video = fronted.get(answer.headers["x-video-id"])
    assert (video["status"], video["error"]["code"]) == ("failed", "upstream_failed")


def test_a_pinned_seed_of_many_bits_is_noted(fronted: Live) -> None:
    video = fronted.made("a robot by number", seed=2**40 + 5)
    assert video["reprise"]["notes"] == [f"the upstream takes seeds of 31 bits: {2**40 + 5} was rendered as 5"]
    assert fronted.made("a robot without one")["reprise"]["notes"] == []


def test_sglang_behind_with_its_videos_in_cloud_storage_fails_with_a_reason(tmp_path: Path) -> None:
    """On this machine the storage's address is a private one, and those are never fetched from."""
    theirs = Sglang()
    theirs.cloud = lambda _: "http://127.0.0.1:9/video.mp4"
    mp4(1280, 720, 17, 16)
    live = in_front_of(theirs, tmp_path / "sglang")
    video = live.made("a cat")
    assert (video["status"], video["error"]["message"]) == ("failed", "the upstream leads to 127.0.0.1, which is not a public address")
    assert theirs.made("DELETE") == []
    live.close()
    theirs.close()
