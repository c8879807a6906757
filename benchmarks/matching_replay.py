"""People describing clips, in arrival order: who asks for what was asked before?"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching_gptcache import open_gptcache
from benchmarks.matching_rows import wilson
from cache.matching.encoding.encoders import Encoders
from cache.matching.judge import Accepted, before_verifier, judge
from training.judge.sources import division, rows

NEAREST = 8  # candidates of a lookup
ASKED = 2  # pairs that the verifier reads for one


@dataclass(frozen=True)
class Arrival:
    prompt: str
    clip: str


@dataclass
class Run:
    """A hit is wrong when it is another clip's: an upper bound, since two clips may well share a caption."""

    name: str
    asks: int = 0
    hits: int = 0
    wrong: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)

    def count(self, hit: str | None, clip: str) -> None:
        self.asks += 1
        if hit is not None:
            self.hits += 1
            self.wrong += hit != clip
        if self.asks % 100 == 0:
            self.curve.append((self.asks, self.hits / self.asks))

    def line(self) -> list[str]:
        low, high = wilson(self.wrong, self.hits)
        return [
            self.name,
            str(self.asks),
            f"{self.hits / self.asks:.1%}",
            str(self.wrong),
            f"{self.wrong / max(1, self.hits):.1%} [{low:.1%}, {high:.1%}]",
        ]


def arrivals(data: Path, count: int, sources: frozenset[str] | None = None) -> list[Arrival]:
    """English captions of clips that trained nothing, five of a clip at most, shuffled as they might come."""
    groups = division(data)
    clips = [row for row in rows(data / "clips_dev.jsonl.gz") if row["lang"] == "en" and (sources is None or row["source"] in sources)]
    clips = [row for row in clips if not row["source"].startswith("vatex") or groups.held(row["clip"])]
    rng = random.Random(9)
    rng.shuffle(clips)
    # The videos first: their captions are closest to prompts.
    clips.sort(key=lambda row: row["source"].startswith("flickr"))
    found: list[Arrival] = []
    for row in clips:
        if len(found) >= count:
            break
        found += [Arrival(caption, row["clip"]) for caption in dict.fromkeys(row["captions"][:5])]
    rng.shuffle(found)
    return found[:count]


def replay_all(asks: list[Arrival], encoders: Encoders, max_wrong: float, strict: float) -> dict[str, Run]:
    texts = sorted({ask.prompt for ask in asks}, key=len)
    vectors = dict(zip(texts, encoders.embedder.embed_now(texts), strict=True))
    runs = {
        run.name: run for run in (_reprise(asks, encoders, vectors, max_wrong), _cosine(asks, vectors, 0.8), _cosine(asks, vectors, strict))
    }
    for name, threshold in (("GPTCache default", 0.8), ("GPTCache best", 0.5 + strict / 2)):
        run = _gptcache(name, asks, vectors, threshold)
        if run is not None:
            runs[run.name] = run
    return runs


class _Shelf:
    def __init__(self, size: int, dimension: int) -> None:
        self.vectors = np.zeros((size, dimension), np.float32)
        self.held: list[Arrival] = []

    def add(self, ask: Arrival, vector: NDArray[np.float32]) -> None:
        self.vectors[len(self.held)] = vector
        self.held.append(ask)

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[tuple[Arrival, float]]:
        scores = self.vectors[: len(self.held)] @ vector
        best = np.argsort(-scores)[:count]
        return [(self.held[at], float(scores[at])) for at in best]


def _reprise(asks: list[Arrival], encoders: Encoders, vectors: dict[str, NDArray[np.float32]], max_wrong: float) -> Run:
    run, shelf, exact = Run("Reprise"), _Shelf(len(asks), encoders.embedder.dimension), dict[str, str]()
    assert encoders.verifier is not None
    for ask in asks:
        hit = exact.get(ask.prompt)
        read = 0
        for candidate, similarity in [] if hit is not None else shelf.nearest(vectors[ask.prompt], NEAREST):
            if before_verifier(ask.prompt, candidate.prompt, similarity, encoders.calibration, max_wrong) is not None:
                continue
            if read == ASKED:
                break
            read += 1
            (entailment,) = encoders.verifier.score_now([(ask.prompt, candidate.prompt)])
            if isinstance(judge(ask.prompt, candidate.prompt, similarity, entailment, encoders.calibration, max_wrong), Accepted):
                hit = candidate.clip
                break
        run.count(hit, ask.clip)
        if hit is None:
            shelf.add(ask, vectors[ask.prompt])
            exact[ask.prompt] = ask.clip
    return run


def _cosine(asks: list[Arrival], vectors: dict[str, NDArray[np.float32]], threshold: float) -> Run:
    run, shelf = Run(f"cosine {threshold:.3f}"), _Shelf(len(asks), len(next(iter(vectors.values()))))
    for ask in asks:
        best = shelf.nearest(vectors[ask.prompt], 1)
        hit = best[0][0].clip if best and best[0][1] >= threshold else None
        run.count(hit, ask.clip)
        if hit is None:
            shelf.add(ask, vectors[ask.prompt])
    return run


def _gptcache(name: str, asks: list[Arrival], vectors: dict[str, NDArray[np.float32]], threshold: float) -> Run | None:
    with tempfile.TemporaryDirectory() as folder:
        cache = open_gptcache(Path(folder), vectors, threshold)
        if cache is None:
            return None
        from gptcache.adapter.api import get, put  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        run = Run(f"{name} {threshold:.3f}")
        for ask in asks:
            hit = get(ask.prompt, cache_obj=cache)
            run.count(hit, ask.clip)
            if hit is None:
                put(ask.prompt, ask.clip, cache_obj=cache)
        return run


def prior(asks: list[Arrival], encoders: Encoders, floor: float) -> tuple[float, int]:
    """The share of right answers among nearest candidates over the floor, everything asked being kept."""
    texts = sorted({ask.prompt for ask in asks}, key=len)
    vectors = dict(zip(texts, encoders.embedder.embed_now(texts), strict=True))
    shelf, right, over = _Shelf(len(asks), encoders.embedder.dimension), 0, 0
    for ask in asks:
        best = shelf.nearest(vectors[ask.prompt], 1)
        if best and best[0][1] >= floor:
            over += 1
            right += best[0][0].clip == ask.clip
        shelf.add(ask, vectors[ask.prompt])
    return right / max(1, over), over
