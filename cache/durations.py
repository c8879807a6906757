"""Histograms of durations, counted by bucket: cheap to record, and read by pages and scrapes."""

from __future__ import annotations

from bisect import bisect_left

# Seconds, from an exact hit (a millisecond) to a long render. The last bucket has no bound and holds the rest.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Durations:
    """A histogram with one writer. `counts[n]`: how many took at most `BOUNDS[n]` seconds, and longer than the bound before."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def note(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)
