"""Settings reach what they are for: through the front door where it shows there, else in the parts that are built from them.

Settings with tests of their own (`REPRISE_KEEP_PROMPTS`, `REPRISE_CAPACITY_GB` …) are not repeated; the last test holds that none has none.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cache.catalog import AskedSettings, resolve
from cache.errors import RenderFailed, StillLoading
from cache.settings import Settings
from gateway.answering.renderers import build_renderer, lease_terms, speed
from gateway.building import open_matching, open_storage
from generator.queue.leases import LeaseTerms
from generator.renderer import RenderOrder
from tests.admin.pages import api, until
from tests.conftest import StartServer
from tests.live import Live
from tests.test_upstream import Other

STEPS, MANY_STEPS = 2, 100
DAY = 86_400


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(
        tmp_path_factory.mktemp("bounded"),
        tiny_model,
        model_aliases='{"sora-2": "reprise-demo"}',
        allowed_hosts="video.internal,other.internal",
        body_bytes=2048,
        wait_seconds=0.3,
        tenant_jobs=1,
        max_wrong=1e-6,
        prompts_across_users=True,
        video_ttl_days=2,
        clip_ttl_days=3,
        gpu_price_per_hour=2.5,
        step_cache="first_block:0.2",
        speed='{"cpu_threads": 2, "warm_up": "off"}',
        offload="encoder_cpu",
    )
    yield server.start()
    server.close()


def test_model_aliases(bounded: Live) -> None:
    video = bounded.made("a star by another model's name", steps=STEPS, model="sora-2")
    assert (video["status"], video["model"]) == ("completed", "reprise-demo")


@pytest.mark.parametrize(("host", "status"), [("other.internal", 200), ("evil.internal", 403)])
def test_allowed_hosts(bounded: Live, host: str, status: int) -> None:
    assert httpx.get(f"{bounded.url}/v1/models", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(("length", "status"), [(1900, 400), (2100, 413)])
def test_body_bytes(bounded: Live, length: int, status: int) -> None:
    """The shorter one is read, and is no JSON."""
    headers = {"Content-Type": "application/json"}
    assert httpx.post(f"{bounded.url}/v1/videos", content=b"x" * length, headers=headers).status_code == status


def test_wait_seconds_and_tenant_jobs(bounded: Live) -> None:
    began = time.monotonic()
    video = bounded.post("a star for a while", steps=MANY_STEPS, seconds=2, headers={"Prefer": "wait=60"})
    assert video["status"] in {"queued", "in_progress"}
    assert time.monotonic() - began < 10
    refused = httpx.post(f"{bounded.url}/v1/videos", json={"prompt": "one ring more"}, timeout=30)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
    assert httpx.post(f"{bounded.url}/v1/videos/{video['id']}/cancel", timeout=30).status_code == 200


def test_max_wrong_and_words_across_users(bounded: Live) -> None:
    """At the default these are near (tests/door/test_path.py)."""
    until(lambda: not open_videos(bounded))
    made = bounded.made("a blue ball moving up on grass", steps=STEPS, user="ann")
    told = bounded.made("the blue ball is moving up on grass", steps=STEPS, user="bob")["reprise"]
    assert told["verdict"] == "miss"
    # Whose words they were plays no part with REPRISE_PROMPTS_ACROSS_USERS (at the default: tests/door/test_end_users.py).
    assert told["refused"][0]["clip"] == made["reprise"]["clip"]


def open_videos(live: Live) -> list[Any]:
    return [one for one in httpx.get(f"{live.url}/v1/videos").json()["data"] if one["status"] in {"queued", "in_progress"}]


def test_times_to_live_step_cache_and_price(bounded: Live) -> None:
    until(lambda: not open_videos(bounded))
    video = bounded.made("a star that will go", steps=STEPS)
    assert video["expires_at"] - video["created_at"] == 2 * DAY
    clip = api(bounded, f"clips/{video['reprise']['clip']}")
    assert clip["expires_at"] - clip["created_at"] == pytest.approx(3 * DAY, abs=60)
    assert clip["recipe"]["step_cache"] == "first_block:0.2"
    assert api(bounded, "overview")["gpu_price_per_hour"] == 2.5
    assert "text encoder computes on the CPU" in httpx.get(f"{bounded.url}/health/ready").json()["parts"]["model"]["how"]


def test_without_near_hits_and_old_requests(start: StartServer) -> None:
    live = start(near=False, requests_keep_days=1e-9)
    first = live.post("a blue ball moving up on grass", steps=STEPS)
    joins = live.made("the blue ball is moving up on grass", steps=STEPS)["reprise"]
    comes_later = live.made("The blue ball is moving up on the grass", steps=STEPS)["reprise"]
    assert (joins["verdict"], comes_later["verdict"]) == ("miss", "miss"), "neither while it is made nor after"
    until(lambda: httpx.get(f"{live.url}/v1/videos/{first['id']}").status_code == 404, seconds=30)


def test_without_a_cache(start: StartServer) -> None:
    live = start(cache=False)
    assert [live.made("a lone star", steps=STEPS)["reprise"]["verdict"] for _ in range(2)] == ["bypass", "bypass"]


def test_signing_keys(start: StartServer) -> None:
    live = start(signing_keys="the first key,an older one")
    clip = live.made("a signed star", steps=STEPS)["reprise"]["clip"]
    for keys, verdict in (("a newer one,the first key", "exact"), ("another key", "miss")):
        live.stop()
        live.settings["SIGNING_KEYS"] = keys
        live.start()
        told = live.post("a signed star", steps=STEPS)["reprise"]
        assert (told["verdict"], told["clip"] == clip) == (verdict, verdict == "exact")


def test_encoder_dir(tmp_path: Path) -> None:
    """What was exported before is taken from there."""
    exported = Settings().encoders
    folder = tmp_path / "encoders"
    folder.mkdir()
    for one in exported.glob("embedder-*"):
        (folder / one.name).symlink_to(one)
    command = [sys.executable, "-m", "gateway.cli", "prepare"]
    environment = {"PATH": "", "REPRISE_ENCODER_DIR": str(folder), "REPRISE_DATA_DIR": str(tmp_path)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout
    assert told.startswith(f"the encoder is in {folder}/embedder-")


async def test_encoder_wait_seconds(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, encoder_wait_seconds=7)
    storage = open_storage(settings)
    with pytest.raises(StillLoading) as told:
        await open_matching(settings, storage).encoders.ready()
    assert told.value.retry_after == 7
    await storage.close()


def test_terms_of_jobs() -> None:
    terms = lease_terms(Settings(lease_seconds=4, job_seconds=60, job_attempts=2, clip_ttl_days=0.5))
    assert terms == LeaseTerms(lease=4, job=60, attempts=2, keep=DAY / 2)


def test_choices_of_the_pipeline(tmp_path: Path, tiny_model: Path) -> None:
    settings = Settings(data_dir=tmp_path, model=str(tiny_model), device="cuda:7", step_cache="sea:0.1", speed={"batch_clips": 3})
    renderer = build_renderer(settings)
    assert (renderer.served.row.step_cache, renderer.longest_batch) == ("sea:0.1", 3)
    assert getattr(renderer, "device", None) == "cuda:7"
    chosen = speed(Settings(data_dir=tmp_path, vram_headroom_gb=1.5, speed="safe", offload="group"))
    assert (chosen.headroom, chosen.compiled, chosen.compile) == (1_500_000_000, tmp_path / "compiled", "off")
    assert chosen.offload == "group"
    coarse = build_renderer(Settings(data_dir=tmp_path, model=str(tiny_model), offload="encoder_fp8"))
    assert coarse.served.revision == f"{renderer.served.revision}+text_fp8"
    coarse = build_renderer(Settings(data_dir=tmp_path, model=str(tiny_model), offload="encoder_fp8", speed={"fp8_products": "on"}))
    assert coarse.served.revision == f"{renderer.served.revision}+fp8_products+text_fp8"


async def test_another_server_renders(tmp_path: Path) -> None:
    other = Other()
    other.answers["POST /v1/videos"] = (400, {}, b'{"error": {"message": "no"}}')
    given: dict[str, Any] = {"renderer": "upstream", "model": "reprise-demo", "upstream_url": other.url, "upstream_key": "the-key"}
    settings = Settings(data_dir=tmp_path, **given, model_revision="r1", upstream_fields={"steps": "num_inference_steps"})
    renderer = build_renderer(settings)
    with pytest.raises(RenderFailed):
        await renderer.render(
            [RenderOrder("a star", resolve(renderer.served, AskedSettings(steps=3)), 1)], lambda _: None, threading.Event()
        )
    await renderer.close()
    other.close()
    ((_, headers, body),) = other.asked
    assert headers["Authorization"] == "Bearer the-key"
    assert re.search(rb'name="num_inference_steps"\r\n\r\n3\r\n', body)
    assert b"guidance" not in body
    assert build_renderer(settings.model_copy(update={"model_revision": "r2"})).served.revision != renderer.served.revision


def test_every_setting_is_set_in_a_test() -> None:
    """By its name as a keyword or in the environment, in a file that starts or builds something of it."""
    texts = [path.read_text() for path in Path(__file__).parent.rglob("*.py")]
    built = "\n".join(text for text in texts if re.search(r"\b(start|Live|Fleet|Settings)\(", text))
    unset = [
        name
        for name in Settings.model_fields
        if not re.search(rf"\b({name}|{name.upper()})=|\"(REPRISE_)?({name}|{name.upper()})\":", built)
    ]
    assert unset == []
