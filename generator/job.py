"""The work of making one Variant: its states and the table of legal moves. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cache.recipe import Recipe


class State(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Move(StrEnum):
    LEASE = "lease"
    FINISH = "finish"
    FAIL = "fail"  # the render failed, or the job killed its worker too often
    EXPIRE = "expire"  # the lease ran out: the worker is presumed dead
    RELEASE = "release"  # the worker hands the job back, in order
    CANCEL = "cancel"


OPEN = frozenset({State.QUEUED, State.LEASED})

MOVES: dict[tuple[State, Move], State] = {
    (State.QUEUED, Move.LEASE): State.LEASED,
    (State.QUEUED, Move.CANCEL): State.CANCELLED,
    (State.QUEUED, Move.FAIL): State.FAILED,
    (State.LEASED, Move.FINISH): State.DONE,
    (State.LEASED, Move.FAIL): State.FAILED,
    (State.LEASED, Move.EXPIRE): State.QUEUED,
    (State.LEASED, Move.RELEASE): State.QUEUED,
    (State.LEASED, Move.CANCEL): State.CANCELLED,
}


class IllegalMove(ValueError):
    def __init__(self, state: State, move: Move) -> None:
        super().__init__(f"a job that is {state} cannot {move}")
        self.state, self.move = state, move


def after(state: State, move: Move) -> State:
    """The state that `move` leads to; IllegalMove where the table has no such row."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise IllegalMove(state, move) from None


class Priority(StrEnum):
    """Interactive goes before background, whatever came first."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


@dataclass(frozen=True)
class Job:
    """`attempt` is the fencing token: it grows with every lease, and every write of a worker names it.

    `prompt` are the first asker's words, which the model is given. Times are Unix seconds by the database's clock.
    `traceparent` is the W3C trace context of the request that it began with, where that was traced.
    """

    id: str
    tenant: str
    scope: str
    variant_key: str
    film_key: str
    prompt: str
    recipe: Recipe
    seed: int
    take: int | None
    priority: Priority
    state: State
    attempt: int
    progress: int
    stage: str
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    lease_until: float | None = None
    worker: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    joinable: bool = True
    allow_smaller: bool = False
    donor: str | None = None
    traceparent: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """What log lines about it carry."""
        return {"job": self.id} if self.traceparent is None else {"job": self.id, "trace_id": self.traceparent.split("-")[1]}


@dataclass(frozen=True)
class Lease:
    """One worker's time-limited right to one Job."""

    job: Job
    worker: str

    @property
    def attempt(self) -> int:
        return self.job.attempt
