"""Will this clip do? Slots, similarity and verifier become one calibrated probability. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cache.matching.calibration import Calibration, Entailment
from cache.matching.reading.slips import mended
from cache.matching.rules.chinese.additions import additions_chinese
from cache.matching.rules.chinese.differences import difference_between, difference_chinese
from cache.matching.rules.chinese.facts import read_chinese
from cache.matching.rules.retractions import takeover
from cache.matching.rules.slots import difference, read
from cache.matching.rules.unsaid import missed, word_needed
from cache.prompt import is_chinese
from cache.verdict import NOT_SAID, SAYS_NO

__all__ = ["LEAST_SIMILARITY", "Accepted", "Calibration", "Entailment", "Judgement", "Rejected", "before_verifier", "judge"]


@dataclass(frozen=True)
class Accepted:
    """`confidence`: the share of clips that satisfy the new prompt, among hits at least as sure as this one."""

    confidence: float


@dataclass(frozen=True)
class Rejected:
    """`confidence` is this pair's own probability; 0 where a rule refused it."""

    reason: str
    confidence: float


Judgement = Accepted | Rejected
LEAST_SIMILARITY = 0.35  # cosine under which two prompts hardly ever show one thing, and no judge was ever seen to accept
_TELLING = 0.5  # from here on the reason of a rule says more than the similarity


def before_verifier(new: str, cached: str, similarity: float, calibration: Calibration | None, max_wrong: float = 1.0) -> Rejected | None:
    """The refusal that needs no verifier; None when the verifier's word is wanted.

    Slots go before the floor: they are cheap, sure, and their reason is one that a person understands. Of a clip of
    something else they would say that its square is no triangle; there the similarity says more. With the `max_wrong` that it will
    be judged by, a pair that no word of the verifier could save is refused here too.
    """
    if calibration is None:
        return Rejected("near hits are off: no table for this encoder and verifier", 0.0)
    new, cached = mended(new, cached)
    calibration = calibration.of(new, cached)
    if read(new).foreign or read(cached).foreign:
        return Rejected("language: the judge reads English and Chinese only", 0.0)
    least = calibration.least_similarity(new, cached)
    reason = by_rule(new, cached) if similarity >= min(least, _TELLING) else None
    if reason is not None:
        return Rejected(reason, 0.0)
    if similarity < least:
        return Rejected(f"similarity {similarity:.2f} is under {least:.2f}", 0.0)
    if calibration.hopeless(new, cached, similarity, max_wrong):
        return Rejected("too few words in common", 0.0)
    return None


@lru_cache(maxsize=16_384)
def by_rule(new: str, cached: str) -> str | None:
    """The difference that a rule sees. Popular prompts meet the same neighbours again and again, so pairs are remembered."""
    new, cached = mended(new, cached)
    chinese, chinese_there = is_chinese(new), is_chinese(cached)
    if chinese and chinese_there:
        asked, there = read_chinese(new), read_chinese(cached)
        return difference_chinese(asked, there) or additions_chinese(asked.written, there.written)
    asked, there = (read_chinese(text) if is_chinese(text) else read(text) for text in (new, cached))
    if chinese or chinese_there:
        return difference_between(asked, there)
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
        return Rejected("near hits are off: no verifier", 0.0)
    new, cached = mended(new, cached)
    calibration = calibration.of(new, cached)
    own = calibration.own(new, cached, similarity, entailment)
    if entailment.forward < calibration.least_word(similarity):
        return Rejected(f"{SAYS_NO}: {own:.3f}", own)
    needed = word_needed(new, cached, similarity)
    if needed is not None and entailment.forward < needed:
        return Rejected(f"{NOT_SAID}: {', '.join(missed(new, cached))}", own)
    confidence = calibration.at_least_as_sure(own)
    if 1 - confidence <= max_wrong:
        return Accepted(confidence)
    return Rejected(f"not sure enough: {own:.3f}", own)
