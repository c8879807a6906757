"""A job, the work of making one Variant: its states, and the moves from which the queue makes its SQL. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cache.assist import Start
from cache.recipe import Recipe


class JobState(StrEnum):
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


OPEN = frozenset({JobState.QUEUED, JobState.LEASED})

MOVES: dict[tuple[JobState, Move], JobState] = {
    (JobState.QUEUED, Move.LEASE): JobState.LEASED,
    (JobState.QUEUED, Move.CANCEL): JobState.CANCELLED,
    (JobState.QUEUED, Move.FAIL): JobState.FAILED,
    (JobState.LEASED, Move.FINISH): JobState.DONE,
    (JobState.LEASED, Move.FAIL): JobState.FAILED,
    (JobState.LEASED, Move.EXPIRE): JobState.QUEUED,
    (JobState.LEASED, Move.RELEASE): JobState.QUEUED,
    (JobState.LEASED, Move.CANCEL): JobState.CANCELLED,
}


class Priority(StrEnum):
    """Interactive goes before background, whatever came first."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


@dataclass(frozen=True)
class Job:
    """A job's row. `attempt` is the fencing token: it grows with every lease, and every write of a worker names it.

    `prompt` is that of the first request, which the model gets. Times are Unix seconds by the database's clock.
    `reserved`: its clip answers nobody but those who ask for it now. `asker`: whose words they are
    (variant.asker_of). `traceparent` is the W3C trace context of the first request, if that
    was traced.
    """

    id: str
    tenant: str
    scope: str
    variant_key: str
    spec_key: str
    prompt: str
    recipe: Recipe
    seed: int
    take: int | None
    priority: Priority
    state: JobState
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
    start: Start | None = None
    reserved: bool = False
    asker: str | None = None
    traceparent: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """The fields of log lines about it."""
        return {"job": self.id} if self.traceparent is None else {"job": self.id, "trace_id": self.traceparent.split("-")[1]}


@dataclass(frozen=True)
class Lease:
    """One worker's time-limited right to one Job."""

    job: Job
    worker: str

    @property
    def attempt(self) -> int:
        return self.job.attempt
