"""How deep a render may start from a donor: the ladder of sigmas, the gap between two prompts, and the limit that no choice passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from diffusers import UniPCMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st

from cache.assist import Start, begin_at, ladder
from cache.catalog import DEMO, WAN_TI2V_5B, AskedSettings, ServedModel, resolve
from cache.matching.donors.choice import SAME, near_sigma, near_start, take_depth, take_sigma
from cache.matching.donors.curves import Curve, has_donors, read_table
from cache.matching.donors.differences import Doubted, Gap, Named, Unknown, gap
from cache.recipe import Recipe
from cache.verdict import Refusal
from tests.donor_table import write_table

RECIPE = resolve(ServedModel(DEMO, "revision", "pipeline"), AskedSettings())
LARGE = resolve(ServedModel(WAN_TI2V_5B, "revision", "pipeline"), AskedSettings())
TABLE = read_table()
KINDS = ["size", "shape", "colour", "motion", "background"]


@pytest.mark.parametrize(("steps", "shift"), [(8, 3.0), (20, 3.0), (50, 5.0)])
def test_the_ladder_is_the_scheduler_s_own(steps: int, shift: float) -> None:
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    scheduler.set_timesteps(steps)
    assert list(ladder(steps, shift)) == pytest.approx(scheduler.sigmas[:steps].tolist(), abs=1e-5)


@given(st.integers(1, 100), st.floats(1.0, 8.0), st.floats(0.0, 1.0))
def test_no_render_begins_deeper_than_allowed(steps: int, shift: float, sigma: float) -> None:
    rungs = ladder(steps, shift)
    at = begin_at(rungs, sigma)
    assert at == 0 or rungs[at] >= sigma - 1e-4
    assert at + 1 == steps or rungs[at + 1] < sigma, "and as deep as is allowed"


GAPS = [
    ("a small red ball bounces", "a large red ball bounces", "size of *ball*: small / large", Named(frozenset(["size"]))),
    ("a blue ball bounces on grass", "a red ball bounces on grass", "colour of *ball*: blue / red", Named(frozenset(["colour"]))),
    ("a red circle moves to the left", "a red circle moves to the right", "left or right: left / right", Named(frozenset(["motion"]))),
    ("two red circles moving up", "a red circle moving up", "count of *circles*: two / a", Named(frozenset(["colour"]))),
    ("a watercolor of a ship", "an oil painting of a ship", "style: watercolor / oil", Named(frozenset(["shape"]))),
    ("a dog runs on the beach", "a cat runs on the beach", "animal: dog / cat", Unknown()),
]


@pytest.mark.parametrize(("new", "cached", "reason", "wanted"), GAPS)
def test_the_gap_is_what_the_judge_names(new: str, cached: str, reason: str, wanted: Gap) -> None:
    assert gap(new, Refusal(reason, 0.9, 0.0, "clip_1", cached)) == wanted


def test_more_than_the_named_difference_is_unknown() -> None:
    reason = "colour of *ball*: blue / red"
    for cached in ("a red ball and a ship bounce on grass", "a red ball bounces on sand"):
        assert gap("a blue ball bounces on grass", Refusal(reason, 0.9, 0.0, "clip_1", cached)) == Unknown()
    by_hand = Refusal("a person said that this clip does not fit", 0.9, 0.0, "clip_1", "a red ball bounces on grass")
    assert gap("a blue ball bounces on grass", by_hand) == Unknown(), "whoever refused it was no rule of ours"
    assert gap("a blue ball", Refusal(reason, 0.9, 0.0, "clip_1", None)) == Unknown(), "its words are gone"


@pytest.mark.parametrize(("sure", "wanted"), [(0.9, Doubted(0.9)), (0.2, Unknown()), (None, Unknown())])
def test_a_verifier_that_only_doubts_is_no_difference(sure: float | None, wanted: Gap) -> None:
    refusal = Refusal("not sure enough", 0.9, sure, "clip_1", "a red ball is bouncing over the grass")
    assert gap("a red ball bounces on grass", refusal) == wanted


@given(
    st.one_of(st.sets(st.sampled_from(KINDS), min_size=1).map(lambda kinds: Named(frozenset(kinds))), st.floats(0.5, 1.0).map(Doubted)),
    st.floats(0.0, 0.2),
    st.sampled_from([10, 20, 40]),
)
def test_the_expected_share_of_wrong_clips_stays_under_the_limit(between: Gap, max_wrong: float, steps: int) -> None:
    sigma = near_sigma(replace(RECIPE, steps=steps), TABLE, between, max_wrong)
    if sigma is None:
        return
    lost = {kind: TABLE.curves[kind].lost(sigma) for kind in (*KINDS, SAME)}
    if isinstance(between, Named):
        assert sum(lost[kind] for kind in between.kinds) <= max_wrong
        assert sigma >= max(TABLE.curves[kind].deepest for kind in between.kinds)
    elif isinstance(between, Doubted):
        assert between.probability * lost[SAME] + (1 - between.probability) * max(lost.values()) <= max_wrong


def test_what_sticks_soonest_starts_shallowest_and_what_is_unknown_not_at_all() -> None:
    found = {kind: near_sigma(RECIPE, TABLE, Named(frozenset([kind])), 0.02) for kind in KINDS}
    assert found["size"] == found["shape"] == 0.9
    assert all((found[kind] or 0) >= 0.93 for kind in ("colour", "motion", "background"))
    assert near_sigma(RECIPE, TABLE, Unknown(), 0.5) is None
    assert near_sigma(RECIPE, TABLE, Named(frozenset(["size"])), 0.0) is None, "a limit of 0 allows exact hits only"


def test_the_deepest_start_among_the_refused() -> None:
    refused = [
        Refusal("colour of *ball*: blue / red", 0.97, 0.0, "clip_colour", "a small red ball bounces"),
        Refusal("size of *ball*: small / large", 0.95, 0.0, "clip_size", "a large blue ball bounces"),
        Refusal("animal: dog / cat", 0.93, 0.0, "clip_unknown", "a cat"),
        Refusal("seed pinned"),
    ]
    assert near_start(RECIPE, TABLE, "a small blue ball bounces", refused, 0.02) == Start("clip_size", 0.9, "near")
    assert near_start(RECIPE, TABLE, "a small blue ball bounces", refused[2:], 0.02) is None


def test_takes_are_as_deep_as_they_are_still_others(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path))
    sigma = take_sigma(RECIPE, table, 0.02)
    assert sigma == 0.93
    assert table.varied(sigma)
    assert not table.varied(0.9), "deeper it is as right, and its donor again"
    assert take_sigma(LARGE, table, 0.02) == sigma, "sigma is the coordinate of every model, not the step"
    assert take_sigma(RECIPE, table, 0.001) is None
    assert take_depth(replace(table, least_variety=0.9), 0.02) is None


def test_the_table_that_ships_is_true_to_what_was_measured() -> None:
    """At the default limit takes start where they are still visibly others, and a stricter caller's from noise."""
    assert take_depth(TABLE, 0.02) == 0.9643
    assert take_depth(TABLE, 0.01) is None
    assert [at for at, _ in TABLE.variety if TABLE.varied(at)] == [0.9643]


@pytest.mark.parametrize("broken", ["", "[]", '{"curves": {}}', '{"curves": {"take": [[0.9, 1, 1]]}}'])
def test_a_file_that_is_no_table(tmp_path: Path, broken: str) -> None:
    (tmp_path / "own.json").write_text(broken)
    with pytest.raises(ValueError, match=r"own\.json is no table of donors"):
        read_table(tmp_path / "own.json")


@pytest.mark.parametrize("other", [{"renderer": "upstream"}, {"step_cache": "taylor:2"}, {"steps": 4}])
def test_recipes_without_donors(other: dict[str, object]) -> None:
    recipe: Recipe = replace(RECIPE, **other)  # type: ignore[arg-type]  # one of its fields each
    assert not has_donors(recipe)
    assert take_sigma(recipe, TABLE, 0.5) is None
    assert (
        near_start(recipe, TABLE, "a small ball", [Refusal("size of *ball*: small / large", 0.9, 0.0, "clip_1", "a large ball")], 0.5)
        is None
    )


def test_a_curve_counts_what_was_lost_and_never_less_where_it_is_deeper() -> None:
    curve = Curve(((1.0, 90, 99), (0.96, 88, 99), (0.9, 89, 99), (0.8, 60, 99)), 0.8)
    assert curve.lost(0.97) == curve.lost(0.96) == pytest.approx(0.025)
    assert curve.lost(0.9) == pytest.approx(0.025), "luck deeper down makes it no better"
    assert curve.lost(0.85) == pytest.approx(0.305), "of the next deeper one that was measured"
    assert curve.lost(0.7) == 1.0
