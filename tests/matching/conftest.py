"""The real models, opened once: the bundled encoder and the verifier with its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.settings import Settings


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Settings(data_dir=tmp_path_factory.mktemp("matching")).encoders


@pytest.fixture(scope="session")
def encoders(models: Path) -> Iterator[Encoders]:
    opened = load_encoders("", "", models)
    yield opened
    opened.close()
