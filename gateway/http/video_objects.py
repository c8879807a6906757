"""The objects that the API answers with, made of what was found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cache.catalog import ServedModel
from gateway.answering.ask import Answered
from gateway.http.detail_shapes import AssistedClip, RefusedClip, RepriseDetail
from gateway.http.links import LinkOf, no_link
from gateway.http.shapes import Failure, ModelDetail, ModelObject, VideoObject, VideoPage
from generator.job import JobState


def video_object(answered: Answered, link_of: LinkOf = no_link) -> VideoObject:
    """The video object. `seconds` and `size` are those of the clip, if there is one: it may be smaller than requested."""
    request, clip, job = answered.request, answered.clip, answered.job
    recipe = request.recipe if clip is None else clip.recipe
    error = failure_of(answered)
    status: Literal["queued", "in_progress", "completed", "failed"]
    if request.clip_id is not None:
        status, progress = "completed", 100
    elif error is not None:
        status, progress = "failed", 0 if job is None else min(job.progress, 99)
    else:
        status, progress = (
            ("queued", 0) if job is None else ("queued" if job.state is JobState.QUEUED else "in_progress", min(job.progress, 99))
        )
    return VideoObject(
        id=request.id,
        object="video",
        created_at=int(request.created_at),
        completed_at=_whole(request.completed_at),
        expires_at=_whole(request.expires_at),
        model=recipe.model,
        progress=progress,
        prompt=request.prompt,
        remixed_from_video_id=None,
        seconds=length_text(recipe.seconds),
        size=recipe.size,
        status=status,
        error=error,
        user=request.end_user,
        metadata=dict(request.metadata) or None,
        reprise=_detail(answered, link_of),
    )


def _detail(answered: Answered, link_of: LinkOf) -> RepriseDetail:
    request, clip = answered.request, answered.clip
    # Whoever joined shares the render of the one who missed; its cost is told once.
    assisted = _assisted(answered)
    cost = clip.gpu_seconds if clip is not None and request.verdict in {"miss", "bypass"} else 0.0
    linked = clip is not None and clip.state != "withdrawn"
    return RepriseDetail(
        verdict=request.verdict,
        similarity=_rounded(request.similarity),
        confidence=_rounded(request.confidence),
        clip=request.clip_id,
        url=link_of(request, "video") if linked else None,
        thumbnail_url=link_of(request, "thumbnail") if linked else None,
        preview_url=link_of(request, "webp") if linked else None,
        matched_prompt=answered.matched_prompt,
        age_seconds=clip_age(answered),
        picture=request.recipe.picture or None,
        take=request.take if clip is None else clip.take,
        gpu_seconds=round(cost, 3),
        gpu_seconds_saved=round(request.gpu_seconds_saved, 3),
        queue_position=answered.queue_position,
        eta_ms=answered.eta_ms,
        stage=None if answered.job is None else answered.job.stage,
        steps_skipped=0 if assisted is None else assisted.steps_skipped,
        assisted=assisted,
        stages_ms={} if clip is None else {stage: round(ms) for stage, ms in clip.stages_ms.items()},
        steps_ms=[] if clip is None else [round(ms) for ms in clip.steps_ms],
        peak_memory_gb=None if clip is None or clip.peak_bytes is None else round(clip.peak_bytes / 1e9, 2),
        refused=[RefusedClip(_rounded(refusal.similarity), refusal.reason, refusal.clip_id) for refusal in request.refused],
        notes=[*request.notes, *(clip.notes if clip is not None else ())],
    )


def event_of(answered: Answered) -> str:
    """The last event of the video, as event streams and webhooks call it."""
    if answered.request.clip_id is not None:
        return "video.completed"
    return "video.progress" if failure_of(answered) is None else "video.failed"


def _assisted(answered: Answered) -> AssistedClip | None:
    """The assistance of a clip; of one of the shared pool nothing is told: its donor is another tenant's, too."""
    clip = answered.clip
    if clip is None or clip.assistance is None or clip.scope != answered.request.scope:
        return None
    told = clip.assistance
    return AssistedClip(told.start.donor, told.start.kind, answered.donor_prompt, told.steps_skipped, round(told.saved_ms))


def failure_of(answered: Answered) -> Failure | None:
    request, job = answered.request, answered.job
    if request.clip_id is not None:
        return None
    if request.error_code is not None:
        return Failure(request.error_code, request.error_message or request.error_code)
    if job is not None and job.state in {JobState.FAILED, JobState.CANCELLED}:
        # The job closed a moment before its requests did.
        code = job.error_code or ("cancelled" if job.state is JobState.CANCELLED else "render_failed")
        return Failure(code, job.error_message or code)
    return None


def video_page(answers: Sequence[Answered], has_more: bool, link_of: LinkOf = no_link) -> VideoPage:
    videos = [video_object(answered, link_of) for answered in answers]
    first, last = (videos[0].id, videos[-1].id) if videos else (None, None)
    return VideoPage("list", videos, first, last, has_more)


def clip_age(answered: Answered) -> int | None:
    """Seconds between the making of the clip and the request that it answers; None for what is no hit."""
    if answered.clip is None or answered.request.verdict not in {"exact", "near"}:
        return None
    return max(0, int(answered.request.created_at - answered.clip.created_at))


def model_object(model: ServedModel) -> ModelObject:
    row = model.row
    detail = ModelDetail(
        revision=model.revision,
        aliases=list(model.aliases),
        sizes=[f"{width}x{height}" for width, height in row.sizes],
        default_seconds=row.default_seconds,
        longest_seconds=row.longest_seconds,
        fps=row.fps,
        steps={str(quality): steps for quality, steps in row.steps.items()},
        guidance_scale=row.guidance,
        input_reference=row.takes_picture,
        loras=list(row.loras),
        sampler=row.sampler,
        draft_sampler=row.made_as("draft").sampler,
        world=row.world,
    )
    return ModelObject(row.name, "model", 0, "reprise", detail)


def length_text(seconds: float) -> str:
    """A length as text, `2.125`, `5`, `5.042`: thousandths, no trailing zeros."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
