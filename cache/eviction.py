"""The choice of clips to evict when they exceed the capacity. Pure; the rows are in storage/clips/eviction.py.

A clip's value is what it saves for the space it takes: decayed requests x GPU-seconds that each saves / bytes. A clip whose hits
another clip would take over is worth nothing alone, so near-duplicates go before lone clips.

A request decays with one over its age: repeats come within minutes, or much later, and no half-life fits both
(benchmarks/eviction.py: where capacity is scarce it saved more than the half-lives that were tried).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HALF_AFTER = 600.0  # seconds after which a request counts half
HIGH, LOW = 0.95, 0.90  # shares of the capacity at which eviction starts and ends


@dataclass(frozen=True)
class ClipValue:
    """A clip that may be evicted. `asks` are its decayed requests (see `weight`), including the one that it was made for.
    `covered_by` is another clip in service that would answer the same; `length` is in bytes.
    """

    clip_id: str
    asks: float
    gpu_seconds: float
    length: int
    covered_by: str | None = None

    @property
    def value(self) -> float:
        """GPU-seconds expected to be saved per byte. Only the order of values is meaningful."""
        return value(self.asks, self.gpu_seconds, self.length)


def weight(age: float) -> float:
    """The weight of a request `age` seconds ago; a negative age, from a clock that is ahead, counts as zero."""
    return 1.0 / (1.0 + max(0.0, age) / HALF_AFTER)


def value(asks: float, gpu_seconds: float, length: int) -> float:
    return asks * gpu_seconds / max(1, length)


def surplus(used: int, capacity: int) -> int:
    """The bytes to evict: down to the low mark, so that space lasts for a while; 0 under the high mark."""
    return used - int(LOW * capacity) if used > HIGH * capacity else 0


def choose_evicted(standings: Sequence[ClipValue], to_free: int) -> list[ClipValue]:
    """The clips to evict: the least valuable, near-duplicates first, until `to_free` bytes are found or nothing is left.

    A clip that would answer for an evicted one stays this time: otherwise both could go.
    """
    chosen: list[ClipValue] = []
    gone: set[str] = set()
    needed: set[str] = set()
    freed = 0
    ordered = sorted(standings, key=lambda one: (one.value, one.clip_id))
    for duplicates in (True, False):
        for one in ordered:
            if freed >= to_free:
                return chosen
            if one.clip_id in gone or one.clip_id in needed or duplicates != (one.covered_by is not None and one.covered_by not in gone):
                continue
            chosen.append(one)
            gone.add(one.clip_id)
            freed += one.length
            if duplicates and one.covered_by is not None:
                needed.add(one.covered_by)
    return chosen
