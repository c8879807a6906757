"""What to make ahead of time: how often each film will be asked for, and the few that answer most of it. Pure.

Popularity works before a film was ever made: it is counted in asks, whatever their verdict was. What is chosen is a set:
two prompts that would answer the same asks are worth little more than one of them, so the gain of each is what it answers
beyond those before it (greedy maximum coverage; at least 1 - 1/e of the best set, where all cost the same).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf, log

_SEEN_OFTEN = 5  # asks from which a count is believed as it is


@dataclass(frozen=True)
class Asks:
    """`count` asks at about one time (Unix seconds)."""

    at: float
    count: int


@dataclass(frozen=True)
class Option:
    """What could be made: the films it would answer, itself included, and what it costs in GPU-seconds."""

    covers: frozenset[str]
    gpu_seconds: float


@dataclass(frozen=True)
class Choice:
    """`gain`: expected hits beyond those of the choices before it. `covers`: the films that make it up."""

    key: str
    gain: float
    gpu_seconds: float
    covers: tuple[str, ...]


def decayed(asks: Iterable[Asks], now: float, half_life: float) -> float:
    """Asks, each counting half as much for every `half_life` seconds that it lies back."""
    return float(sum(one.count * 0.5 ** (max(0.0, now - one.at) / half_life) for one in asks))


def expected_hits(asks: Sequence[Asks], now: float, half_life: float, watched: float, horizon: float) -> float:
    """Asks to come in `horizon` seconds if they go on as they did; `watched` is how long anybody counted, in seconds.

    A steady rate r leaves r * half_life / ln 2 decayed asks after a long time, and that times 1 - 0.5 ** (watched /
    half_life) after a shorter one.
    """
    if watched <= 0:
        return 0.0
    settled = half_life / log(2) * (1 - 0.5 ** (watched / half_life))
    return float(decayed(asks, now, half_life) / settled * horizon)


@dataclass(frozen=True)
class Repeats:
    """How much of a count comes again (Good and Turing): most of what was asked once is never asked again.

    Of films asked r times, the next time of the same length brings (r + 1) * N[r + 1] / N[r] asks each, N[r] being the
    number of films that were asked r times.
    """

    shares: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Iterable[int]) -> Repeats:
        films = Counter(counts)
        shares, before = {}, 0.0
        for count in range(1, _SEEN_OFTEN):
            again = (count + 1) * (films[count + 1] + 1) / (films[count] + 1) / count
            before = shares[count] = max(before, min(1.0, again))
        return cls(shares)

    def share(self, count: int) -> float:
        return self.shares.get(count, 1.0)


def choose(options: Mapping[str, Option], worth: Mapping[str, float], most: int, gpu_seconds: float = inf) -> list[Choice]:
    """At most `most` options for at most `gpu_seconds`, by expected hits gained per GPU-second; nothing without a gain.

    Gains only shrink as others are chosen, so an option is counted anew only when it comes up (lazy greedy). Where the
    GPU-seconds run out, one big option may be worth more than all the small ones: then it is that one.
    """
    fits = {key: option for key, option in options.items() if option.gpu_seconds <= gpu_seconds}
    chosen = _greedy(fits, worth, most, gpu_seconds) if most > 0 else []
    alone = max((_choice(key, option, worth, frozenset()) for key, option in fits.items()), key=_by_gain, default=None)
    if most > 0 and alone is not None and alone.gain > sum(choice.gain for choice in chosen):
        return [alone]
    return chosen


def _greedy(options: Mapping[str, Option], worth: Mapping[str, float], most: int, gpu_seconds: float) -> list[Choice]:
    covered: frozenset[str] = frozenset()
    chosen: list[Choice] = []
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


def _choice(key: str, option: Option, worth: Mapping[str, float], covered: frozenset[str]) -> Choice:
    news = sorted(option.covers - covered, key=lambda film: (film != key, -worth.get(film, 0.0), film))
    return Choice(key, sum(worth.get(film, 0.0) for film in news), option.gpu_seconds, tuple(news))


def _rank(choice: Choice) -> tuple[float, float, str]:
    """Smallest first: gain per GPU-second, then gain, then the key, so that the same requests make the same plan."""
    return (-choice.gain / max(choice.gpu_seconds, 1e-9), -choice.gain, choice.key)


def _by_gain(choice: Choice) -> tuple[float, float, str]:
    return (choice.gain, -choice.gpu_seconds, choice.key)
