"""The table that turns the verifier's word into a probability, and what it may be used with. Pure but for `load_table`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from cache.matching.slots import read


@dataclass(frozen=True)
class Entailment:
    """The verifier's word on one pair, as a logit: the cached prompt is the premise."""

    forward: float


# What the probability is made of, beside a bias; a table names its weight for each.
FEATURES = ("forward", "similarity", "unmatched", "extra", "length")


def features(new: str, cached: str, similarity: float, entailment: Entailment) -> tuple[float, ...]:
    """`unmatched`: content words asked for that the clip's prompt lacks; `extra`: those it has beyond what was asked."""
    asked, there = set(read(new).content), set(read(cached).content)
    return (
        entailment.forward,
        similarity,
        min(6.0, float(len(asked - there))),
        math.log1p(len(there - asked)),
        math.log1p(len(asked)),
    )


@dataclass(frozen=True)
class Calibration:
    """Holds for one embedder and one verifier, named by version; for others it is no table at all.

    `prior` is the share of right answers that the probabilities assume, measured in a replay.
    """

    embedder: str
    verifier: str
    floor: float
    prior: float
    bias: float
    weights: tuple[float, ...]
    version: str

    def holds_for(self, embedder: str, verifier: str) -> bool:
        return (self.embedder, self.verifier) == (embedder, verifier)

    def probability(self, new: str, cached: str, similarity: float, entailment: Entailment) -> float:
        score = self.bias + sum(
            weight * value for weight, value in zip(self.weights, features(new, cached, similarity, entailment), strict=True)
        )
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, score))))


def load_table(path: Path) -> Calibration:
    table = json.loads(path.read_text())["table"]
    weights = tuple(float(table["weights"][name]) for name in FEATURES)
    if set(table["weights"]) != set(FEATURES):
        raise ValueError(f"{path} weighs {sorted(table['weights'])}; this judge reads {sorted(FEATURES)}")
    return Calibration(**{**table, "weights": weights})
