"""The table that turns the verifier's word into a probability, and what it may be used with. Pure but for `load_table`."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from cache.matching.rules.slots import read


@dataclass(frozen=True)
class Entailment:
    """The verifier's word on one pair, as a logit: the cached prompt is the premise, the new one the hypothesis."""

    forward: float


# What a pair's own probability is made of, beside a bias; a table names its weight for each.
FEATURES = (
    "forward", "similarity", "unmatched", "extra", "length", "overlap", "sure", "near", "sure_and_near", "shuffled",
)  # fmt: skip
_CAP = 6.0  # logits and words beyond it say no more


def features(new: str, cached: str, similarity: float, entailment: Entailment) -> tuple[float, ...]:
    """`unmatched`: content words asked for that the clip's prompt lacks; `extra`: those it has beyond what was asked;
    `shuffled`: of prompts that have the very same words the share that stands in another order, as in "a dog chases a cat" and
    "a cat chases a dog".
    """
    left, right = read(new), read(cached)
    asked, there = left.asked, right.asked
    forward = max(-_CAP, min(_CAP, entailment.forward))
    overlap = len(asked & there) / max(1, len(asked | there))
    shuffled = 0.0
    if asked == there and asked:
        shuffled = 1.0 - _in_order(left.content, right.content) / min(len(left.content), len(right.content))
    return (
        forward,
        similarity,
        min(_CAP, float(len(asked - there))),
        math.log1p(len(there - asked)),
        math.log1p(len(asked)),
        overlap,
        forward * overlap,
        similarity * similarity,
        forward * similarity,
        shuffled,
    )


def _in_order(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """The length of their longest common subsequence, a bit for each word of `one` (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for at, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << at
    whole = (1 << len(one)) - 1
    row = whole
    for word in other:
        met = row & places.get(word, 0)
        row = (row + met | row - met) & whole
    return len(one) - row.bit_count()


@dataclass(frozen=True)
class Calibration:
    """Holds for one embedder and one verifier, named by version; for others it is no table at all.

    `prior` is the share of right answers among nearest candidates over `floor`, measured in a replay. `kept` maps a
    pair's own probability to the share of right answers among all pairs at least as sure: serving whatever reaches
    1 - w there keeps the share of wrong hits at w, the hits' own tail-area rate (Efron's Fdr, one-sided).
    """

    embedder: str
    verifier: str
    floor: float
    prior: float
    bias: float
    weights: tuple[float, ...]
    kept: tuple[tuple[float, float], ...]
    version: str

    def holds_for(self, embedder: str, verifier: str) -> bool:
        return (self.embedder, self.verifier) == (embedder, verifier)

    def own(self, new: str, cached: str, similarity: float, entailment: Entailment) -> float:
        """The probability of this pair by itself."""
        values = features(new, cached, similarity, entailment)
        score = self.bias + sum(weight * value for weight, value in zip(self.weights, values, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, score))))

    def hopeless(self, new: str, cached: str, similarity: float, max_wrong: float) -> bool:
        """Whether no word of the verifier could get this pair served, nor even make it more likely right than wrong."""
        # The verifier's word comes in linearly, so its best is at one end.
        best = max(self.own(new, cached, similarity, Entailment(word)) for word in (-_CAP, _CAP))
        return best < 0.5 and self.at_least_as_sure(best) < 1 - max_wrong

    def at_least_as_sure(self, own: float) -> float:
        """The share of right answers among pairs as sure as this one or surer."""
        at = bisect_right(self.kept, (own, math.inf))
        if at == 0:
            return min(own, self.kept[0][1])
        if at == len(self.kept):
            return self.kept[-1][1]
        (left, low), (right, high) = self.kept[at - 1], self.kept[at]
        return low + (high - low) * (own - left) / (right - left)


def load_table(path: Path) -> Calibration:
    table = json.loads(path.read_text())["table"]
    if set(table["weights"]) != set(FEATURES):
        raise ValueError(f"{path} weighs {sorted(table['weights'])}; this judge reads {sorted(FEATURES)}")
    weights = tuple(float(table["weights"][name]) for name in FEATURES)
    kept = tuple((float(own), float(share)) for own, share in table["kept"])
    return Calibration(**{**table, "weights": weights, "kept": kept})
