"""The shapes of the wire, field by field: what a client may send and what it gets. wire.py converts, openapi.py describes.

What `Meta(extra_json_schema=…)` says is for the document alone: wire.py and the catalog check it, with better words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cache.catalog import MOST_STEPS
from cache.prompt import LONGEST, LONGEST_NEGATIVE
from cache.request import VerdictWord
from cache.variant import LARGEST_SEED

MOST_TAGS = 16
LONGEST_TAG = 64

# Every character that the normal form drops when nothing else is there. A prompt needs one that is not among them.
NOTHING = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f !,.:;?\x85\xa0\u037e\u1680\u2000-\u200a\u2024-\u2026\u2028\u2029\u202f\u203c\u2047-\u2049"
    "\u205f\u3000-\u3002"
    "\ufe10-\ufe16\ufe19\ufe30\ufe50-\ufe52\ufe54-\ufe57\uff01\uff0c\uff0e\uff1a\uff1b\uff1f\uff61\uff64"
)
NO_NUL = "^[^\\u0000]*$"

VideoId = Annotated[str, Meta(pattern="^video_[0-9a-f]{32}$", examples=["video_0198f0c2a1b47d0e5c3f9a6b2d81e470"])]
ClipId = Annotated[str, Meta(pattern="^clip_[0-9a-f]{32}$", examples=["clip_0198f0c2a1b41f2e3d4c5b6a79880716"])]
Digits = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9]{1,9}([.][0-9]{1,20})?$"}, examples=["2"])]
PositiveFloat = Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0}, examples=[1.5])]
Seconds = Annotated[str, Meta(examples=["2", "2.125"])]
Size = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9]+x[0-9]+$"}, examples=["128x128"])]

# What comes in


class VideoBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """The film that is wanted. null means "not said"."""

    prompt: Annotated[
        str,
        Meta(
            description="What the film shows. Spaces and closing punctuation alone are no prompt; NUL is refused.",
            examples=["a red ball bouncing on grass"],
            extra_json_schema={"minLength": 1, "maxLength": LONGEST, "pattern": f"^[^\\u0000]*[^\\u0000{NOTHING}][^\\u0000]*$"},
        ),
    ]
    model: Annotated[str, Meta(description="A name from `GET /v1/models`, or an alias; the first by default.")] | None = None
    seconds: (
        Annotated[
            Digits | PositiveFloat,
            Meta(description="Length, as a number or its digits; up to the model's `longest_seconds`, its `default_seconds` by default."),
        ]
        | None
    ) = None
    size: Annotated[Size, Meta(description="One of the model's `sizes`, the first by default.")] | None = None
    seed: (
        Annotated[int, Meta(ge=0, le=LARGEST_SEED, description="Pins one exact film: it is answered by that film or rendered.")] | None
    ) = None
    quality: (
        Annotated[Literal["draft", "standard", "final"], Meta(description="Stands for a number of steps; not together with `steps`.")]
        | None
    ) = None
    negative_prompt: (
        Annotated[
            str, Meta(description="What the film must not show.", extra_json_schema={"maxLength": LONGEST_NEGATIVE, "pattern": NO_NUL})
        ]
        | None
    ) = None
    steps: Annotated[int, Meta(ge=1, le=MOST_STEPS, description="Denoising steps, instead of `quality`.")] | None = None
    guidance_scale: (
        Annotated[
            float,
            Meta(ge=1, le=20, description="How closely the prompt is followed."),
        ]
        | None
    ) = None
    priority: (
        Annotated[Literal["interactive", "background"], Meta(description="Background work waits for all that is interactive.")] | None
    ) = None
    allow_smaller: Annotated[bool, Meta(description="Only with background priority: out of memory may end in a smaller film.")] | None = (
        None
    )
    tags: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG, extra_json_schema={"pattern": NO_NUL})]],
            Meta(max_length=MOST_TAGS, description="Words of your own, kept with the request."),
        ]
        | None
    ) = None


class FeedbackBody(Struct, kw_only=True, forbid_unknown_fields=True):
    satisfied: Annotated[bool, Meta(description="false: this film never answers these words again.")]


# What goes out


class Failure(Struct):
    code: Annotated[str, Meta(examples=["cancelled", "render_failed", "out_of_memory"])]
    message: str


class Refused(Struct):
    """A neighbour that the judge did not accept, and why."""

    similarity: float | None
    reason: Annotated[str, Meta(examples=["direction: left / right"])]


class RepriseDetail(Struct):
    """How the answer was found and what it cost. Of a clip from the shared pool no score and no words are told."""

    verdict: VerdictWord
    similarity: Annotated[float, Meta(description="Cosine of the two prompts, for what is near or joined by nearness.")] | None
    confidence: Annotated[float, Meta(description="Share of right answers among hits at least as sure as this one.")] | None
    clip: ClipId | None
    matched_prompt: Annotated[str, Meta(description="The words that the clip of a near hit was made for.")] | None
    age_seconds: Annotated[int, Meta(description="The clip's age when it answered; null for what is no hit.")] | None
    take: Annotated[int, Meta(description="0 for the first film of these words and settings; `no-cache` makes the next.")] | None
    gpu_seconds: Annotated[float, Meta(description="What this request's own render took.")]
    gpu_seconds_saved: Annotated[float, Meta(description="What the render took that need not be repeated.")]
    queue_position: Annotated[int, Meta(description="1 is next; null once a worker has it.")] | None
    eta_ms: Annotated[int, Meta(description="Until the film is there, from measured times.")] | None
    stage: Annotated[str, Meta(description="What is being done for an open video.")] | None
    steps_skipped: Annotated[int, Meta(description="Steps spared by starting from another clip.")]
    stages_ms: Annotated[dict[str, int], Meta(description="What each stage of the clip's render took.")]
    steps_ms: Annotated[list[int], Meta(description="What each denoising step of the clip's render took.")]
    peak_memory_gb: Annotated[float, Meta(description="The most memory that the clip's render held; null where none was measured.")] | None
    refused: Annotated[list[Refused], Meta(description="Best first, at most three.")]
    notes: Annotated[list[str], Meta(description="Warnings in plain words.")]


class VideoObject(Struct):
    """`seconds` and `size` are the film's own once there is one. What was cancelled is `failed` with the code `cancelled`."""

    id: VideoId
    object: Literal["video"]
    created_at: Annotated[int, Meta(description="Unix seconds, as all times here.")]
    completed_at: int | None
    expires_at: Annotated[int, Meta(description="When this id stops answering; null for never.")] | None
    model: str
    progress: Annotated[int, Meta(description="Percent.", extra_json_schema={"minimum": 0, "maximum": 100})]
    prompt: Annotated[str, Meta(description="null where prompts are not kept.")] | None
    remixed_from_video_id: None
    seconds: Seconds
    size: Size
    status: Literal["queued", "in_progress", "completed", "failed"]
    error: Failure | None
    reprise: RepriseDetail


class VideoPage(Struct):
    object: Literal["list"]
    data: list[VideoObject]
    first_id: VideoId | None
    last_id: VideoId | None
    has_more: bool


class DeletedVideo(Struct):
    id: VideoId
    object: Literal["video.deleted"]
    deleted: bool


class VideoFeedback(Struct):
    id: VideoId
    object: Literal["video.feedback"]
    satisfied: bool


class ModelDetail(Struct):
    revision: str
    aliases: list[str]
    sizes: list[Size]
    default_seconds: float
    longest_seconds: float
    fps: int
    steps: Annotated[dict[str, int], Meta(description="Per quality.")]
    guidance_scale: float
    world: Annotated[str, Meta(description="What the model knows, where that is less than everything.")] | None


class ModelObject(Struct):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    reprise: ModelDetail


class ModelPage(Struct):
    object: Literal["list"]
    data: list[ModelObject]


class SharedOffer(Struct):
    """A clip of the pool, or on its way there, as an admin sees it."""

    clip: ClipId
    object: Literal["shared"]
    state: Annotated[str, Meta(examples=["asked", "pooled"])]
    tenant: str
    prompt: str | None
    tenants_asking: int
    changed_at: int


class SharedPage(Struct):
    object: Literal["list"]
    data: list[SharedOffer]


class SharedState(Struct):
    clip: ClipId
    object: Literal["shared"]
    state: Literal["pooled", "withdrawn"]


class Liveness(Struct):
    status: Literal["live"]


class PartState(Struct):
    ready: bool
    needed: Annotated[bool, Meta(description="Whether nothing new is served without it.")]
    note: Annotated[str, Meta(description="The code of what is wrong.")] | None


class Readiness(Struct):
    status: Literal["ready", "not_ready"]
    parts: dict[str, PartState]


class ErrorDetail(Struct):
    message: str
    type: Literal["invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"]
    param: Annotated[str, Meta(description="The field, query parameter or header at fault.")] | None
    code: Annotated[str, Meta(description="The stable word for what is wrong.", examples=["invalid_type", "not_found"])]


class Error(Struct):
    """Every answer that is no success has this shape."""

    error: ErrorDetail


ALL: tuple[type[Struct], ...] = (
    VideoBody, FeedbackBody, VideoObject, VideoPage, DeletedVideo, VideoFeedback, ModelObject, ModelPage, SharedPage, SharedState,
    Liveness, Readiness, Error,
)  # fmt: skip


def schemas(shapes: Sequence[type[Struct]] = ALL) -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of each shape by its name, those that they refer to included."""
    _, found = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    for shape in found.values():
        # A Struct's docstring is written in a file: its lines are not those of a page.
        if "description" in shape:
            shape["description"] = re.sub(r"\s+", " ", shape["description"])
    return found
