"""A replay of past requests under another limit for wrong hits or another capacity. Pure.

The requests are replayed in order. The cache grows and shrinks as it would have: a request that a looser limit
answers with a near hit makes no clip, and a stricter limit makes more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cache.eviction import surplus, value, weight

Policy = Literal["value", "lru", "lfu", "fifo"]
_REMEMBERED = 8  # requests of a clip that its value is computed from


@dataclass(frozen=True)
class ReplayCandidate:
    """A neighbour with the judge's probabilities. `own`: that this pair is right; `share`: the share of right answers among
    pairs at least as sure, which the limit applies to.
    """

    spec: str
    own: float
    share: float


@dataclass(frozen=True)
class Past:
    """A past request. `spec`: the key that it asked for; `length` and `gpu_seconds`: the size and cost of its clip.
    `fresh`: it was rendered regardless of the cache (no-cache, a new pinned seed, or a person refused the clip that there was).
    `took`: seconds until its clip was there; who asks before that joins it. `made` false: cancelled or failed, so no clip came of it.
    """

    spec: str
    at: float
    gpu_seconds: float
    length: int
    nominees: tuple[ReplayCandidate, ...] = ()
    fresh: bool = False
    took: float = 0.0
    made: bool = True


@dataclass
class ReplayOutcome:
    """The outcome of a replay. `joined`: waited for a render that another had begun, which is no hit. `wrong`: near hits expected by the
    judge to be wrong. `unmade`: misses that were cancelled or failed. `saved` and `spent`: GPU-seconds.
    """

    max_wrong: float
    capacity: int | None
    exact: int = 0
    near: int = 0
    joined: int = 0
    misses: int = 0
    unmade: int = 0
    wrong: float = 0.0
    evicted: int = 0
    saved: float = 0.0
    spent: float = 0.0

    @property
    def asked(self) -> int:
        return self.exact + self.near + self.joined + self.misses

    @property
    def renders(self) -> int:
        return self.misses - self.unmade

    @property
    def hit_rate(self) -> float | None:
        return (self.exact + self.near) / self.asked if self.asked else None

    @property
    def wrong_share(self) -> float | None:
        """The share of near hits expected to be wrong; None without near hits."""
        return self.wrong / self.near if self.near else None


@dataclass
class _Held:
    length: int
    gpu_seconds: float
    made_at: float
    ready_at: float
    asked: list[float] = field(default_factory=list)
    asks: int = 0


def replay(
    asks: Iterable[Past],
    max_wrong: float,
    capacity: int | None = None,
    *,
    before: Mapping[str, Past] | None = None,
    policy: Policy = "value",
) -> ReplayOutcome:
    """Replays `asks` in order. `before`: clips that existed at the start, by Spec. `capacity`: in units of `length`, None: no limit."""
    outcome = ReplayOutcome(max_wrong, capacity)
    held = {spec: _Held(past.length, past.gpu_seconds, past.at, past.at) for spec, past in (before or {}).items()}
    used = sum(one.length for one in held.values())
    for past in asks:
        found, nominee = _answer(past, held, max_wrong)
        if found is not None:
            _count(outcome, past, found, nominee)
            continue
        outcome.misses += 1
        if not past.made:
            outcome.unmade += 1
            continue
        outcome.spent += past.gpu_seconds
        there = held.get(past.spec)
        if there is None:
            held[past.spec] = _Held(past.length, past.gpu_seconds, past.at, past.at + past.took, [past.at], 1)
            used += past.length
        if capacity is not None and surplus(used, capacity) > 0:
            gone = _dropped(held, surplus(used, capacity), past.at, policy)
            for spec in gone:
                used -= held.pop(spec).length
            outcome.evicted += len(gone)
    return outcome


def _answer(past: Past, held: Mapping[str, _Held], max_wrong: float) -> tuple[_Held | None, ReplayCandidate | None]:
    """The clip that answers, and the candidate that it is if it is only near."""
    if past.fresh:
        return None, None
    if (own := held.get(past.spec)) is not None:
        return own, None
    nominee = next((one for one in past.nominees if 1 - one.share <= max_wrong and one.spec in held), None)
    return (None, None) if nominee is None else (held[nominee.spec], nominee)


def _count(outcome: ReplayOutcome, past: Past, found: _Held, nominee: ReplayCandidate | None) -> None:
    found.asks += 1
    found.asked.append(past.at)
    del found.asked[:-_REMEMBERED]
    waits = found.ready_at > past.at
    if waits:
        outcome.joined += 1
    elif nominee is not None:
        outcome.near += 1
        outcome.wrong += 1 - nominee.own
    else:
        outcome.exact += 1
    if past.made or not waits:  # who cancelled while waiting saved nothing
        outcome.saved += found.gpu_seconds


def _dropped(held: Mapping[str, _Held], to_free: int, now: float, policy: Policy) -> list[str]:
    """The Specs evicted, by the rule of cache/eviction.py without near-duplicates."""
    gone, order = [], _ORDERS[policy]
    for spec, one in sorted(held.items(), key=lambda pair: order(pair[1], now)):
        if to_free <= 0:
            break
        gone.append(spec)
        to_free -= one.length
    return gone


# The smallest goes first.
_ORDERS: dict[Policy, Callable[[_Held, float], tuple[float, ...]]] = {
    "value": lambda one, now: (value(sum(weight(now - at) for at in one.asked), one.gpu_seconds, one.length),),
    "lru": lambda one, _: (one.asked[-1] if one.asked else one.made_at,),
    "lfu": lambda one, _: (one.asks, one.asked[-1] if one.asked else one.made_at),
    "fifo": lambda one, _: (one.made_at,),
}
