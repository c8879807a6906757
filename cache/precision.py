"""The measured precision of near hits, from the labels of people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

_95 = 1.959964


@dataclass(frozen=True)
class HitPrecision:
    """The share of labelled near hits that is right, None without labels, with Wilson's 95 % interval."""

    right: int
    wrong: int
    share: float | None
    low: float
    high: float

    @property
    def labelled(self) -> int:
        return self.right + self.wrong


def precision(right: int, wrong: int) -> HitPrecision:
    low, high = wilson(right, right + wrong)
    return HitPrecision(right, wrong, right / (right + wrong) if right + wrong else None, low, high)


def wilson(right: int, of: int, z: float = _95) -> tuple[float, float]:
    """Wilson's interval for the true share, also for few labels or none wrong; 0 to 1 without any."""
    if of == 0:
        return 0.0, 1.0
    share, spread = right / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / of + spread / (4 * of))
    return (0.0 if right == 0 else max(0.0, middle - half)), (1.0 if right == of else min(1.0, middle + half))
