"""Servers that render nothing: with keys, open, and one for whoever locks himself out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Live

ADMIN = "an-admin-key-of-some-length"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("keyed"), tiny_model, ADMIN_KEY=ADMIN, RENDERER="none").start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("opened"), tiny_model, RENDERER="none").start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """With keys, and with secrets in its settings."""
    upstream = {"UPSTREAM_KEY": "a-secret-of-upstream", "UPSTREAM_URL": "http://me:hush@up.example/"}
    server = Live(tmp_path_factory.mktemp("guarded"), tiny_model, ADMIN_KEY=ADMIN, RENDERER="none", **upstream).start()
    yield server
    server.close()
