"""One client's ask and its claim on a Clip or Job. Its id is the public `video_…` id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cache.recipe import Recipe
from cache.verdict import Refusal

VerdictWord = Literal["exact", "near", "joined", "miss", "bypass"]


@dataclass(frozen=True)
class Request:
    """Times are Unix seconds. `prompt` is None once erased, or where texts are not kept.

    It is complete when it has a clip; failed when it has an error code (cancelled: code `cancelled`);
    else it waits for its job.
    """

    id: str
    tenant: str
    scope: str
    created_at: float
    prompt: str | None
    film_key: str
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

    @property
    def open(self) -> bool:
        return self.clip_id is None and self.error_code is None
