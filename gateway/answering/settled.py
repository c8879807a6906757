"""The outcomes of a request that no clip answered at first, and its row then. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import assert_never

from cache.clip import Clip
from cache.request import Request
from cache.verdict import Exact, Joined, Near


@dataclass(frozen=True)
class Queued:
    """A new job: no clip fits, and none that fits is being rendered."""

    job_id: str


# What becomes of what no clip answered at first: a clip after all, a job of others, or a job of its own.
Settled = Exact | Near | Joined | Queued


def settled_clip(settled: Settled) -> Clip | None:
    return settled.clip if isinstance(settled, Exact | Near) else None


def settled_job(settled: Settled) -> str | None:
    return settled.job_id if isinstance(settled, Joined | Queued) else None


def claim(draft: Request, settled: Settled) -> Request:
    """The request's row. The draft holds the lookup's verdict (miss or bypass); what was settled under the lock may be better."""
    match settled:
        case Queued(job_id):
            return replace(draft, job_id=job_id)
        case Joined(job_id, similarity, confidence):
            return replace(draft, verdict="joined", job_id=job_id, similarity=similarity, confidence=confidence)
        case Exact():
            return _answered_by(replace(draft, verdict="exact"), settled.clip)
        case Near(_, similarity, confidence):
            return _answered_by(replace(draft, verdict="near", similarity=similarity, confidence=confidence), settled.clip)
        case other:
            assert_never(other)


def _answered_by(request: Request, clip: Clip) -> Request:
    return replace(request, reason=None, clip_id=clip.id, take=clip.take, completed_at=time.time(), gpu_seconds_saved=clip.gpu_seconds)
