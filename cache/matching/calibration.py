"""The calibration table: it turns the verifier's score into a probability, for the models that it names. Pure except `load_table`."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cache.matching.rules.slots import read
from cache.prompt import is_chinese


@dataclass(frozen=True)
class Entailment:
    """The verifier's word on one pair, as a logit: the cached prompt is the premise, the new one the hypothesis."""

    forward: float


# What a pair's own probability is made of, beside a bias; a table names its weight for each. The first two may only help and the last
# only hurt, so that nothing outvotes the verifier; how many words a clip's prompt has, or lacks, is the verifier's affair.
FEATURES = ("forward", "similarity", "shuffled")
_CAP = 6.0  # logits beyond it say no more


def features(new: str, cached: str, similarity: float, entailment: Entailment) -> tuple[float, ...]:
    """`shuffled`: of prompts that have the very same words the share that stands in another order, as in "a dog chases a cat" and
    "a cat chases a dog".
    """
    left, right = read(new), read(cached)
    shuffled = 0.0
    if left.asked == right.asked and left.asked and not is_chinese(new, cached):
        shuffled = 1.0 - _in_order(left.content, right.content) / min(len(left.content), len(right.content))
    return max(-_CAP, min(_CAP, entailment.forward)), similarity, shuffled


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

    `least` is the verifier's word under which nothing is served, whatever else speaks for it: points of similarity and word, the
    nearer two prompts are the lower, and never under 0, where it says no. `chinese` is the table of pairs with
    Chinese in them, where the verifier reads it. `between` is the cosine under which nothing is served across the languages.
    `prior` is the share of right answers among nearest candidates over `floor`, measured in a replay, `judged` that among those of
    them that rules leave to the verifier. `kept` maps a
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
    least: tuple[tuple[float, float], ...] = ((0.0, -_CAP),)
    judged: float | None = None
    between: float = 0.0
    chinese: Calibration | None = None

    def of(self, new: str, cached: str) -> Calibration:
        """The table for these two prompts."""
        return self.chinese if self.chinese is not None and is_chinese(new, cached) else self

    def holds_for(self, embedder: str, verifier: str) -> bool:
        return (self.embedder, self.verifier) == (embedder, verifier)

    def own(self, new: str, cached: str, similarity: float, entailment: Entailment) -> float:
        """The probability of this pair by itself."""
        values = features(new, cached, similarity, entailment)
        score = self.bias + sum(weight * value for weight, value in zip(self.weights, values, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, score))))

    def least_word(self, similarity: float) -> float:
        """The verifier's word under which a pair of this similarity is not served."""
        at = bisect_right(self.least, (similarity, math.inf))
        if at == 0:
            return self.least[0][1]
        return self.least[-1][1] if at == len(self.least) else _between(self.least[at - 1], self.least[at], similarity)

    def least_similarity(self, new: str, cached: str) -> float:
        """The cosine under which this pair is not served. Hardly any rule reads both of two languages, so they must be nearer."""
        return max(self.floor, self.between) if is_chinese(new) != is_chinese(cached) else self.floor

    def hopeless(self, new: str, cached: str, similarity: float, max_wrong: float) -> bool:
        """True if no word of the verifier could get this pair served, nor even make it more likely right than wrong."""
        best = self.own(new, cached, similarity, Entailment(_CAP))
        return best < 0.5 and self.at_least_as_sure(best) < 1 - max_wrong

    def at_least_as_sure(self, own: float) -> float:
        """The share of right answers among pairs as sure as this one or surer."""
        at = bisect_right(self.kept, (own, math.inf))
        if at == 0:
            return min(own, self.kept[0][1])
        if at == len(self.kept):
            return self.kept[-1][1]
        return _between(self.kept[at - 1], self.kept[at], own)


def _between(one: tuple[float, float], other: tuple[float, float], at: float) -> float:
    return one[1] + (other[1] - one[1]) * (at - one[0]) / (other[0] - one[0])


def load_table(path: Path) -> Calibration:
    """The table of English; that of Chinese is in it, where there is one."""
    told = json.loads(path.read_text())["table"]
    chinese = told.pop("chinese", None)
    shared = {name: told[name] for name in ("embedder", "verifier", "version")}
    return replace(_read(told, path), chinese=None if chinese is None else _read({**chinese, **shared}, path))


def _read(table: dict[str, Any], path: Path) -> Calibration:
    if set(table["weights"]) != set(FEATURES):
        raise ValueError(f"{path} has weights for {sorted(table['weights'])}; this judge reads {sorted(FEATURES)}")
    forward, similarity, shuffled = weights = tuple(float(table["weights"][name]) for name in FEATURES)
    if forward <= 0 or similarity < 0 or shuffled > 0:
        raise ValueError(f"{path} lets something outvote the verifier: {table['weights']}")
    kept = tuple((float(own), float(share)) for own, share in table["kept"])
    told = table.get("least", -_CAP)
    least = tuple((float(near), float(word)) for near, word in (told if isinstance(told, list) else [(0.0, told)]))
    words = [word for _, word in least]
    if words != sorted(words, reverse=True):
        raise ValueError(f"{path} asks more of the verifier the nearer two prompts are: {told}")
    return Calibration(**{**table, "weights": weights, "kept": kept, "least": least})
