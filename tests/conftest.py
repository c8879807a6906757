"""What all tests share: the tiny model, and servers that are gone when their test is."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.live import Live
from tests.nursery import Nursery, SharedNursery

pytest_plugins = ["tests.databases"]

# Lists of words are read at their first use, and a machine that runs four tests at a time pauses any of them: no example has a deadline.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

SHARED: pytest.StashKey[Nursery] = pytest.StashKey()


class SharedParts:
    """What the workers of a run share is begun by the process that spreads the tests over them, and ends with it."""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        session.config.stash[SHARED] = nursery = Nursery()
        nursery.start()

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["nursery"] = node.config.stash[SHARED].path

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.config.stash[SHARED].close()


# The modules that take longest, begun first: a worker that begins one of them when the others have ended keeps all waiting. Only with
# `--no-loadscope-reorder`, or xdist begins with those of the most tests.
LONG = [
    "door/test_path.py",
    "browser/test_admin_overview.py",
    "browser/test_admin_clips.py",
    "test_installed.py",
    "demo/test_model.py",
    "browser/test_playground.py",
    "browser/test_admin_plans.py",
    "browser/test_admin_near_hits.py",
    "door/test_fleet.py",
    "test_chaos.py",
    "door/test_fuzz.py",
    "test_pipeline.py",
    "test_placement.py",
    "door/test_without_an_encoder.py",
    "test_eviction.py",
    "door/test_privacy.py",
    "admin/test_assisted.py",
    "test_precompute.py",
    "test_commands.py",
    "door/test_shared_pool.py",
    "door/test_keys.py",
    "admin/test_plans.py",
    "test_hub.py",
    "test_settings_wiring.py",
    "door/test_end_users.py",
    "webhooks/test_deliveries.py",
    "door/test_tenants_apart.py",
    "door/test_webhooks.py",
    "admin/test_clips.py",
    "demo/test_training.py",
    "test_queue_model.py",
    "demo/test_distil.py",
    "admin/test_recalibration.py",
    "test_full_disk.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    rank = {here / name: at for at, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(LONG)))


def pytest_collection_finish() -> None:
    """What was imported stays: looking through a million objects of libraries for cycles, again and again, takes a worker seconds."""
    gc.enable()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(SharedParts())
    else:  # not that of the workers: it collects nothing itself
        gc.disable()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A whole WanPipeline folder with random weights: half a second a clip. One for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "tiny-model"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            from training.demo_model.tiny import make_tiny_folder  # torch, only where a test renders

            make_tiny_folder(folder)
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One of torch's: a small model gains nothing by a second one, and waits for it where the machine is busy."""
    import torch  # only where a test renders

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _nursery(request: pytest.FixtureRequest) -> Iterator[None]:
    """Servers of tests are forked from one process, which starts with the first of them."""
    workerinput = getattr(request.config, "workerinput", None)
    Live.nursery = nursery = Nursery() if workerinput is None else SharedNursery(workerinput["nursery"])
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
