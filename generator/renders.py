"""The outcomes of the jobs that this process leased, counted and passed to listeners."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cache.durations import Durations
from generator.job import Lease

# returned: handed back, because the process stops or a part is away. lost: cancelled, or taken over by another worker.
RenderOutcome = Literal["made", "failed", "out_of_memory", "returned", "lost"]
OUTCOMES: tuple[RenderOutcome, ...] = ("made", "failed", "out_of_memory", "returned", "lost")

_MOST = 1000  # leases kept in mind whose end nobody told, because the database was away


@dataclass(frozen=True)
class FinishedAttempt:
    """A finished attempt at a job. `began` and `ended`: Unix seconds by this machine's clock; `stages_ms` is empty unless the
    clip was made.
    """

    lease: Lease
    outcome: RenderOutcome
    began: float
    ended: float
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    gpu_seconds: float = 0.0
    peak_bytes: int | None = None
    clip_id: str | None = None
    code: str | None = None


class Renders:
    """Used from the event loop's thread. `gpu_seconds` and `stages` are of clips that were made, `peak_bytes` of the one
    that took the most.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[RenderOutcome] = Counter()
        self.stages: dict[str, Durations] = {}
        self.gpu_seconds = 0.0
        self.peak_bytes = 0
        self._held: dict[tuple[str, int], float] = {}  # when each lease began
        self._listeners: list[Callable[[FinishedAttempt], None]] = []

    @property
    def running(self) -> int:
        """Leases held now."""
        return len(self._held)

    def at_every_end(self, listener: Callable[[FinishedAttempt], None]) -> None:
        self._listeners.append(listener)

    def began(self, lease: Lease) -> None:
        self._held[lease.job.id, lease.attempt] = time.time()
        if len(self._held) > _MOST:
            del self._held[next(iter(self._held))]

    def ended(
        self,
        lease: Lease,
        outcome: RenderOutcome,
        *,
        stages_ms: Mapping[str, float] | None = None,
        gpu_seconds: float = 0.0,
        peak_bytes: int | None = None,
        clip_id: str | None = None,
        code: str | None = None,
    ) -> None:
        """Told again, or of a lease that did not begin here, it changes nothing."""
        began = self._held.pop((lease.job.id, lease.attempt), None)
        if began is None:
            return
        stages = stages_ms or {}
        self.outcomes[outcome] += 1
        self.gpu_seconds += gpu_seconds
        self.peak_bytes = max(self.peak_bytes, peak_bytes or 0)
        for stage, took in stages.items():
            self.stages.setdefault(stage, Durations()).note(took / 1000)
        told = FinishedAttempt(lease, outcome, began, time.time(), stages, gpu_seconds, peak_bytes, clip_id, code)
        for listener in self._listeners:
            listener(told)
