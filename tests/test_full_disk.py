"""A data folder whose disk is full, at rest and in the middle of a render: a small disk of its own, which the test fills up."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import PATIENCE, Live

pytestmark = pytest.mark.timeout(600)

SIZE = 48  # MB
STEPS = 2
SLOW = 100  # steps: some seconds
MOST = 500  # videos whose rows cannot fit into what the database's log, 4 MB, may hold already


class Disk:
    """A tmpfs that only the server sees, since it is mounted in a namespace of its own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self._place = folder / "disk"
        self._place.mkdir()
        self.live = Live(folder, model, data_dir=self._place, min_free_gb=0)
        rights = () if os.geteuid() == 0 else ("--map-root-user",)
        mount = f'mount -t tmpfs -o size={SIZE}m tmpfs "$0" && exec "$@"'
        self.live.before = ("unshare", "--mount", *rights, "sh", "-c", mount, str(self._place))

    @property
    def _filler(self) -> Path:
        return Path(f"/proc/{self.live.pid}/root{self._place}/filler")

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def empty(self) -> None:
        self._filler.unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Disk]:
    found = Disk(tmp_path_factory.mktemp("full"), tiny_model)
    found.live.start()
    yield found
    found.live.close()


def within(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.05)


def notes(live: Live) -> dict[str, str | None]:
    parts = httpx.get(f"{live.url}/health/ready", timeout=PATIENCE).json()["parts"]
    return {name: part.get("note") for name, part in parts.items()}


def until_refused(live: Live) -> tuple[list[dict[str, Any]], httpx.Response]:
    """The videos that were accepted, and the first answer that was none: the database's log may have had room for some."""
    accepted = list[dict[str, Any]]()
    for n in range(MOST):
        answer = httpx.post(f"{live.url}/v1/videos", json={"prompt": f"ball {n}", "steps": STEPS}, timeout=PATIENCE)
        if answer.status_code != 200:
            return accepted, answer
        accepted.append(answer.json())
    raise AssertionError(f"{MOST} videos were accepted on a full disk")


def test_at_rest_it_is_said_and_nothing_is_lost(disk: Disk) -> None:
    live = disk.live
    made = live.made("a red ball", steps=STEPS)
    within(PATIENCE, lambda: set(notes(live).values()) == {None})
    disk.fill()
    try:
        accepted, refusal = until_refused(live)
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (503, "disk_full")
        told = notes(live)
        assert (told["disk"], told["store"]) == ("disk_full", "disk_full")
        assert live.content(made["id"])[4:8] == b"ftyp", "what is there is still sent"
        assert "database or disk is full" in live.log.read_text()
    finally:
        disk.empty()
    within(PATIENCE, lambda: live.made("a red ball", steps=STEPS)["reprise"]["verdict"] == "exact")
    within(PATIENCE, lambda: set(notes(live).values()) == {None})
    assert "the database answers again" in live.log.read_text()
    for video in accepted:
        assert live.finished(live.get(video["id"]))["status"] == "completed", "what has an id is made"


def test_a_render_that_finds_the_disk_full_waits_and_is_not_made_again(disk: Disk) -> None:
    live = disk.live
    before = live.renders()
    video = live.post("a green ring turns", steps=SLOW)
    within(PATIENCE, lambda: live.get(video["id"])["status"] == "in_progress")
    disk.fill()
    try:
        within(PATIENCE, lambda: "a finished render waits" in live.log.read_text())
        assert "is full" in live.log.read_text().split("a finished render waits")[1]
    finally:
        disk.empty()
    assert live.finished(video)["status"] == "completed"
    assert live.renders() == before + 1
    assert live.log.read_text().count('"render started"') == live.renders(), "each was rendered once"
