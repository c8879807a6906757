"""The table that turns the verifier's word into a probability, and what it may be used with. Pure but for `load`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entailment:
    """The verifier's word on one pair, as a logit: the cached prompt is the premise."""

    forward: float


@dataclass(frozen=True)
class Calibration:
    """Holds for one embedder and one verifier, named by version; for others it is no table at all."""

    embedder: str
    verifier: str
    floor: float
    bias: float
    forward: float
    backward: float
    similarity: float

    def holds_for(self, embedder: str, verifier: str) -> bool:
        return self.embedder == embedder and self.verifier == verifier

    def probability(self, new: str, cached: str, similarity: float, entailment: Entailment) -> float:
        score = (
            self.bias
            + self.forward * entailment.forward
            + self.backward * entailment.backward
            + self.similarity * similarity
        )
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, score))))


def load(path: Path) -> Calibration:
    return Calibration(**json.loads(path.read_text())["table"])
