"""The choice of prompts to render ahead of time: how often each Spec is expected, and the few that answer most of that. Pure.

A Spec can be popular before it was ever rendered: requests count whatever their verdict was. The choice is a set:
two prompts that would answer the same requests are worth little more than one of them, so the gain of each is what it answers
beyond those before it (greedy maximum coverage; at least 1 - 1/e of the best set, where all cost the same).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf, log

_SEEN_OFTEN = 5  # requests from which a count is trusted as it is


@dataclass(frozen=True)
class Asks:
    """`count` requests at about the same time (Unix seconds)."""

    at: float
    count: int


@dataclass(frozen=True)
class Option:
    """A prompt that could be rendered: the Specs it would answer, itself included, and its cost in GPU-seconds."""

    covers: frozenset[str]
    gpu_seconds: float


@dataclass(frozen=True)
class PlannedPrompt:
    """A chosen prompt. `gain`: expected hits beyond those of the choices before it. `covers`: the Specs behind them."""

    key: str
    gain: float
    gpu_seconds: float
    covers: tuple[str, ...]


def decayed(asks: Iterable[Asks], now: float, half_life: float) -> float:
    """The number of requests, each counting half as much for every `half_life` seconds of age."""
    return float(sum(one.count * 0.5 ** (max(0.0, now - one.at) / half_life) for one in asks))


def expected_hits(asks: Sequence[Asks], now: float, half_life: float, watched: float, horizon: float) -> float:
    """Requests expected in the next `horizon` seconds at the past rate; `watched`: seconds for which they were counted.

    A steady rate r leaves r * half_life / ln 2 decayed requests after a long time, and that times 1 - 0.5 ** (watched /
    half_life) after a shorter one.
    """
    if watched <= 0:
        return 0.0
    settled = half_life / log(2) * (1 - 0.5 ** (watched / half_life))
    return float(decayed(asks, now, half_life) / settled * horizon)


@dataclass(frozen=True)
class Repeats:
    """The share of a count that recurs (Good and Turing): most of what was requested once never is again.

    Of Specs requested r times, the next period of the same length brings (r + 1) * N[r + 1] / N[r] requests each, N[r] being the
    number of Specs that were requested r times.
    """

    shares: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Iterable[int]) -> Repeats:
        specs = Counter(counts)
        shares, before = {}, 0.0
        for count in range(1, _SEEN_OFTEN):
            again = (count + 1) * (specs[count + 1] + 1) / (specs[count] + 1) / count
            before = shares[count] = max(before, min(1.0, again))
        return cls(shares)

    def share(self, count: int) -> float:
        return self.shares.get(count, 1.0)


def choose_prompts(options: Mapping[str, Option], worth: Mapping[str, float], most: int, gpu_seconds: float = inf) -> list[PlannedPrompt]:
    """Chooses at most `most` options for at most `gpu_seconds`, by expected hits gained per GPU-second; none without a gain.

    Gains only shrink as others are chosen, so an option is recomputed only when it is next (lazy greedy). If the
    GPU-seconds run out, one big option may be worth more than all the small ones: then that one is chosen.
    """
    fits = {key: option for key, option in options.items() if option.gpu_seconds <= gpu_seconds}
    chosen = _greedy(fits, worth, most, gpu_seconds) if most > 0 else []
    alone = max((_choice(key, option, worth, frozenset()) for key, option in fits.items()), key=_by_gain, default=None)
    if most > 0 and alone is not None and alone.gain > sum(choice.gain for choice in chosen):
        return [alone]
    return chosen


def _greedy(options: Mapping[str, Option], worth: Mapping[str, float], most: int, gpu_seconds: float) -> list[PlannedPrompt]:
    covered: frozenset[str] = frozenset()
    chosen: list[PlannedPrompt] = []
    left = gpu_seconds
    queue = [(_rank(choice), 0, key) for key, choice in ((key, _choice(key, one, worth, covered)) for key, one in options.items())]
    heapify(queue)
    while queue and len(chosen) < most:
        _, counted, key = heappop(queue)
        if options[key].gpu_seconds > left:
            continue
        choice = _choice(key, options[key], worth, covered)
        if choice.gain <= 0:
            continue
        if counted < len(chosen):
            heappush(queue, (_rank(choice), len(chosen), key))
            continue
        chosen.append(choice)
        covered |= options[key].covers
        left -= choice.gpu_seconds
    return chosen


def _choice(key: str, option: Option, worth: Mapping[str, float], covered: frozenset[str]) -> PlannedPrompt:
    news = sorted(option.covers - covered, key=lambda spec: (spec != key, -worth.get(spec, 0.0), spec))
    return PlannedPrompt(key, sum(worth.get(spec, 0.0) for spec in news), option.gpu_seconds, tuple(news))


def _rank(choice: PlannedPrompt) -> tuple[float, float, str]:
    """Sort key, smallest first: gain per GPU-second, then gain, then the key, so that equal traffic gives equal plans."""
    return (-choice.gain / max(choice.gpu_seconds, 1e-9), -choice.gain, choice.key)


def _by_gain(choice: PlannedPrompt) -> tuple[float, float, str]:
    return (choice.gain, -choice.gpu_seconds, choice.key)
