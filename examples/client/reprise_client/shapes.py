"""The objects that Reprise answers with, as types. `/docs` on a server says what each field means."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Status = Literal["queued", "in_progress", "completed", "failed"]
VerdictWord = Literal["exact", "near", "joined", "miss", "bypass"]


class Failure(TypedDict):
    code: str
    message: str


class RefusedClip(TypedDict):
    similarity: float | None
    reason: str
    clip: str | None


class RepriseDetail(TypedDict):
    """How a video was found and what it cost. Newer servers may send more."""

    verdict: VerdictWord
    similarity: float | None
    confidence: float | None
    clip: str | None
    url: str | None
    thumbnail_url: str | None
    preview_url: str | None
    matched_prompt: str | None
    age_seconds: int | None
    picture: str | None
    take: int | None
    gpu_seconds: float
    gpu_seconds_saved: float
    queue_position: int | None
    eta_ms: int | None
    stage: str | None
    steps_skipped: int
    assisted: dict[str, Any] | None
    stages_ms: dict[str, int]
    steps_ms: list[int]
    peak_memory_gb: float | None
    refused: list[RefusedClip]
    notes: list[str]


class Video(TypedDict):
    id: str
    object: Literal["video"]
    created_at: int
    completed_at: int | None
    expires_at: int | None
    model: str
    progress: int
    prompt: str | None
    remixed_from_video_id: str | None
    seconds: str
    size: str
    status: Status
    error: Failure | None
    user: str | None
    metadata: dict[str, str] | None
    reprise: RepriseDetail


class UserRequest(TypedDict):
    """What is held of one request of an end user."""

    id: str
    object: Literal["user.request"]
    user: str
    created_at: int
    completed_at: int | None
    deleted_at: int | None
    prompt: str | None
    negative_prompt: str | None
    model: str
    seconds: str
    size: str
    quality: str
    seed: int | None
    priority: str
    scope: Literal["tenant", "user"]
    verdict: VerdictWord
    clip: str | None
    error: str | None
    tags: list[str]
    metadata: dict[str, str]
    notes: list[str]
    webhook: dict[str, str] | None
    feedback: list[dict[str, Any]]


class Model(TypedDict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    reprise: dict[str, Any]
