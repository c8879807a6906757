"""The shapes of answers about one end user: what is held of him, and what was erased."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cache.verdict import VerdictWord
from gateway.http.texts import ClipId, EndUser, Metadata, Seconds, SizeText, VideoId


class UserFeedback(Struct):
    satisfied: bool
    created_at: int


class UserWebhook(Struct):
    url: str
    state: Literal["waiting", "delivered", "failed"]


class UserRequest(Struct):
    """Everything held of one request of an end user, whatever became of it."""

    id: VideoId
    object: Literal["user.request"]
    user: EndUser
    created_at: int
    completed_at: int | None
    deleted_at: Annotated[int, Meta(description="When you withdrew it; its words are held until it is erased.")] | None
    prompt: Annotated[str, Meta(description="null where prompts are not stored, or once erased.")] | None
    negative_prompt: str | None
    model: str
    seconds: Seconds
    size: SizeText
    quality: str
    seed: int | None
    priority: str
    scope: Literal["tenant", "user"]
    verdict: VerdictWord
    clip: Annotated[ClipId, Meta(description="The clip that answers it; `/v1/videos/{id}/content` has its bytes.")] | None
    error: Annotated[str, Meta(description="The code of a failure.")] | None
    tags: list[str]
    metadata: Metadata
    notes: list[str]
    webhook: UserWebhook | None
    feedback: list[UserFeedback]


class UserRequestPage(Struct):
    object: Literal["list"]
    data: list[UserRequest]
    first_id: VideoId | None
    last_id: VideoId | None
    has_more: bool


class DeletedUser(Struct):
    id: EndUser
    object: Literal["user.deleted"]
    deleted: bool
    requests: Annotated[int, Meta(ge=0, description="Requests that lost their words.")]
    clips: Annotated[int, Meta(ge=0, description="Clips that went out of service with them.")]
