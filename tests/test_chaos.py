"""Five seeded kills of real processes under load; benchmarks/chaos.py does the same for an hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.swift import NoSwift


@pytest.mark.timeout(600)
def test_nothing_is_lost_when_any_part_is_killed(tmp_path: Path, tiny_model: Path) -> None:
    from benchmarks.chaos import run  # real servers, only where this test runs

    try:
        outcome = run(tmp_path, tiny_model, kills=5, seed=5, told=print)
    except NoSwift as reason:
        pytest.skip(str(reason))
    print(outcome)
    assert outcome.sound, outcome
    assert outcome.completed == outcome.asked > 0
