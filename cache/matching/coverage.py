"""Coverage: the prompts that a clip made for another would answer, nominated by their vectors, decided by the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache.matching.encoding.encoders import Encoders
from cache.matching.judge import Accepted, before_verifier, judge

_BLOCK = 512  # rows of similarities held at a time
_LIKELY = 0.5  # cosine under which so few pairs are accepted that a plan's time is better spent on others


@dataclass(frozen=True)
class Cover:
    """A clip for prompt `by` would answer prompt `of`; both are places in the list asked about."""

    by: int
    of: int
    confidence: float


@dataclass(frozen=True)
class CoverCandidate:
    by: int
    of: int
    similarity: float


def nominate(vectors: NDArray[np.float32], worth: Sequence[float], nearest: int, most: int, floor: float = _LIKELY) -> list[CoverCandidate]:
    """For each prompt its `nearest` neighbours over `floor` as those that may cover it; at most `most` pairs in all, of
    the prompts that are worth most. `vectors` are of length 1.
    """
    found: list[CoverCandidate] = []
    for start in range(0, len(vectors), _BLOCK):
        scores = vectors[start : start + _BLOCK] @ vectors.T
        for row, line in enumerate(scores):
            line[start + row] = -1.0
            for by in np.argsort(-line, kind="stable")[:nearest]:
                if line[by] < floor:
                    break
                found.append(CoverCandidate(int(by), start + row, float(line[by])))
    found.sort(key=lambda one: (-worth[one.of] * one.similarity, one.of, one.by))
    return found[:most]


def judge_nominees(
    prompts: Sequence[str], nominees: Sequence[CoverCandidate], encoders: Encoders, max_wrong: float, both_ways: bool = False
) -> list[Cover]:
    """`both_ways`: a clip that shows more than is asked does not do, either.

    Blocking, a few milliseconds for each pair that gets as far as the verifier: call it in a thread, in portions.
    """
    left = []
    for one in nominees:
        new, cached = prompts[one.of], prompts[one.by]
        if encoders.verifier is None or encoders.embedder.refuses(new) or encoders.embedder.refuses(cached):
            continue
        refused = before_verifier(new, cached, one.similarity, encoders.calibration, max_wrong)
        if refused is None and encoders.verifier.refuses(new, cached) is None:
            left.append(one)
    if encoders.verifier is None or not left:
        return []
    words = encoders.verifier.score_now([(prompts[one.of], prompts[one.by]) for one in left])
    covers = []
    for one, entailment in zip(left, words, strict=True):
        judgement = judge(prompts[one.of], prompts[one.by], one.similarity, entailment, encoders.calibration, max_wrong)
        if isinstance(judgement, Accepted):
            covers.append(Cover(one.by, one.of, judgement.confidence))
    if not both_ways or not covers:
        return covers
    similarity = {(one.by, one.of): one.similarity for one in left}
    turned = [CoverCandidate(one.of, one.by, similarity[one.by, one.of]) for one in covers]
    back = {(one.of, one.by) for one in judge_nominees(prompts, turned, encoders, max_wrong)}
    return [one for one in covers if (one.by, one.of) in back]
