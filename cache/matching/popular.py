"""Popular prompts: the requested Specs, which of them would answer which, and the best few to render."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from cache.matching.coverage import Cover, judge_nominees, nominate
from cache.matching.encoding.encoders import Encoders
from cache.planning import Asks, Option, Repeats, choose_prompts, expected_hits

_PORTION = 64  # pairs judged between two looks at whether anybody still wants to know


@dataclass(frozen=True)
class WantedSpec:
    """A Spec as it was asked for, by its key. Specs of different `group`s (Recipes) never answer each other."""

    key: str
    prompt: str
    asks: tuple[Asks, ...]
    gpu_seconds: float
    group: str = ""

    @property
    def count(self) -> int:
        return sum(one.count for one in self.asks)


@dataclass(frozen=True)
class Outlook:
    """The time of the question and how far ahead it looks: all in seconds. `watched`: how long asks were counted."""

    now: float
    half_life: float
    watched: float
    horizon: float


@dataclass(frozen=True)
class Bounds:
    """`budget` prompts for at most `gpu_seconds`, chosen among `specs`, after at most `pairs` were put to the judge."""

    budget: int
    gpu_seconds: float = inf
    specs: int = 2000
    pairs: int = 4000
    nearest: int = 6
    both_ways: bool = False  # see judge_nominees


@dataclass(frozen=True)
class Covered:
    wanted: WantedSpec
    confidence: float


@dataclass(frozen=True)
class Proposal:
    """`expected_hits` within the horizon, beyond those of the proposals before it. `covers`: others than itself."""

    wanted: WantedSpec
    expected_hits: float
    covers: tuple[Covered, ...] = ()


@dataclass(frozen=True)
class Proposed:
    proposals: list[Proposal] = field(default_factory=list)
    specs: int = 0
    pairs: int = 0

    @property
    def expected_hits(self) -> float:
        return sum(one.expected_hits for one in self.proposals)


def propose(
    specs: Sequence[WantedSpec],
    encoders: Encoders | None,
    max_wrong: float,
    outlook: Outlook,
    bounds: Bounds,
    stop: threading.Event | None = None,
) -> Proposed:
    """Blocking, seconds to minutes: call it in a thread. Without `encoders` only the same words answer each other.

    `stop` set ends it early, with what was judged until then.
    """
    worth = {one.key: expected_hits(one.asks, outlook.now, outlook.half_life, outlook.watched, outlook.horizon) for one in specs}
    looked = sorted(specs, key=lambda one: (-worth[one.key], one.key))[: bounds.specs]
    pairs, covers = _covers(looked, worth, encoders, max_wrong, bounds, stop or threading.Event())
    # A Spec is as sure to come again as all that mean the same are together.
    support = {one.key: one.count for one in looked}
    for cover in covers:
        support[looked[cover.of].key] += looked[cover.by].count
    repeats = Repeats.of(one.count for one in specs)
    worth = {one.key: worth[one.key] * repeats.share(support[one.key]) for one in looked}
    answered: dict[int, dict[str, Covered]] = {at: {} for at in range(len(looked))}
    for cover in covers:
        answered[cover.by][looked[cover.of].key] = Covered(looked[cover.of], cover.confidence)
    options = {one.key: Option(frozenset({one.key, *answered[at]}), one.gpu_seconds) for at, one in enumerate(looked)}
    place = {one.key: at for at, one in enumerate(looked)}
    chosen = choose_prompts(options, worth, bounds.budget, bounds.gpu_seconds)
    return Proposed(
        [
            Proposal(
                looked[place[one.key]], one.gain, tuple(answered[place[one.key]][spec] for spec in one.covers if spec != one.key)
            )
            for one in chosen
        ],
        len(specs),
        pairs,
    )  # fmt: skip


def _covers(
    specs: Sequence[WantedSpec], worth: dict[str, float], encoders: Encoders | None, max_wrong: float, bounds: Bounds, stop: threading.Event
) -> tuple[int, list[Cover]]:
    """The number of pairs judged, and those accepted, by place in `specs`."""
    if encoders is None or encoders.verifier is None:
        return 0, []
    covers: list[Cover] = []
    judged = 0
    groups: dict[str, list[int]] = {}
    for at, one in enumerate(specs):
        groups.setdefault(one.group, []).append(at)
    for places in groups.values():
        prompts = [specs[at].prompt for at in places]
        vectors = encoders.embedder.embed_now(prompts)
        share = bounds.pairs * len(places) // len(specs)
        nominees = nominate(vectors, [worth[specs[at].key] for at in places], bounds.nearest, share)
        for start in range(0, len(nominees), _PORTION):
            if stop.is_set():
                return judged, covers
            portion = nominees[start : start + _PORTION]
            found = judge_nominees(prompts, portion, encoders, max_wrong, bounds.both_ways)
            covers += [Cover(places[cover.by], places[cover.of], cover.confidence) for cover in found]
            judged += len(portion)
    return judged, covers
