"""Which clips to drop when there are more than there is room for. Pure; the rows are in storage/eviction.py.

A clip is worth what it saves for the room it takes: decayed asks x GPU-seconds that each saves / bytes. A clip whose hits
another clip would take over is worth nothing by itself, so near-duplicates go before lone clips.

An ask decays with one over its age: people ask again within minutes, or much later, and no half-life fits both
(benchmarks/eviction.py: where room is scarce it kept more than the half-lives that were tried).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HALF_AFTER = 600.0  # seconds after which an ask counts half
HIGH, LOW = 0.95, 0.90  # of the capacity: from where clips go, and down to where


@dataclass(frozen=True)
class Standing:
    """A clip that may go. `asks` are decayed (see `weight`), the one that it was made for included.
    `covered_by` is another clip in service that would answer the same; `length` is in bytes.
    """

    clip_id: str
    asks: float
    gpu_seconds: float
    length: int
    covered_by: str | None = None

    @property
    def value(self) -> float:
        """GPU-seconds that it is expected to save, per byte. Only its order means something."""
        return value(self.asks, self.gpu_seconds, self.length)


def weight(age: float) -> float:
    """What an ask `age` seconds ago counts; one that is still to come by a clock that goes ahead counts as now."""
    return 1.0 / (1.0 + max(0.0, age) / HALF_AFTER)


def value(asks: float, gpu_seconds: float, length: int) -> float:
    return asks * gpu_seconds / max(1, length)


def surplus(used: int, capacity: int) -> int:
    """Bytes that must go; 0 under the high mark. Going down to the low mark leaves room for a while."""
    return used - int(LOW * capacity) if used > HIGH * capacity else 0


def choose(standings: Sequence[Standing], to_free: int) -> list[Standing]:
    """The least valuable, near-duplicates first, until `to_free` bytes are found or nothing is left.

    What answers in the place of one that goes stays this time: else both could go, and the lone rest with them.
    """
    chosen: list[Standing] = []
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
