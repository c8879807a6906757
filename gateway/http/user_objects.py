"""The objects that the routes of end users answer with, made of what is held. Pure."""

from __future__ import annotations

from cache.storage.requests.end_users import KeptRequest
from cache.variant import is_tenant_wide
from gateway.answering.end_users import ErasedUser
from gateway.http.user_shapes import DeletedUser, UserFeedback, UserRequest, UserRequestPage, UserWebhook
from gateway.http.video_objects import length_text


def user_request(end_user: str, kept: KeptRequest) -> UserRequest:
    request, recipe = kept.request, kept.request.recipe
    webhook = None if kept.webhook_url is None or kept.webhook_state is None else UserWebhook(kept.webhook_url, kept.webhook_state)
    return UserRequest(
        id=request.id,
        object="user.request",
        user=end_user,
        created_at=int(request.created_at),
        completed_at=None if request.completed_at is None else int(request.completed_at),
        deleted_at=None if kept.deleted_at is None else int(kept.deleted_at),
        prompt=request.prompt,
        negative_prompt=recipe.negative_prompt or None,
        model=recipe.model,
        seconds=length_text(recipe.seconds),
        size=recipe.size,
        quality=recipe.quality,
        seed=request.pinned_seed,
        priority=request.priority,
        scope="tenant" if is_tenant_wide(request.scope) else "user",
        verdict=request.verdict,
        clip=request.clip_id,
        error=request.error_code,
        tags=list(request.tags),
        metadata=dict(request.metadata),
        notes=list(request.notes),
        webhook=webhook,
        feedback=[UserFeedback(satisfied, int(at)) for satisfied, at in kept.said],
    )


def user_page(end_user: str, found: list[KeptRequest], has_more: bool) -> UserRequestPage:
    shown = [user_request(end_user, kept) for kept in found]
    first, last = (shown[0].id, shown[-1].id) if shown else (None, None)
    return UserRequestPage("list", shown, first, last, has_more)


def deleted_user(end_user: str, erased: ErasedUser) -> DeletedUser:
    return DeletedUser(end_user, "user.deleted", True, erased.requests, erased.clips)
