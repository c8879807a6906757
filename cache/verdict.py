"""The Verdict on a request: one of five types, never a flag with a payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from cache.assist import Start
from cache.clip import Clip

# How a Refusal begins that no limit would lift, though the pair has a probability: the verifier was asked, and did not say yes.
SAYS_NO, NOT_SAID = "the verifier says no", "not said"


@dataclass(frozen=True)
class Candidate:
    """A neighbour, not yet judged. `similarity` is the cosine of the two prompts' vectors."""

    clip_id: str
    prompt: str
    similarity: float


@dataclass(frozen=True)
class Refusal:
    """The reason that a Candidate was not served. `similarity` is None where none was computed ("seed pinned")."""

    reason: str
    similarity: float | None = None
    confidence: float | None = None
    clip_id: str | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class Exact:
    """A hit with the same words and the same Recipe."""

    clip: Clip


@dataclass(frozen=True)
class Near:
    """A hit by a judged near-duplicate. `confidence`: the probability, expected by the judge, that such a hit is right."""

    clip: Clip
    similarity: float
    confidence: float
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Joined:
    """The same clip (similarity None) or a judged near-duplicate is being rendered already."""

    job_id: str
    similarity: float | None = None
    confidence: float | None = None
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Miss:
    """No clip fits. `donor`: the start from one that was refused, where that is safe."""

    refused: tuple[Refusal, ...] = ()
    donor: Start | None = None


@dataclass(frozen=True)
class Bypass:
    """The cache was not looked up, and the reason."""

    reason: str


Hit = Exact | Near
Verdict = Exact | Near | Joined | Miss | Bypass
VerdictWord = Literal["exact", "near", "joined", "miss", "bypass"]


def word_of(verdict: Verdict) -> VerdictWord:
    """The word for a verdict in rows and in the API."""
    match verdict:
        case Exact():
            return "exact"
        case Near():
            return "near"
        case Joined():
            return "joined"
        case Miss():
            return "miss"
        case Bypass():
            return "bypass"
        case other:
            assert_never(other)
