"""`POST /v1/videos/sync`: bytes, or the id to go on with."""

from __future__ import annotations

from dataclasses import replace

import httpx

from tests.http.memory import Edge


async def test_a_hit_is_its_bytes(edge: Edge, client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/videos/sync", files={"prompt": (None, "a red kite"), "user": (None, "u-1")}, headers={"Range": "bytes=0-3"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.headers["cache-status"] == "Reprise; hit; detail=exact"
    video_id = answer.headers["x-video-id"]
    assert answer.content == (await client.get(f"/v1/videos/{video_id}/content")).content
    assert (await client.get(f"/v1/videos/{video_id}")).json()["user"] == "u-1"
    assert edge.answer.downloads == [video_id, video_id]
    (ask,) = edge.answer.asks
    assert ask.wait == 60.0


async def test_a_wait_that_is_over_names_the_video(edge: Edge, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/videos/sync", json={"prompt": "miss: a red kite"}, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "still_rendering")
    video_id = answer.headers["x-video-id"]
    assert f"/v1/videos/{video_id}" in answer.json()["error"]["message"]
    assert "after 1 s" in answer.json()["error"]["message"]
    assert answer.headers["openai-poll-after-ms"] == "1800"
    assert (await client.get(f"/v1/videos/{video_id}")).json()["status"] == "queued"
    assert edge.answer.asks[0].wait == 1.0


async def test_a_clip_that_could_not_be_made(edge: Edge, client: httpx.AsyncClient) -> None:
    miss = edge.answer._miss

    async def fails(ask: object) -> object:
        answered = await miss(ask)  # type: ignore[arg-type]
        return replace(answered, request=replace(answered.request, error_code="out_of_memory", error_message="too large"), job=None)

    edge.answer._miss = fails  # type: ignore[method-assign, assignment]
    answer = await client.post("/v1/videos/sync", json={"prompt": "miss: a red kite"})
    del edge.answer._miss
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == (502, "out_of_memory", "too large")
    assert answer.headers["x-video-id"].startswith("video_")


async def test_bad_input_is_refused_as_elsewhere(edge: Edge, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/videos/sync", json={"prompt": "a", "fps": 16})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "fps")
    assert (await client.get("/v1/videos/sync")).status_code == 405
    assert edge.answer.asks == []
