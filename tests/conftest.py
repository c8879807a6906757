"""What all tests share: the tiny model, and servers that are gone when their test is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import Live
from tests.nursery import Nursery

pytest_plugins = ["tests.databases"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole WanPipeline folder with random weights: half a second a clip."""
    from generator.demo.tiny import make_tiny_folder  # torch, only where a test renders

    return make_tiny_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> Iterator[None]:
    """Servers of tests are forked from one process, which starts with the first of them."""
    Live.nursery = nursery = Nursery()
    yield
    Live.nursery = None
    nursery.close()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("REPRISE_"):
            monkeypatch.delenv(name)


StartServer = Callable[..., Live]


@pytest.fixture
def start(tmp_path: Path, tiny_model: Path) -> Iterator[StartServer]:
    """start(**settings): a server of this test's own."""
    started: list[Live] = []

    def begin(name: str = "data", **settings: object) -> Live:
        live = Live(tmp_path / name, tiny_model, **settings)
        started.append(live)
        return live.start()

    yield begin
    for live in started:
        live.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """One server for all tests of a module that do not care about each other's clips."""
    server = Live(tmp_path_factory.mktemp("live"), tiny_model).start()
    yield server
    server.close()
