"""A Request: one client's ask and its claim on a Clip or Job. Its id is the public `video_…` id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cache.recipe import Recipe
from cache.variant import asker_of
from cache.verdict import Refusal, VerdictWord


@dataclass(frozen=True)
class Request:
    """A request's row. Times are Unix seconds. `prompt` is None once erased, or where prompts are not stored. `end_user` and
    `metadata` are the client's own words, which mean nothing to us.

    It is completed when it has a clip, failed when it has an error code (`cancelled` if cancelled);
    otherwise it waits for its job.
    """

    id: str
    tenant: str
    scope: str
    created_at: float
    prompt: str | None
    spec_key: str
    recipe: Recipe
    pinned_seed: int | None
    take: int | None
    priority: str
    verdict: VerdictWord
    tags: tuple[str, ...] = ()
    no_store: bool = False
    reason: str | None = None
    similarity: float | None = None
    confidence: float | None = None
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    clip_id: str | None = None
    job_id: str | None = None
    gpu_seconds_saved: float = 0.0
    error_code: str | None = None
    error_message: str | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    key_id: str | None = None
    end_user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def asker(self) -> str | None:
        return asker_of(self.tenant, self.end_user)

    def expired(self, now: float) -> bool:
        """Its bytes are given to its client no more; its clip may answer others."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def open(self) -> bool:
        return self.clip_id is None and self.error_code is None
