"""Will this clip do? Slots, similarity and verifier become one calibrated probability. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cache.matching.calibration import Calibration, Entailment
from cache.matching.rules.slots import difference, read
from cache.matching.rules.takeover import takeover

__all__ = ["Calibration", "Entailment", "Judgement", "Refused", "Served", "before_verifier", "judge"]


@dataclass(frozen=True)
class Served:
    """`confidence`: the share of clips that satisfy the new prompt, among hits at least as sure as this one."""

    confidence: float


@dataclass(frozen=True)
class Refused:
    """`confidence` is this pair's own probability; 0 where a rule refused it."""

    reason: str
    confidence: float


Judgement = Served | Refused
_UNRELATED = 0.5  # similarity under which two prompts hardly ever show one thing


def before_verifier(new: str, cached: str, similarity: float, calibration: Calibration | None, max_wrong: float = 1.0) -> Refused | None:
    """What needs no verifier to be refused; None when the verifier's word is wanted.

    Slots go before the floor: they are cheap, sure, and their reason is one that a person understands. Of a clip of
    something else they would say that its square is no triangle; there the similarity says more. With the `max_wrong` that it will
    be judged by, a pair that no word of the verifier could save is refused here too.
    """
    if calibration is None:
        return Refused("near hits are off: no table for this encoder and verifier", 0.0)
    if read(new).foreign or read(cached).foreign:
        return Refused("language: the judge reads English only", 0.0)
    reason = _by_rule(new, cached) if similarity >= _UNRELATED else None
    if reason is not None:
        return Refused(reason, 0.0)
    if similarity < calibration.floor:
        return Refused(f"similarity {similarity:.2f} is under {calibration.floor:.2f}", 0.0)
    if calibration.hopeless(new, cached, similarity, max_wrong):
        return Refused("too few words in common", 0.0)
    return None


@lru_cache(maxsize=16_384)
def _by_rule(new: str, cached: str) -> str | None:
    """Popular prompts meet the same neighbours again and again."""
    asked, there = read(new), read(cached)
    return difference(asked, there) or takeover(asked.plain, there.plain)


def judge(
    new: str,
    cached: str,
    similarity: float,
    entailment: Entailment | None,
    calibration: Calibration | None,
    max_wrong: float,
) -> Judgement:
    """Served when the share of wrong hits stays at `max_wrong` or less. Deterministic: a prompt does not flip."""
    refused = before_verifier(new, cached, similarity, calibration)
    if refused is not None:
        return refused
    if calibration is None or entailment is None:
        return Refused("near hits are off: no verifier", 0.0)
    own = calibration.own(new, cached, similarity, entailment)
    confidence = calibration.at_least_as_sure(own)
    if 1 - confidence <= max_wrong:
        return Served(confidence)
    return Refused(f"not sure enough: {own:.3f}", own)
