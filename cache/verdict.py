"""What a lookup finds: one of five types, never a flag with a payload."""

from __future__ import annotations

from dataclasses import dataclass

from cache.clip import Clip


@dataclass(frozen=True)
class Candidate:
    """A neighbour, not yet judged. `similarity` is the cosine of the two prompts' vectors."""

    clip_id: str
    prompt: str
    similarity: float


@dataclass(frozen=True)
class Refusal:
    """Why a Candidate was not served. `similarity` is None where none was computed ("seed pinned")."""

    reason: str
    similarity: float | None = None
    confidence: float | None = None
    clip_id: str | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class Exact:
    """Same words, same Recipe."""

    clip: Clip


@dataclass(frozen=True)
class Near:
    """A judged near-duplicate. `confidence` is the calibrated probability that the clip satisfies the prompt."""

    clip: Clip
    similarity: float
    confidence: float
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Joined:
    """The same clip (similarity None) or a judged near-duplicate is being made right now."""

    job_id: str
    similarity: float | None = None
    confidence: float | None = None
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Miss:
    """Looked, and nothing will do. `donor` may be close enough to start from."""

    refused: tuple[Refusal, ...] = ()
    donor: str | None = None


@dataclass(frozen=True)
class Bypass:
    """We did not look, and why."""

    reason: str


Hit = Exact | Near
Verdict = Exact | Near | Joined | Miss | Bypass
