"""Event streams through the front door: a real render, told as it goes."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx

from tests.conftest import StartServer
from tests.live import PATIENCE, Live

STEPS = 30


def follow(live: Live, video_id: str) -> list[tuple[str, dict[str, Any]]]:
    """All events of a stream, to its end."""
    found, name = [], ""
    with httpx.stream("GET", f"{live.url}/v1/videos/{video_id}/events", timeout=PATIENCE) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        for line in answer.iter_lines():
            kind, _, value = line.partition(": ")
            if kind == "event":
                name = value
            elif kind == "data":
                found.append((name, json.loads(value)))
    return found


def test_a_render_is_told_to_its_end(live: Live) -> None:
    video = live.post("a red ball that is followed", steps=STEPS, seconds=2)
    told = follow(live, video["id"])
    assert [name for name, _ in told[:-1]] == ["video.progress"] * (len(told) - 1)
    assert told[-1] == ("video.completed", live.get(video["id"]))
    progress = [one["progress"] for _, one in told]
    assert progress == sorted(progress)
    assert len(set(progress)) > 2, "it was told while it was made"
    assert httpx.get(told[-1][1]["reprise"]["url"], timeout=PATIENCE).status_code == 200


def test_a_cancel_is_told_at_once(live: Live) -> None:
    video = live.post("a red cube that is followed", steps=100, seconds=2)
    told: list[tuple[str, dict[str, Any]]] = []
    follower = threading.Thread(target=lambda: told.extend(follow(live, video["id"])))
    follower.start()
    httpx.post(f"{live.url}/v1/videos/{video['id']}/cancel", timeout=PATIENCE)
    follower.join(PATIENCE)
    assert (told[-1][0], told[-1][1]["error"]["code"]) == ("video.failed", "cancelled")


def test_a_stream_does_not_keep_the_server_from_stopping(start: StartServer) -> None:
    """Whole calls get twenty seconds to end; a stream would use all of them."""
    live = start(stop_grace_seconds=0)
    live.post("a red star for a while", steps=100, seconds=2)
    video = live.post("a blue star behind it", steps=100, seconds=2)
    begun = threading.Event()

    def read() -> None:
        with httpx.stream("GET", f"{live.url}/v1/videos/{video['id']}/events", timeout=PATIENCE) as answer:
            for line in answer.iter_lines():
                if line.startswith("data"):
                    begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(PATIENCE)
    asked = time.monotonic()
    live.stop()
    reader.join(PATIENCE)
    assert not reader.is_alive()
    assert time.monotonic() - asked < 15
