"""The table of legal moves: whatever is tried, in whatever order, a job ends once and its attempts only grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.job import MOVES, OPEN, JobState, Move

CLOSED = frozenset(JobState) - OPEN


@given(st.lists(st.sampled_from(Move), max_size=40))
def test_any_order_of_moves(tried: list[Move]) -> None:
    state = JobState.QUEUED
    for move in tried:
        state_after = MOVES.get((state, move))
        if state_after is None:
            continue
        assert state in OPEN, "a closed job moves no more"
        assert (move is Move.LEASE) == (state_after is JobState.LEASED), "only a lease gives it to a worker"
        state = state_after


def test_closed_is_closed() -> None:
    assert [state for state, _ in MOVES if state in CLOSED] == []


@pytest.mark.parametrize("state", sorted(OPEN))
def test_an_open_job_can_always_end(state: JobState) -> None:
    assert {MOVES[state, move] for move in Move if (state, move) in MOVES} & CLOSED


def test_only_a_leased_job_is_done() -> None:
    assert [state for (state, _), reached in MOVES.items() if reached is JobState.DONE] == [JobState.LEASED]


@pytest.mark.parametrize("move", sorted(Move))
def test_a_move_leads_to_one_state(move: Move) -> None:
    """The SQL of a move writes one state, whatever it comes from."""
    assert len({reached for (_, made), reached in MOVES.items() if made is move}) == 1
