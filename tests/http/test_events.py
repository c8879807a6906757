"""Event streams over a small answer: what is sent, when it ends, and what it is bounded by."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from cache.errors import DatabaseAway, NotFound
from gateway.api.events import Events
from gateway.auth.access import LOCAL
from generator.job import JobState
from tests.http.memory import LINKS, Edge


async def opened(edge: Edge, client: httpx.AsyncClient) -> str:
    made = await client.post("/v1/videos", json={"prompt": "miss: a red kite"})
    return str(made.json()["id"])


def progressed(edge: Edge, video_id: str, percent: int) -> Any:
    answered = edge.answer.videos[video_id]
    assert answered.job is not None
    return replace(answered, job=replace(answered.job, state=JobState.LEASED, progress=percent), eta_ms=None)


def completed(edge: Edge, video_id: str) -> Any:
    answered = edge.answer.videos[video_id]
    return replace(answered, job=None, request=replace(answered.request, clip_id="clip_" + "0" * 32))


def events_of(body: str) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for block in body.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], lines["id"], json.loads(lines["data"])))
    return found


async def test_a_stream_tells_each_change_and_ends(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await opened(edge, client)
    edge.answer.coming = [progressed(edge, video_id, 10), progressed(edge, video_id, 10), progressed(edge, video_id, 60)]
    edge.answer.coming.append(completed(edge, video_id))
    answer = await client.get(f"/v1/videos/{video_id}/events")
    assert answer.headers["content-type"] == "text/event-stream"
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    assert answer.text.startswith("retry: 1000\n\n")
    told = events_of(answer.text)
    assert [(name, event_id, video["progress"]) for name, event_id, video in told] == [
        ("video.progress", "1", 0),
        ("video.progress", "2", 10),
        ("video.progress", "3", 60),
        ("video.completed", "end", 100),
    ]
    assert told[-1][2] == (await client.get(f"/v1/videos/{video_id}")).json()


@pytest.mark.parametrize(("last", "status"), [("end", 204), ("3", 200), ("é", 200), ("x" * 5000, 200)])
async def test_a_finished_video_is_one_event_and_whoever_had_it_is_done(
    edge: Edge, client: httpx.AsyncClient, last: str, status: int
) -> None:
    video_id = str((await client.post("/v1/videos", json={"prompt": "a red kite"})).json()["id"])
    answer = await client.get(f"/v1/videos/{video_id}/events", headers=[(b"Last-Event-ID", last.encode())])
    assert answer.status_code == status
    assert [name for name, _, _ in events_of(answer.text)] == ([] if status == 204 else ["video.completed"])


async def test_an_open_video_is_followed_whatever_was_last(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await opened(edge, client)
    edge.answer.coming = [completed(edge, video_id)]
    answer = await client.get(f"/v1/videos/{video_id}/events", headers={"Last-Event-ID": "end"})
    assert [name for name, _, _ in events_of(answer.text)] == ["video.progress", "video.completed"]


async def test_a_cancelled_video_fails(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await opened(edge, client)
    await client.post(f"/v1/videos/{video_id}/cancel")
    ((name, _, video),) = events_of((await client.get(f"/v1/videos/{video_id}/events")).text)
    assert (name, video["error"]["code"]) == ("video.failed", "cancelled")


async def test_silence_is_broken_and_life_is_bounded() -> None:
    edge = Edge(life=0.5)
    async with edge.client() as client:
        video_id = await opened(edge, client)
        text = (await client.get(f"/v1/videos/{video_id}/events")).text
    assert [name for name, _, _ in events_of(text)] == ["video.progress"], "nothing changed, and the stream ended"
    assert ": nothing changed\n\n" in text


async def test_an_absent_database_interrupts_nothing(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await opened(edge, client)
    edge.answer.coming = [DatabaseAway("away"), completed(edge, video_id)]
    names = [name for name, _, _ in events_of((await client.get(f"/v1/videos/{video_id}/events")).text)]
    assert names == ["video.progress", "video.completed"]


async def test_the_stream_of_a_deleted_video_ends(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await opened(edge, client)
    edge.answer.coming = [progressed(edge, video_id, 10), NotFound("it was deleted")]
    assert len(events_of((await client.get(f"/v1/videos/{video_id}/events")).text)) == 2


@pytest.mark.parametrize("video_id", ["video_" + "0" * 32, "x"])
async def test_an_unknown_video(client: httpx.AsyncClient, video_id: str) -> None:
    assert (await client.get(f"/v1/videos/{video_id}/events")).status_code == 404


async def test_one_caller_follows_so_many_at_a_time(edge: Edge, client: httpx.AsyncClient) -> None:
    """The edge of tests allows two."""
    video_id = await opened(edge, client)
    streams = [asyncio.ensure_future(client.get(f"/v1/videos/{video_id}/events")) for _ in range(2)]
    while edge.events.count(LOCAL) < 2:  # noqa: ASYNC110  # nobody is told of it
        await asyncio.sleep(0.01)
    refused = await client.get(f"/v1/videos/{video_id}/events")
    assert (refused.status_code, refused.json()["error"]["code"], refused.headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
    edge.answer.coming = [completed(edge, video_id)]
    await asyncio.gather(*streams)
    assert edge.events.count(LOCAL) == 0


async def test_who_leaves_makes_room_and_a_process_that_stops_ends_all() -> None:
    edge = Edge()
    async with edge.client() as client:
        video_id = await opened(edge, client)
    events = Events(edge.answer, LINKS, most=2)
    scope: Any = {"type": "http", "method": "GET", "scheme": "http", "headers": [(b"host", b"localhost")], "path": "/", "user": LOCAL}
    left, sent = asyncio.Event(), asyncio.Event()

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.set()

    async def stream() -> None:
        from litestar import Request

        await (await events.events(Request(scope), video_id))(scope, receive, send)

    running = asyncio.ensure_future(stream())
    await sent.wait()
    left.set()
    await running
    assert events.count(LOCAL) == 0
    left.clear()
    running = asyncio.ensure_future(stream())
    while not events.count(LOCAL):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    events.end()
    await running
    assert events.count(LOCAL) == 0
