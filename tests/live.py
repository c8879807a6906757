"""A real server process, started and stopped by its own process id, and a client for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.nursery import Born, Nursery, SharedNursery

READY = "Reprise is ready at "
NO_WARM_UP = '{"warm_up": "off"}'
PATIENCE = 150.0  # seconds; two slow and busy cores may run several of these at once


class Live:
    """`kill` is kill -9; `stop` is SIGTERM. `start` after either goes on with the same data folder."""

    command, ready = "serve", READY
    before: tuple[str, ...] = ()  # what runs the server's own command: then it starts afresh
    program: tuple[str, ...] = (sys.executable, "-m", "gateway.cli")
    nursery: ClassVar[Nursery | SharedNursery | None] = None  # None: each starts afresh

    def __init__(self, folder: Path, model: Path, **settings: object) -> None:
        self.folder, self._model = folder, model
        self.settings = {name.upper(): str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[str] | Born | None = None
        self.url = ""

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self) -> Live:
        assert self._process is None, "it runs already"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
        ours = {"DATA_DIR": str(self.folder), "PORT": "0", "MODEL": str(self._model), **self.settings}
        environment |= {f"REPRISE_{name}": value for name, value in ours.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            if Live.nursery is not None and not self.before:
                self._process = Live.nursery.bear([self.command], environment, log)
            else:
                self._process = subprocess.Popen(
                    [*self.before, *self.program, self.command],
                    env=environment,
                    text=True,
                    stdout=subprocess.PIPE,
                    stderr=log,
                )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(self.ready):
                self.url = line.removeprefix(self.ready).strip()
                return self
        raise AssertionError(f"the server ended with {self._process.wait()}:\n{self.log.read_text()[-3000:]}")

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)
        code = self._process.wait(timeout=PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return code

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> int:
        return self.end(signal.SIGTERM)

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self, timeout: float = PATIENCE) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=timeout)

    # What tests do all the time

    def post(self, prompt: str, *, headers: Mapping[str, str] | None = None, **fields: object) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/v1/videos", json={"prompt": prompt, **fields}, headers=headers, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, video_id: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/v1/videos/{video_id}", timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def made(self, prompt: str, *, headers: Mapping[str, str] | None = None, **fields: object) -> dict[str, Any]:
        """The finished video."""
        return self.finished(self.post(prompt, headers={"Prefer": "wait=30", **(headers or {})}, **fields))

    def finished(self, video: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while video["status"] in {"queued", "in_progress"}:
            assert time.monotonic() < until, f"not finished in {PATIENCE} s: {video}"
            time.sleep(0.05)
            video = self.get(video["id"])
        return video

    def content(self, video_id: str, variant: str = "video") -> bytes:
        answer = httpx.get(f"{self.url}/v1/videos/{video_id}/content", params={"variant": variant}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.content

    def renders(self) -> int:
        """How often the model really ran to the end, by the server's own log."""
        return self.log.read_text().count('"clip made"')

    def objects(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "objects" / "clips").rglob("*") if path.is_file())
