"""What a client is told of a video, in every state that one can be in."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from cache.assist import Assistance, Start
from cache.clip import Clip
from cache.request import Request
from cache.verdict import Refusal, VerdictWord
from gateway.answering.ask import Answered
from gateway.http.headers import cache_status, found_headers, poll_headers
from gateway.http.video_objects import length_text, video_object, video_page
from gateway.http.wire import encode_json
from generator.job import Job, JobState
from tests.http.memory import RECIPE, ask_of, job_of, request_of

NOW = 1_700_000_000.9
WIDE = replace(RECIPE, width=64, height=64, frames=9)


def request(verdict: VerdictWord = "miss", **changes: Any) -> Request:
    return replace(request_of(ask_of()), verdict=verdict, created_at=NOW, **changes)


def clip(**changes: Any) -> Clip:
    key, stages = "clip_" + "0" * 32, {"queue": 3.4, "denoise": 4100.2}
    made = Clip(key, "local", "s", "v", "f", "a red kite", RECIPE, 7, 3, "live", 1, NOW - 532, None, 6.21049, {}, stages)
    return replace(made, **changes)


def job(**changes: Any) -> Job:
    return job_of(ask_of(), **changes)


def hit(verdict: VerdictWord = "exact", **changes: Any) -> Answered:
    return Answered(
        request(verdict, clip_id=clip().id, completed_at=NOW, gpu_seconds_saved=6.21049, **changes), clip(), matched_prompt="a red kite"
    )


def told(answered: Answered) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(encode_json(video_object(answered)))
    return read


def test_the_object_has_the_contracts_fields_in_order() -> None:
    shown = told(hit("near", similarity=0.93412345, confidence=0.991, refused=(Refusal("camera direction: left / right", 0.97),)))
    ours = shown.pop("reprise")
    assert shown == {
        "id": shown["id"],
        "object": "video",
        "created_at": 1_700_000_000,
        "completed_at": 1_700_000_000,
        "expires_at": None,
        "model": "reprise-demo",
        "progress": 100,
        "prompt": "a red kite",
        "remixed_from_video_id": None,
        "seconds": "2.125",
        "size": "128x128",
        "status": "completed",
        "error": None,
        "user": None,
        "metadata": None,
    }
    assert list(ours.items()) == [
        ("verdict", "near"),
        ("similarity", 0.9341),
        ("confidence", 0.991),
        ("clip", clip().id),
        ("url", None),
        ("thumbnail_url", None),
        ("preview_url", None),
        ("matched_prompt", "a red kite"),
        ("age_seconds", 532),
        ("picture", None),
        ("take", 3),
        ("gpu_seconds", 0.0),
        ("gpu_seconds_saved", 6.21),
        ("queue_position", None),
        ("eta_ms", None),
        ("stage", None),
        ("steps_skipped", 0),
        ("assisted", None),
        ("stages_ms", {"queue": 3, "denoise": 4100}),
        ("steps_ms", []),
        ("peak_memory_gb", None),
        ("refused", [{"similarity": 0.97, "reason": "camera direction: left / right", "clip": None}]),
        ("notes", []),
    ]


@pytest.mark.parametrize(
    ("answered", "status", "progress", "code"),
    [
        (Answered(request()), "queued", 0, None),
        (Answered(request(), job=job()), "queued", 0, None),
        (Answered(request(), job=job(progress=40)), "queued", 40, None),
        (Answered(request(), job=job(state=JobState.LEASED, progress=40)), "in_progress", 40, None),
        (Answered(request(), job=job(state=JobState.LEASED, progress=100)), "in_progress", 99, None),
        (Answered(request(), job=job(state=JobState.DONE, progress=100)), "in_progress", 99, None),
        (Answered(request(), job=job(state=JobState.FAILED, progress=60, error_code="out_of_memory")), "failed", 60, "out_of_memory"),
        (Answered(request(), job=job(state=JobState.CANCELLED)), "failed", 0, "cancelled"),
        (Answered(request(error_code="cancelled")), "failed", 0, "cancelled"),
        (Answered(request(clip_id=clip().id)), "completed", 100, None),
        (Answered(request(clip_id=clip().id, error_code="x"), clip()), "completed", 100, None),
    ],
)
def test_status(answered: Answered, status: str, progress: int, code: str | None) -> None:
    shown = told(answered)
    assert (shown["status"], shown["progress"]) == (status, progress)
    assert (shown["error"] and shown["error"]["code"]) == code
    assert code is None or shown["error"]["message"]


def test_a_smaller_clip_tells_its_own_size_and_length() -> None:
    shown = told(Answered(request(clip_id=clip().id), clip(recipe=WIDE, notes=("made smaller: out of memory",))))
    assert (shown["size"], shown["seconds"]) == ("64x64", "1.125")
    assert shown["reprise"]["notes"] == ["made smaller: out of memory"]


@pytest.mark.parametrize(("verdict", "seconds"), [("miss", 6.21), ("bypass", 6.21), ("joined", 0.0), ("exact", 0.0), ("near", 0.0)])
def test_the_cost_of_a_render_is_told_once(verdict: VerdictWord, seconds: float) -> None:
    assert told(Answered(request(verdict, clip_id=clip().id), clip()))["reprise"]["gpu_seconds"] == seconds


def test_an_assisted_clip_says_what_it_was_started_from_and_a_pooled_one_nothing() -> None:
    asked, donor = request("bypass", clip_id=clip().id), "clip_" + "1" * 32
    own = clip(scope=asked.scope, assistance=Assistance(Start(donor, 0.9643, "take"), 2, 409.6))
    shown = told(Answered(asked, own, donor_prompt="a red kite"))["reprise"]
    assert shown["assisted"] == {"from": donor, "kind": "take", "prompt": "a red kite", "steps_skipped": 2, "saved_ms": 410}
    assert shown["steps_skipped"] == 2
    pooled = told(Answered(asked, replace(own, scope="tenant:acme"), donor_prompt="another's words"))["reprise"]
    assert (pooled["assisted"], pooled["steps_skipped"]) == (None, 0)


def test_an_erased_prompt_and_an_expiry() -> None:
    shown = told(Answered(request(prompt=None, expires_at=NOW + 5)))
    assert (shown["prompt"], shown["expires_at"]) == (None, 1_700_000_005)


@pytest.mark.parametrize(("seconds", "text"), [(2.125, "2.125"), (5.0, "5"), (121 / 24, "5.042"), (0.5, "0.5"), (10.0, "10")])
def test_lengths(seconds: float, text: str) -> None:
    assert length_text(seconds) == text


@pytest.mark.parametrize(
    ("answered", "header"),
    [
        (hit("exact"), b"Reprise; hit; detail=exact"),
        (hit("near"), b"Reprise; hit; detail=near"),
        (Answered(request()), b"Reprise; fwd=miss"),
        (Answered(request(clip_id="c"), clip(), waited=True), b"Reprise; fwd=miss; stored"),
        (Answered(request(clip_id="c", no_store=True), clip(), waited=True), b"Reprise; fwd=miss"),
        (Answered(request(error_code="render_failed"), waited=True), b"Reprise; fwd=miss"),
        (Answered(request("joined"), collapsed=True), b"Reprise; fwd=miss; collapsed"),
        (Answered(request("joined", clip_id="c"), clip(), collapsed=True, waited=True), b"Reprise; fwd=miss; stored; collapsed"),
        (Answered(request("bypass", reason="no-cache")), b"Reprise; fwd=request"),
        (Answered(request("bypass", reason="no-cache", clip_id="c"), clip(), waited=True), b"Reprise; fwd=request; stored"),
        (Answered(request("bypass", reason="the cache is off")), b"Reprise; fwd=bypass"),
    ],
)
def test_cache_status(answered: Answered, header: bytes) -> None:
    assert cache_status(answered) == header


def test_age_is_told_on_hits_alone() -> None:
    assert (b"age", b"532") in found_headers(hit())
    young = hit("near")
    assert young.clip is not None
    assert (b"age", b"0") in found_headers(replace(young, clip=replace(young.clip, created_at=NOW + 5))), (
        "clocks of two machines may differ"
    )
    assert not [name for name, _ in found_headers(Answered(request(clip_id="c"), clip(), waited=True)) if name == b"age"]


@pytest.mark.parametrize(("eta", "poll"), [(None, b"1000"), (0, b"200"), (1500, b"300"), (6000, b"1200"), (10**9, b"5000")])
def test_when_to_poll(eta: int | None, poll: bytes) -> None:
    assert poll_headers(Answered(request(), job=job(), eta_ms=eta)) == [(b"openai-poll-after-ms", poll)]


def test_nobody_polls_what_is_closed() -> None:
    for closed in (hit(), Answered(request(error_code="cancelled")), Answered(request(), job=job(state=JobState.FAILED))):
        assert poll_headers(closed) == []


def test_pages() -> None:
    empty = json.loads(encode_json(video_page([], False)))
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    answers = [hit(), Answered(request())]
    page = json.loads(encode_json(video_page(answers, True)))
    assert [page["first_id"], page["last_id"]] == [answer.request.id for answer in answers]
    assert page["has_more"]
    assert len(page["data"]) == 2


def test_encoding_is_quick() -> None:
    answered = hit()
    started = time.perf_counter()
    for _ in range(200):
        encode_json(video_object(answered))
    assert (time.perf_counter() - started) / 200 < 0.002, "it takes about 8 µs; this only finds a blunder"
