"""Labels move the table by small bounded steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.matching.calibration import FEATURES, Calibration
from cache.matching.recalibration import FEWEST, REACH, STEP, Label, fingerprint, moved_shift, shifted

SHIPPED = Calibration("e", "v", 0.4, 0.5, -1.0, (1.0,) + (0.0,) * (len(FEATURES) - 1), ((0.0, 0.0), (1.0, 1.0)), "table-0")
LABELS = st.lists(st.builds(Label, st.floats(0, 1), st.booleans()), max_size=60)


def test_wrong_hits_make_it_stricter_and_right_ones_hardly_looser() -> None:
    assert moved_shift(0.0, [Label(0.99, False)] * FEWEST) == -STEP
    assert 0 < moved_shift(0.0, [Label(0.99, True)] * FEWEST) < STEP / 5
    assert moved_shift(0.0, [Label(0.99, False)] * (FEWEST - 1)) == 0.0


@given(st.lists(LABELS, max_size=40))
def test_no_run_of_labels_moves_it_far_or_fast(batches: list[list[Label]]) -> None:
    shift = 0.0
    for labels in batches:
        after = moved_shift(shift, labels)
        assert abs(after - shift) <= STEP + 1e-9
        assert abs(after) <= REACH + 1e-9
        shift = after


def test_a_step_is_a_table_of_its_own_version_and_undo_is_the_one_before() -> None:
    stricter = shifted(SHIPPED, -STEP)
    assert stricter.bias == pytest.approx(SHIPPED.bias - STEP)
    assert stricter.version != SHIPPED.version
    assert shifted(SHIPPED, -STEP) == stricter
    assert shifted(SHIPPED, 0.0) is SHIPPED
    assert stricter.holds_for("e", "v")
    assert fingerprint(SHIPPED) != fingerprint(stricter)
