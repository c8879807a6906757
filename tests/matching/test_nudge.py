"""Labels move the table by small bounded steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cache.matching.calibration import Calibration
from cache.matching.nudge import FEWEST, REACH, STEP, Label, nudged

SHIPPED = Calibration("e", "v", 0.4, 0.5, -1.0, (1.0,) + (0.0,) * 6, ((0.0, 0.0), (1.0, 1.0)), "table-0")
LABELS = st.lists(st.builds(Label, st.floats(0, 1), st.booleans()), max_size=60)


def test_wrong_hits_make_it_stricter_and_right_ones_hardly_looser() -> None:
    stricter = nudged(SHIPPED, SHIPPED, [Label(0.99, False)] * FEWEST)
    assert stricter.bias == SHIPPED.bias - STEP
    assert stricter.version != SHIPPED.version
    looser = nudged(SHIPPED, SHIPPED, [Label(0.99, True)] * FEWEST)
    assert 0 < looser.bias - SHIPPED.bias < STEP / 5
    assert nudged(SHIPPED, SHIPPED, [Label(0.99, False)] * (FEWEST - 1)) is SHIPPED


@given(st.lists(LABELS, max_size=40))
def test_no_run_of_labels_moves_it_far_or_fast(batches: list[list[Label]]) -> None:
    table = SHIPPED
    for labels in batches:
        after = nudged(table, SHIPPED, labels)
        assert abs(after.bias - table.bias) <= STEP + 1e-9
        assert abs(after.bias - SHIPPED.bias) <= REACH + 1e-9
        table = after
