"""Clips from another server: a second Reprise, and one that lies, dawdles and points elsewhere."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from cache.catalog import DEMO, WAN_TI2V_5B, AskedSettings, resolve
from cache.errors import RenderFailed, RenderStopped
from cache.recipe import Recipe
from generator.model import find_upstream_model
from generator.outbound import Patience
from generator.public_addresses import is_public
from generator.renderer import Progress, Rendered, RenderOrder
from generator.upstream import UpstreamRenderer
from generator.video_encoding import adopt_video, encode_video, probe
from tests.live import Live

SERVED = find_upstream_model("reprise-demo", "", "http://upstream/v1")
SHORT = Patience(whole=8.0, away=1.0, content=1.0, missing=0.5, unknown=0.5, connect=3.0, read=2.0)


@pytest.fixture
def recipe() -> Recipe:
    return resolve(SERVED, AskedSettings(steps=2))


async def one(renderer: UpstreamRenderer, recipe: Recipe, prompt: str = "a red circle", seed: int = 7) -> Rendered:
    return (await renderer.render([RenderOrder(prompt, recipe, seed)], lambda _: None, threading.Event()))[0]


class Other:
    """A server of this test's own. `answers` maps "METHOD /path" to what is said: (status, headers, body), or a function
    that gives it; requests are kept in `asked`.
    """

    Said = tuple[int, dict[str, str], bytes]

    def __init__(self) -> None:
        self.answers: dict[str, Other.Said | Callable[[], Other.Said]] = {}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Spoken(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.asked.append((f"{self.command} {self.path}", dict(self.headers), body))
                said = outer.answers.get(f"{self.command} {self.path}", (404, {}, b"{}"))
                status, headers, body = said() if callable(said) else said
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the names are the library's

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Spoken)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def says(self, path: str, said_headers: dict[str, str] | None = None, **fields: object) -> None:
        self.answers[path] = (200, said_headers or {}, json.dumps(fields).encode())

    def kinds(self) -> list[str]:
        return [line.split(" ")[0] for line, _, _ in self.asked]


@pytest.fixture
def other() -> Iterator[Other]:
    server = Other()
    server.says("POST /v1/videos", {"openai-poll-after-ms": "1"}, id="video_1", status="queued", progress=0)
    server.says("GET /v1/videos/video_1", id="video_1", status="completed", progress=100)
    yield server
    server.close()


@pytest.fixture
async def renderer(other: Other, tmp_path: Path) -> AsyncIterator[UpstreamRenderer]:
    renderer = UpstreamRenderer(SERVED, other.url, "the-key", tmp_path / "fetched", SHORT)
    yield renderer
    await renderer.close()


@pytest.fixture
async def video(tmp_path: Path) -> bytes:
    frames = np.full((17, 128, 128, 3), 90, dtype=np.uint8)
    return (await encode_video(frames, 8, tmp_path)).video.read_bytes()


async def test_a_second_reprise_renders(live: Live, tmp_path: Path, recipe: Recipe) -> None:
    renderer = UpstreamRenderer(SERVED, live.url, "", tmp_path / "fetched")
    told: list[Progress] = []
    (clip,) = await renderer.render([RenderOrder("a red circle moves", recipe, 7)], told.append, threading.Event())
    assert clip.video is not None
    assert (clip.frames, clip.latent, clip.notes) == (None, None, ())
    assert clip.gpu_seconds > 0
    assert [said.percent for said in told] == sorted(said.percent for said in told)
    assert told[-1] == Progress("upstream", 95)
    facts = await probe(clip.video)
    assert (facts.frames, facts.width, facts.height, facts.fps) == (17, 128, 128, 8)
    # Every setting that we have a word for arrived: another one makes another video, the same ones the very same.
    videos = {clip.video.read_bytes()}
    changed = [replace(recipe, steps=3), replace(recipe, guidance=2.0), replace(recipe, negative_prompt="blue")]
    for each, seed in [*((each, 7) for each in changed), (recipe, 8), (recipe, 7)]:
        made = await one(renderer, each, "a red circle moves", seed)
        assert made.video is not None
        videos.add(made.video.read_bytes())
    assert len(videos) == 5
    with pytest.raises(RenderFailed, match="makes 128x128"):
        await one(renderer, replace(recipe, width=64))
    await renderer.close()
    assert not clip.video.exists()


async def test_a_stop_withdraws_the_video_at_a_second_reprise(live: Live, tmp_path: Path, recipe: Recipe) -> None:
    renderer = UpstreamRenderer(SERVED, live.url, "", tmp_path / "fetched")
    stop = threading.Event()

    def told(progress: Progress) -> None:
        if progress.percent > 0:
            stop.set()

    with pytest.raises(RenderStopped):
        await renderer.render([RenderOrder("a long one", replace(recipe, steps=100), 7)], told, stop)
    assert (await one(renderer, recipe)).video is not None
    await renderer.close()


async def test_what_is_sent(other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    clip = await one(renderer, replace(recipe, negative_prompt="grün"), "ein Würfel")
    assert clip.video is not None
    assert clip.video.read_bytes() == video
    line, headers, body = other.asked[0]
    assert line == "POST /v1/videos"
    assert headers["Content-Type"].startswith("multipart/form-data")
    sent = dict(part.split("\r\n\r\n", 1) for part in body.decode().split("--")[1:-1] if "\r\n\r\n" in part)
    fields = {head.split('name="')[1].split('"')[0]: text.strip() for head, text in sent.items()}
    assert fields == {
        "prompt": "ein Würfel", "model": "reprise-demo", "size": "128x128", "seconds": "2", "seed": "7", "steps": "2",
        "guidance_scale": "5.0", "negative_prompt": "grün",
    }  # fmt: skip
    assert {headers["Authorization"] for _, headers, _ in other.asked} == {"Bearer the-key"}


async def test_progress_is_passed_on_and_never_goes_back(other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    steps = iter([("queued", 0), ("in_progress", 40), ("in_progress", 20), ("in_progress", "?"), ("in_progress", 80), ("completed", 100)])

    def polled() -> Other.Said:
        status, progress = next(steps)
        return 200, {"openai-poll-after-ms": "1"}, json.dumps({"id": "video_1", "status": status, "progress": progress}).encode()

    other.answers["GET /v1/videos/video_1"] = polled
    told: list[Progress] = []
    await renderer.render([RenderOrder("x", recipe, 1)], told.append, threading.Event())
    assert [said.percent for said in told] == [0, 0, 38, 38, 38, 76, 95]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_full_upstream_is_asked_again(
    other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes, status: int, times: int
) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    left = [times]

    def created() -> Other.Said:
        left[0] -= 1
        full = left[0] >= 0
        return (status, {"Retry-After": "0"}, b"{}") if full else (200, {}, b'{"id": "video_1", "status": "completed"}')

    other.answers["POST /v1/videos"] = created
    renderer = UpstreamRenderer(SERVED, other.url, "", renderer._folder, Patience(whole=20, away=10))
    assert (await one(renderer, recipe)).video is not None
    keys = {headers["Idempotency-Key"] for line, headers, _ in other.asked if line.startswith("POST")}
    assert len(keys) == 1
    await renderer.close()


async def test_polling_survives_a_hiccup(other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    polls: Iterator[Other.Said] = iter([(502, {}, b"<html>"), (200, {}, b'{"id": "video_1", "status": "completed"}')])
    other.answers["GET /v1/videos/video_1"] = lambda: next(polls)
    assert (await one(renderer, recipe)).video is not None


@pytest.mark.parametrize(
    ("path", "said", "code"),
    [
        ("POST /v1/videos", (400, {}, b'{"error": {"message": "no such size"}}'), "upstream_refused"),
        ("POST /v1/videos", (401, {}, b""), "upstream_refused"),
        ("POST /v1/videos", (200, {}, b"<html>"), "upstream_failed"),
        ("POST /v1/videos", (200, {}, b"[]"), "upstream_failed"),
        ("POST /v1/videos", (200, {}, b"[" * 100_000), "upstream_failed"),
        ("POST /v1/videos", (200, {}, b'{"status": "queued"}'), "upstream_failed"),
        ("POST /v1/videos", (200, {}, b'{"id": "..", "status": "queued"}'), "upstream_failed"),
        ("POST /v1/videos", (200, {}, b'{"id": "a", "x": "' + b"x" * 2_000_000 + b'"}'), "upstream_failed"),
        ("POST /v1/videos", (307, {"Location": "http://127.0.0.1:1/"}, b""), "upstream_refused"),
        ("GET /v1/videos/video_1", (200, {}, b'{"status": "failed", "error": {"message": "too hot"}}'), "upstream_failed"),
        ("GET /v1/videos/video_1", (200, {}, b'{"status": "cancelled"}'), "upstream_failed"),
        ("GET /v1/videos/video_1", (403, {}, b"{}"), "upstream_refused"),
        ("GET /v1/videos/video_1", (404, {}, b"{}"), "upstream_forgot"),
        ("GET /v1/videos/video_1/content", (404, {}, b"{}"), "upstream_refused"),
        ("GET /v1/videos/video_1/content", (200, {}, b"no video"), "invalid_video"),
        ("GET /v1/videos/video_1/content", (200, {"Content-Length": "1000"}, b"cut"), "upstream_away"),
    ],
)  # fmt: skip
async def test_what_it_says_wrong_fails_the_clip_only(
    other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes, path: str, said: Other.Said, code: str
) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    good, other.answers[path] = other.answers[path], said
    with pytest.raises(RenderFailed) as told:
        await one(renderer, recipe)
    assert told.value.code == code
    # A video that will never be finished is withdrawn, where it was begun; a finished one is not.
    assert ("DELETE" in other.kinds()) == (path == "GET /v1/videos/video_1")
    other.answers[path] = good
    assert (await one(renderer, recipe)).video is not None


async def test_an_id_leads_nowhere_else(other: Other, renderer: UpstreamRenderer, recipe: Recipe) -> None:
    other.says("POST /v1/videos", id="../../admin", status="queued")
    with pytest.raises(RenderFailed):
        await one(renderer, recipe)
    assert {line.split(" ")[1] for line, _, _ in other.asked} == {"/v1/videos", "/v1/videos/..%2F..%2Fadmin"}


async def test_a_video_over_the_limit(other: Other, recipe: Recipe, video: bytes, tmp_path: Path) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    renderer = UpstreamRenderer(SERVED, other.url, "", tmp_path / "fetched", SHORT, video_limit=len(video) - 1)
    with pytest.raises(RenderFailed) as told:
        await one(renderer, recipe)
    assert told.value.code == "invalid_video"
    await renderer.close()


@pytest.mark.parametrize("change", [{"width": 64}, {"frames": 33}])
async def test_another_video_than_was_asked_for(
    other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes, change: dict[str, int]
) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    with pytest.raises(RenderFailed) as told:
        await one(renderer, replace(recipe, **change))  # type: ignore[arg-type]  # fields by name
    assert told.value.code == "upstream_mismatch"


async def test_a_frame_more_is_noted(other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    clip = await one(renderer, replace(recipe, frames=16))
    assert clip.notes == ("the upstream made 17 frames at 8 fps, not 16 at 8",)


async def test_redirects_lead_to_public_addresses_only(other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes) -> None:
    secret = Other()
    secret.answers["GET /video"] = (200, {}, video)
    port = secret.url.rpartition(":")[2]
    near = [f"http://127.0.0.1:{port}/video", f"http://localhost:{port}/video", f"http://[::1]:{port}/video", f"//127.0.0.1:{port}/video"]
    strange = ["file:///etc/passwd", "http://169.254.169.254/latest", "http://10.0.0.1/", "ftp://example.com/", "http://", "http://[x"]
    for location in near + strange:
        other.answers["GET /v1/videos/video_1/content"] = (302, {"Location": location}, b"")
        with pytest.raises(RenderFailed) as told:
            await one(renderer, recipe)
        assert told.value.code in {"upstream_failed", "upstream_away"}, location
    assert secret.asked == []
    secret.close()


async def test_redirects_within_the_upstream_are_followed_a_few_times(
    other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes
) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (302, {"Location": "/video"}, b"")
    other.answers["GET /video"] = (200, {}, video)
    assert (await one(renderer, recipe)).video is not None
    other.answers["GET /video"] = (302, {"Location": "/video"}, b"")
    with pytest.raises(RenderFailed, match="more than"):
        await one(renderer, recipe)


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.1.1"),
    *("::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


async def test_a_clip_that_never_comes(other: Other, recipe: Recipe, tmp_path: Path) -> None:
    other.says("GET /v1/videos/video_1", id="video_1", status="in_progress", said_headers={"openai-poll-after-ms": "100"})
    renderer = UpstreamRenderer(SERVED, other.url, "", tmp_path / "fetched", replace(SHORT, whole=1.0))
    start = time.monotonic()
    with pytest.raises(RenderFailed) as told:
        await one(renderer, recipe)
    assert told.value.code == "upstream_timeout"
    assert time.monotonic() - start < 5
    assert other.kinds()[-1] == "DELETE"
    await renderer.close()


async def test_an_upstream_that_is_away(recipe: Recipe, tmp_path: Path) -> None:
    renderer = UpstreamRenderer(SERVED, "http://127.0.0.1:1", "", tmp_path / "fetched", replace(SHORT, away=0.5))
    with pytest.raises(RenderFailed) as told:
        await one(renderer, recipe)
    assert told.value.code == "upstream_away"
    await renderer.close()


async def test_whoever_waits_may_be_cancelled(other: Other, renderer: UpstreamRenderer, recipe: Recipe) -> None:
    other.says("GET /v1/videos/video_1", id="video_1", status="in_progress")
    waiting = asyncio.create_task(one(renderer, recipe))
    while "GET" not in other.kinds():  # noqa: ASYNC110  # another thread's list
        await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert other.kinds()[-1] == "DELETE"


async def test_only_the_newest_videos_are_kept(other: Other, renderer: UpstreamRenderer, recipe: Recipe, video: bytes) -> None:
    other.answers["GET /v1/videos/video_1/content"] = (200, {}, video)
    other.says("POST /v1/videos", id="video_1", status="completed")
    made = [await one(renderer, recipe) for _ in range(6)]
    assert [clip.video is not None and clip.video.exists() for clip in made] == [False, False, True, True, True, True]


async def test_a_video_in_another_codec_is_encoded_anew(tmp_path: Path) -> None:
    import av

    strange = tmp_path / "strange.mp4"
    with av.open(str(strange), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for at in range(9):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * at, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    before, after = await probe(strange), await probe((await adopt_video(strange, tmp_path)).video)
    assert (before.codec, after.codec, after.pix_fmt, after.faststart) == ("mpeg4", "h264", "yuv420p", True)
    assert (after.frames, after.fps) == (before.frames, before.fps) == (9, 8)


@pytest.mark.parametrize("url", ["", "upstream", "ftp://upstream/v1", "file:///v1"])
async def test_urls_that_name_no_upstream(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="upstream's URL"):
        UpstreamRenderer(SERVED, url, "", tmp_path)


def test_the_upstream_model(tmp_path: Path) -> None:
    assert SERVED.row == DEMO.undistilled
    assert find_upstream_model(WAN_TI2V_5B.name, "", "http://u").row == WAN_TI2V_5B
    row = tmp_path / "row.json"
    steps = {"draft": 1, "standard": 1, "final": 1}
    fields = {
        "name": "theirs",
        "sizes": [[64, 64]],
        "default_seconds": 1,
        "longest_seconds": 1,
        "fps": 8,
        "guidance": 1.0,
        "flow_shift": 3.0,
    }
    row.write_text(json.dumps(fields | {"steps": steps, "max_sequence_length": 1, "negative_prompt": ""}))
    ours = find_upstream_model(str(row), "", "http://u", ("sora-2",))
    assert (ours.name, ours.renderer, ours.aliases) == ("theirs", "upstream", ("sora-2",))
    revisions = {find_upstream_model("reprise-demo", revision, url).revision for revision in ("", "2") for url in ("http://a", "http://b")}
    assert len(revisions) == 4
    for name in ("", "nobody", str(tmp_path / "none.json")):
        with pytest.raises(RenderFailed):
            find_upstream_model(name, "", "http://u")
