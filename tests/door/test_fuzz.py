"""Schemathesis through the front door, all checks, all phases. `python -m benchmarks.fuzz` is the long run."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StartServer
from tests.fuzzing import fuzz, settings


def test_every_answer_is_one_that_the_document_tells_of(start: StartServer, tmp_path: Path) -> None:
    live = start(**settings(tmp_path))
    outcome = fuzz(live, tmp_path, cases_each=4, seed=1)
    assert outcome.code == 0, outcome.told
    assert outcome.cases > 600
    assert " failed" not in live.log.read_text()
