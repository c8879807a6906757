"""What the cache would have done with past requests under another limit for wrong hits, or with other room. Pure.

The requests come again in their order. What the cache holds grows and shrinks as it would have: a request that a looser limit
answers by nearness makes no clip, and a stricter one makes more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cache.eviction import surplus, value, weight

Policy = Literal["value", "lru", "lfu", "fifo"]
_REMEMBERED = 8  # asks of a clip that its value is made of


@dataclass(frozen=True)
class Nominee:
    """A neighbour that the judge gave a probability. `own`: that this very pair is right; `share`: of right answers among
    pairs at least as sure, which is what the limit holds against.
    """

    film: str
    own: float
    share: float


@dataclass(frozen=True)
class Past:
    """One request. `film` is what it asked for, `length` and `gpu_seconds` what its clip takes or would take.
    `fresh`: it was rendered whatever was there (no-cache, a pinned seed that was new).
    """

    film: str
    at: float
    gpu_seconds: float
    length: int
    nominees: tuple[Nominee, ...] = ()
    fresh: bool = False


@dataclass
class Outcome:
    """`wrong` is the expected number of near hits that do not fit; `saved` and `spent` are GPU-seconds."""

    max_wrong: float
    capacity: int | None
    exact: int = 0
    near: int = 0
    misses: int = 0
    wrong: float = 0.0
    evicted: int = 0
    saved: float = 0.0
    spent: float = 0.0

    @property
    def asked(self) -> int:
        return self.exact + self.near + self.misses

    @property
    def hit_rate(self) -> float | None:
        return (self.exact + self.near) / self.asked if self.asked else None

    @property
    def wrong_share(self) -> float | None:
        """Of near hits; None where there are none."""
        return self.wrong / self.near if self.near else None


@dataclass
class _Held:
    length: int
    gpu_seconds: float
    made_at: float
    asked: list[float] = field(default_factory=list)
    asks: int = 0


def replay(
    asks: Iterable[Past],
    max_wrong: float,
    capacity: int | None = None,
    *,
    before: Mapping[str, Past] | None = None,
    policy: Policy = "value",
) -> Outcome:
    """`before`: clips that were there when the log began, by film. `capacity` in the unit of `length`; None: room for all."""
    outcome = Outcome(max_wrong, capacity)
    held = {film: _Held(past.length, past.gpu_seconds, past.at) for film, past in (before or {}).items()}
    used = sum(one.length for one in held.values())
    for past in asks:
        nominee = None
        found = None if past.fresh else held.get(past.film)
        if found is not None:
            outcome.exact += 1
        elif not past.fresh:
            nominee = next((one for one in past.nominees if 1 - one.share <= max_wrong and one.film in held), None)
        if nominee is not None:
            found = held[nominee.film]
            outcome.near += 1
            outcome.wrong += 1 - nominee.own
        if found is not None:
            found.asks += 1
            found.asked.append(past.at)
            del found.asked[:-_REMEMBERED]
            outcome.saved += found.gpu_seconds
            continue
        outcome.misses += 1
        outcome.spent += past.gpu_seconds
        there = held.get(past.film)
        if there is None:
            held[past.film] = _Held(past.length, past.gpu_seconds, past.at, [past.at], 1)
            used += past.length
        if capacity is not None and surplus(used, capacity) > 0:
            gone = _dropped(held, surplus(used, capacity), past.at, policy)
            for film in gone:
                used -= held.pop(film).length
            outcome.evicted += len(gone)
    return outcome


def _dropped(held: Mapping[str, _Held], to_free: int, now: float, policy: Policy) -> list[str]:
    """As cache/eviction.py chooses where no clip answers in the place of another."""
    gone, order = [], _ORDERS[policy]
    for film, one in sorted(held.items(), key=lambda pair: order(pair[1], now)):
        if to_free <= 0:
            break
        gone.append(film)
        to_free -= one.length
    return gone


# The smallest goes first.
_ORDERS: dict[Policy, Callable[[_Held, float], tuple[float, ...]]] = {
    "value": lambda one, now: (value(sum(weight(now - at) for at in one.asked), one.gpu_seconds, one.length),),
    "lru": lambda one, _: (one.asked[-1] if one.asked else one.made_at,),
    "lfu": lambda one, _: (one.asks, one.asked[-1] if one.asked else one.made_at),
    "fifo": lambda one, _: (one.made_at,),
}
