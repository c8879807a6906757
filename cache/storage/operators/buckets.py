"""Buckets of answer times, ten to each power of ten: counted in SQL, so that a million rows come back as a few dozen. Pure."""

from __future__ import annotations

from collections.abc import Mapping

NEVER = -1  # without a time: failed, cancelled, still open, or a hit whose time was not written
_PER_TEN = 10
_FIRST, _LAST = 0.0001, 1e6  # seconds
BOUNDS = tuple(_FIRST * 10 ** (step / _PER_TEN) for step in range(_PER_TEN * 10 + 1))  # from the first to the last
assert abs(BOUNDS[-1] / _LAST - 1) < 1e-9


def sql_bucket(taken: str, answered: str) -> str:
    """SQL for the bucket of `taken` (an expression in seconds): the number of bounds not above it; NEVER unless `answered`."""
    return f"CASE WHEN {answered} THEN {_between(taken, 0, len(BOUNDS))} ELSE {NEVER} END"


def _between(taken: str, low: int, high: int) -> str:
    """A binary search, as a condition inside a condition: seven comparisons instead of a hundred."""
    if low == high:
        return str(low)
    middle = (low + high) // 2
    return f"CASE WHEN {taken} < {BOUNDS[middle]!r} THEN {_between(taken, low, middle)} ELSE {_between(taken, middle + 1, high)} END"


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The quantile `share` of the answer times in seconds, to within a bucket (a quarter of the value); None without answers."""
    known = sorted((bucket, count) for bucket, count in counts.items() if bucket != NEVER and count > 0)
    rank = share * sum(count for _, count in known)
    for bucket, count in known:
        if rank <= count:
            low = 0.0 if bucket == 0 else BOUNDS[bucket - 1]
            high = BOUNDS[min(bucket, len(BOUNDS) - 1)]
            return low + (high - low) * max(0.0, rank) / count
        rank -= count
    return None
