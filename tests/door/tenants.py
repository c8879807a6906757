"""Tenants of one live server: each a client with a key of its own."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.door.test_keys import bearer, new_key
from tests.live import PATIENCE, Live

STEPS = 4


class Tenant:
    def __init__(self, live: Live, name: str, *options: str) -> None:
        self.name = name
        self.client = httpx.Client(base_url=live.url, headers=bearer(new_key(live, "--tenant", name, *options)), timeout=PATIENCE)

    def post(self, prompt: str, *, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
        return self.client.post("/v1/videos", json={"prompt": prompt, "steps": STEPS, **fields}, headers=headers)

    def ask(self, prompt: str, *, headers: dict[str, str] | None = None, **fields: object) -> dict[str, Any]:
        """The finished video."""
        answer = self.post(prompt, headers={"Prefer": "wait=30", **(headers or {})}, **fields)
        assert answer.status_code == 200, answer.text
        video: dict[str, Any] = answer.json()
        until = time.monotonic() + PATIENCE
        while video["status"] in {"queued", "in_progress"}:
            assert time.monotonic() < until
            time.sleep(0.05)
            video = self.client.get(f"/v1/videos/{video['id']}").json()
        return video

    def spec(self, video: dict[str, Any]) -> bytes:
        answer = self.client.get(f"/v1/videos/{video['id']}/content")
        assert answer.status_code == 200, answer.text
        return answer.content

    def close(self) -> None:
        self.client.close()
