"""Clips from servers of the kinds that people run: none of their finished videos is lost, and their reasons arrive."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cache.catalog import DEMO, AskedSettings, ModelRow, ServedModel, resolve
from cache.errors import RenderFailed, UpstreamRefused
from cache.picture import InputPicture, decoded
from cache.recipe import Recipe
from generator.outbound import Patience
from generator.renderer import Rendered, RenderOrder
from generator.upstream import FIELDS, UpstreamRenderer
from generator.upstream_answers import UpstreamState, addresses, path_of, reason, state_of
from tests.upstreams import Bucket, LiteLlm, Said, Sglang, TheirJob, TheirServer, VllmOmni, mp4, said

SHORT = Patience(whole=20.0, away=2.0, content=5.0, missing=1.0, unknown=0.5, connect=3.0, read=3.0)
NEIGHBOURS = {"steps": "num_inference_steps", "guidance": "guidance_scale", "frames": "num_frames", "fps": "fps"}
ROW = replace(DEMO, sizes=((64, 48),), longest_seconds=4)
KINDS: tuple[tuple[type[TheirServer], dict[str, str]], ...] = ((VllmOmni, NEIGHBOURS), (Sglang, NEIGHBOURS), (LiteLlm, dict(FIELDS)))


@pytest.fixture(params=KINDS, ids=lambda kind: kind[0].__name__)
def kind(request: pytest.FixtureRequest) -> Iterator[tuple[TheirServer, dict[str, str]]]:
    server = request.param[0]()
    yield server, request.param[1]
    server.close()


@pytest.fixture
def theirs(kind: tuple[TheirServer, dict[str, str]]) -> TheirServer:
    return kind[0]


@pytest.fixture
async def renderer(kind: tuple[TheirServer, dict[str, str]], tmp_path: Path) -> AsyncIterator[UpstreamRenderer]:
    renderer = at(kind[0], tmp_path, kind[1])
    yield renderer
    await renderer.close()


@pytest.fixture
def sglang() -> Iterator[Sglang]:
    server = Sglang()
    yield server
    server.close()


@pytest.fixture
def omni() -> Iterator[VllmOmni]:
    server = VllmOmni()
    yield server
    server.close()


def at(server: TheirServer, folder: Path, fields: dict[str, str] = NEIGHBOURS, row: ModelRow = ROW) -> UpstreamRenderer:
    """A renderer that may fetch from this machine, as it may from public addresses."""
    served = ServedModel(row, "r", "upstream")
    return UpstreamRenderer(served, server.url, "the-key", folder / "fetched", SHORT, fields=fields, allowed=lambda address: True)


def recipe(**asked: object) -> Recipe:
    return resolve(ServedModel(ROW, "r", "upstream"), AskedSettings(**{"steps": 4, **asked}))  # type: ignore[arg-type]  # fields by name


def return_it(address: str, _: TheirJob) -> str:
    return address


async def one(renderer: UpstreamRenderer, order: RenderOrder | None = None) -> Rendered:
    return (await renderer.render([order or RenderOrder("a red circle", recipe(), 7)], lambda _: None, threading.Event()))[0]


async def test_each_renders_what_was_ordered(theirs: TheirServer, renderer: UpstreamRenderer) -> None:
    clip = await one(renderer)
    assert clip.video is not None
    assert clip.video.read_bytes() == mp4(64, 48, 17, 8)
    assert clip.notes == ()
    (asked,) = theirs.asked
    assert (asked["prompt"], asked["model"], asked["size"], asked["seed"]) == ("a red circle", "reprise-demo", "64x48", "7")
    assert ("num_frames" in asked, "seconds" in asked) == ((True, False) if "num_inference_steps" in asked else (False, True))
    assert theirs.made("DELETE") == []
    assert {headers["authorization"] for headers in theirs.headers} == {"Bearer the-key"}


FAULTS = [
    *(said(status, detail="later") for status in (429, 500, 502, 503, 504)),
    said(404, detail="Generation is still in-progress"),
    Said(503, b"<html>", "text/html", {"Retry-After": "0"}),
    Said(200, mp4(64, 48, 17, 8), "video/mp4", cut=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
async def test_a_finished_video_survives_what_goes_wrong_at_its_bytes(omni: VllmOmni, tmp_path: Path, fault: Said) -> None:
    renderer = at(omni, tmp_path)
    omni.next_content = [fault]
    clip = await one(renderer)
    assert clip.video is not None
    assert clip.video.read_bytes() == mp4(64, 48, 17, 8)
    assert (len(omni.made("POST")), omni.made("DELETE")) == (1, [])
    await renderer.close()


async def test_a_finished_video_that_cannot_be_had_stays_there(omni: VllmOmni, tmp_path: Path) -> None:
    renderer = at(omni, tmp_path)
    omni.next_content = [said(502, detail="bad gateway")] * 100
    with pytest.raises(UpstreamRefused, match="502: bad gateway"):
        await one(renderer)
    tried = len(omni.made("GET"))
    assert 4 <= tried <= 12, "with pauses that grow"
    assert omni.made("DELETE") == []
    assert len(omni.jobs) == 1
    await renderer.close()


async def test_a_video_in_cloud_storage_is_fetched_without_our_key(sglang: Sglang, tmp_path: Path) -> None:
    bucket = Bucket(mp4(64, 48, 17, 8))
    renderer = at(sglang, tmp_path)
    sglang.cloud = lambda _: bucket.url
    clip = await one(renderer)
    assert clip.video is not None
    assert clip.video.read_bytes() == mp4(64, 48, 17, 8)
    sglang.cloud = None
    sglang.next_content = [Said(302, b"", headers={"Location": bucket.url})]
    assert (await one(renderer)).video is not None
    assert [headers["authorization"] for headers in bucket.headers] == [None, None]
    assert sglang.made("DELETE") == []
    bucket.close()
    await renderer.close()


async def test_a_url_in_an_answer_leads_to_public_addresses_only(sglang: Sglang, tmp_path: Path) -> None:
    bucket = Bucket(mp4(64, 48, 17, 8))
    renderer = UpstreamRenderer(ServedModel(ROW, "r", "upstream"), sglang.url, "k", tmp_path / "fetched", SHORT, fields=NEIGHBOURS)
    for address in (bucket.url, "http://169.254.169.254/latest", "file:///etc/passwd", "http://[x"):
        sglang.cloud = partial(return_it, address)
        with pytest.raises(RenderFailed, match="leads to"):
            await one(renderer)
    assert bucket.headers == []
    assert len(sglang.jobs) == 4, "finished, so not deleted"
    bucket.close()
    await renderer.close()


async def test_a_server_that_starts_again_is_asked_again_and_then_told_anew(omni: VllmOmni, tmp_path: Path) -> None:
    renderer = at(omni, tmp_path)
    omni.statuses = ("queued", "in_progress", "in_progress", "completed")

    def started_again(method: str) -> None:
        if method == "GET" and len(omni.asked) == 1:
            omni.jobs.clear()

    omni.first = started_again
    assert (await one(renderer)).video is not None
    assert len(omni.made("POST")) == 2
    await renderer.close()


async def test_a_video_that_is_unknown_for_a_moment_is_waited_for(omni: VllmOmni, tmp_path: Path) -> None:
    renderer, away = at(omni, tmp_path), [3]

    def at_first_unknown(method: str) -> Said | None:
        away[0] -= method == "GET"
        return omni.unknown() if method == "GET" and away[0] >= 0 else None

    omni.first = at_first_unknown
    assert (await one(renderer)).video is not None
    assert len(omni.made("POST")) == 1
    await renderer.close()


async def test_a_server_that_always_forgets_fails_the_clip(omni: VllmOmni, tmp_path: Path) -> None:
    renderer = at(omni, tmp_path)
    omni.first = lambda method: omni.unknown() if method == "GET" else None
    with pytest.raises(RenderFailed, match="forgot the video") as told:
        await one(renderer)
    assert (told.value.code, len(omni.made("POST"))) == ("upstream_forgot", 2)
    await renderer.close()


@pytest.mark.parametrize(
    "statuses",
    [("pending", "running", "succeeded"), ("NOT_START", "PROCESSING", "SUCCESS"), ("submitted", "in-progress", "Completed"),
     ("queued", "warming up", "completed")],
)  # fmt: skip
async def test_states_by_other_words(omni: VllmOmni, tmp_path: Path, statuses: tuple[str, ...]) -> None:
    omni.statuses = statuses
    renderer = at(omni, tmp_path)
    assert (await one(renderer)).video is not None
    await renderer.close()


async def test_a_status_that_stays_unknown_is_told(omni: VllmOmni, tmp_path: Path) -> None:
    omni.statuses = ("queued", "contemplating")
    renderer = at(omni, tmp_path)
    with pytest.raises(RenderFailed, match="'contemplating' is not known") as told:
        await one(renderer)
    assert told.value.code == "upstream_failed"
    assert len(omni.made("DELETE")) == 1
    await renderer.close()


@pytest.mark.parametrize("status", ["failed", "error", "cancelled", "canceled", "expired"])
async def test_a_video_that_will_never_be_finished(omni: VllmOmni, tmp_path: Path, status: str) -> None:
    omni.statuses = ("queued", status)
    renderer = at(omni, tmp_path)
    with pytest.raises(RenderFailed, match=status):
        await one(renderer)
    await renderer.close()


async def test_reasons_of_fastapi_arrive(omni: VllmOmni, sglang: Sglang, tmp_path: Path) -> None:
    # By seconds alone: vLLM-Omni knows whole ones.
    renderer = at(omni, tmp_path / "a", dict(FIELDS))
    with pytest.raises(UpstreamRefused, match=r"422: seconds: String should match pattern") as told:
        await one(renderer, RenderOrder("a", recipe(seconds=1.5), 7))
    assert told.value.status == 422
    await renderer.close()
    renderer = at(sglang, tmp_path / "b")
    with pytest.raises(UpstreamRefused, match="400: prompt is required"):
        await one(renderer, RenderOrder("", recipe(), 7))
    await renderer.close()


async def test_long_seeds_are_sent_short_and_the_same_each_time(theirs: TheirServer, renderer: UpstreamRenderer) -> None:
    long = 2**40 + 17
    pinned = await one(renderer, RenderOrder("a", recipe(), long, pinned=True))
    derived = await one(renderer, RenderOrder("a", recipe(), long))
    short = await one(renderer, RenderOrder("a", recipe(), 2**31 - 1, pinned=True))
    assert [asked["seed"] for asked in theirs.asked] == ["17", "17", str(2**31 - 1)]
    assert pinned.notes == (f"the upstream takes seeds of 31 bits: {long} was rendered as 17",)
    assert derived.notes == short.notes == ()


async def test_an_id_that_is_too_long_is_withdrawn(omni: VllmOmni, tmp_path: Path) -> None:
    omni.more = {"id": "x" * 6500}
    renderer = at(omni, tmp_path)
    with pytest.raises(RenderFailed, match="too long"):
        await one(renderer)
    assert omni.made("DELETE") == [f"DELETE /v1/videos/{'x' * 6500}"]
    await renderer.close()


@pytest.mark.parametrize(
    ("named", "path"),
    [("video_a==", "videos/video_a%3D%3D"), ("a/b:c", "videos/a%2Fb%3Ac"), (17, "videos/17"), ("é?#", "videos/%C3%A9%3F%23"),
     ("..", None), ("", None), (None, None), (True, None), (["a"], None)],
)  # fmt: skip
def test_paths_of_ids(named: object, path: str | None) -> None:
    assert path_of({"id": named}) == path


@pytest.mark.parametrize(
    ("answer", "told"),
    [({"error": {"message": "a"}}, "a"), ({"error": "a"}, "a"), ({"message": "a", "object": "error"}, "a"), ({"detail": "a"}, "a"),
     ({"detail": [{"loc": ["body", "size"], "msg": "no"}, {"loc": ["query", 1], "msg": "x"}]}, "size: no; 1: x"),
     ({"detail": {"message": "a"}}, "a"), ({"error": None, "fail_reason": "a"}, "a"), ({"error": {}, "detail": "a"}, "a"),
     ({"error": {"code": 4}}, ""), ([], ""), (None, ""), (7, "")],
)  # fmt: skip
def test_reasons(answer: object, told: str) -> None:
    assert reason(answer) == told
    assert len(reason({"detail": "x" * 10_000})) == 500


def test_addresses_of_finished_videos() -> None:
    assert addresses({"url": "https://a/1", "video_url": None, "output": ["https://a/2", "https://a/3"]}) == ["https://a/1", "https://a/2"]
    assert addresses({"output": {"video_url": "https://a/1"}, "url": "https://a/1"}) == ["https://a/1"]
    assert addresses({"url": 5, "output": [], "video_url": {"x": 1}}) == []


def test_no_status_is_an_unknown_one() -> None:
    assert [state_of(answer) for answer in ({}, {"status": None}, {"status": {"a": 1}})] == [UpstreamState.UNKNOWN] * 3
    assert state_of(json.loads('{"status": "queued"}')) is UpstreamState.OPEN


async def test_each_gets_the_picture_that_the_video_begins_with(theirs: TheirServer, renderer: UpstreamRenderer) -> None:
    picture = InputPicture(64, 48, bytes(64 * 48 * 3))
    order = RenderOrder("a red circle", replace(recipe(), picture=picture.digest), 7, picture=picture.packed())
    assert (await one(renderer, order)).video is not None
    (asked,) = theirs.asked
    assert asked["input_reference"] == picture.packed()
    assert decoded(asked["input_reference"], 64, 48) == picture
    await one(renderer)
    assert "input_reference" not in theirs.asked[-1]
