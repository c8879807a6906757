"""The shapes of request and answer bodies, field by field. wire.py converts them, openapi.py describes them.

`Meta(extra_json_schema=…)` is for the document only: wire.py and the catalog check these rules, with better messages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cache.catalog import MOST_STEPS
from cache.prompt import LONGEST, LONGEST_NEGATIVE
from cache.variant import LARGEST_SEED
from gateway.http.detail_shapes import RepriseDetail
from gateway.http.server_shapes import Liveness, Readiness, SharedPage, SharedState
from gateway.http.texts import (
    LONGEST_TAG,
    LONGEST_URL,
    MOST_TAGS,
    NO_NUL,
    NOTHING,
    Digits,
    EndUser,
    Metadata,
    PositiveFloat,
    Seconds,
    SizeText,
    VideoId,
)
from gateway.http.user_shapes import DeletedUser, UserRequestPage

# What comes in


_HTTPS = "^https://[a-z0-9-]+([.][a-z0-9-]+)*[.][a-z]{2,}(/[A-Za-z0-9._~-]*)*$"  # what is certainly one


_DATA = "^(data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2})?$"


class RepriseOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """Options of Reprise, beyond the fields of the API. In a form each is a field of its own: `reprise[max_wrong]`."""

    max_wrong: (
        Annotated[
            float,
            Meta(
                ge=0,
                lt=1,
                description="Largest accepted probability that a near hit is wrong, for this request: at most the server's own. "
                "0 allows exact hits only.",
                examples=[0.005],
            ),
        ]
        | None
    ) = None
    webhook_url: (
        Annotated[
            str,
            Meta(
                max_length=LONGEST_URL,
                extra_json_schema={"pattern": _HTTPS},
                description="An https URL that is called once the video is completed or failed, by the Standard Webhooks rules.",
                examples=["https://shop.example/hooks/videos"],
            ),
        ]
        | None
    ) = None
    assist: Annotated[bool, Meta(description="false: rendered from noise, whatever another clip could spare. By default true.")] | None = (
        None
    )
    scope: (
        Annotated[
            Literal["tenant", "user"],
            Meta(
                description="user: a cache of this `user` alone. Only what was asked for in it answers, and it answers nobody else. "
                "By default tenant: that of your whole tenant."
            ),
        ]
        | None
    ) = None
    lora: (
        Annotated[str, Meta(min_length=1, max_length=40, description="One of the model's `loras`, by name; by default none of them.")]
        | None
    ) = None


class PictureReference(Struct, kw_only=True, forbid_unknown_fields=True):
    """A picture inside an object, as OpenAI's clients send it."""

    image_url: (
        Annotated[str, Meta(description="The picture as a data URL; an address is refused.", extra_json_schema={"pattern": _DATA})] | None
    ) = None


class VideoBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """The requested video. null means "not given"."""

    prompt: Annotated[
        str,
        Meta(
            description="What the video shows. Spaces and closing punctuation alone are not a prompt; NUL is refused.",
            examples=["a red ball bouncing on grass"],
            extra_json_schema={"minLength": 1, "maxLength": LONGEST, "pattern": f"^[^\\u0000]*[^\\u0000{NOTHING}][^\\u0000]*$"},
        ),
    ]
    model: Annotated[str, Meta(description="A name from `GET /v1/models`, or an alias; the first by default.")] | None = None
    seconds: (
        Annotated[
            Digits | PositiveFloat,
            Meta(description="Length, as a number or its digits; at most the model's `longest_seconds`, by default its `default_seconds`."),
        ]
        | None
    ) = None
    size: Annotated[SizeText, Meta(description="One of the model's `sizes`; by default the first.")] | None = None
    input_reference: (
        Annotated[
            Annotated[str, Meta(extra_json_schema={"pattern": _DATA})] | PictureReference,
            Meta(
                description="The picture that the video begins with, for models that take one: PNG, JPEG or WebP, in a form as a file. It "
                "is scaled to cover the size and cut evenly. Only requests with the same picture share clips.",
            ),
        ]
        | None
    ) = None
    seed: (
        Annotated[int, Meta(ge=0, le=LARGEST_SEED, description="Fixes one exact video: only that video answers it, or it is rendered.")]
        | None
    ) = None
    quality: (
        Annotated[
            Literal["draft", "standard", "final"],
            Meta(
                description="Stands for a number of steps; not together with `steps`. A draft takes no guidance where the model's "
                "`draft_sampler` is lcm."
            ),
        ]
        | None
    ) = None
    negative_prompt: (
        Annotated[
            str, Meta(description="What the video must not show.", extra_json_schema={"maxLength": LONGEST_NEGATIVE, "pattern": NO_NUL})
        ]
        | None
    ) = None
    steps: Annotated[int, Meta(ge=1, le=MOST_STEPS, description="Denoising steps, instead of `quality`.")] | None = None
    guidance_scale: (
        Annotated[
            float,
            Meta(ge=1, le=20, description="How closely the video follows the prompt."),
        ]
        | None
    ) = None
    priority: Annotated[Literal["interactive", "background"], Meta(description="Background jobs wait for all interactive ones.")] | None = (
        None
    )
    allow_smaller: (
        Annotated[bool, Meta(description="Only with background priority: if memory runs out, a smaller video is rendered.")] | None
    ) = None
    tags: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG, extra_json_schema={"pattern": NO_NUL})]],
            Meta(max_length=MOST_TAGS, description="Your own labels, stored with the request."),
        ]
        | None
    ) = None
    user: Annotated[EndUser, Meta(description="Your user's id, kept and echoed.")] | None = None
    metadata: Annotated[Metadata, Meta(description="Your own notes, kept and echoed; in a form as JSON, or `metadata[name]`.")] | None = (
        None
    )
    reprise: RepriseOptions | None = None


class FeedbackBody(Struct, kw_only=True, forbid_unknown_fields=True):
    satisfied: Annotated[bool, Meta(description="false: this clip is not served for this prompt again. true takes it back.")]


# What goes out


class Failure(Struct):
    code: Annotated[str, Meta(examples=["cancelled", "render_failed", "out_of_memory"])]
    message: str


class VideoObject(Struct):
    """A video. `seconds` and `size` are its true ones once it exists. A cancelled video is `failed` with the code `cancelled`."""

    id: VideoId
    object: Literal["video"]
    created_at: Annotated[int, Meta(description="Unix seconds, like all times here.")]
    completed_at: int | None
    expires_at: Annotated[int, Meta(description="When its bytes can be downloaded no more (410); null for never.")] | None
    model: str
    progress: Annotated[int, Meta(description="Percent.", extra_json_schema={"minimum": 0, "maximum": 100})]
    prompt: Annotated[str, Meta(description="null where prompts are not stored.")] | None
    remixed_from_video_id: None
    seconds: Seconds
    size: SizeText
    status: Literal["queued", "in_progress", "completed", "failed"]
    error: Failure | None
    user: Annotated[EndUser, Meta(description="As given, like `metadata`; not kept with `no-store`, and gone with `erase=true`.")] | None
    metadata: Metadata | None
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
    sizes: list[SizeText]
    default_seconds: float
    longest_seconds: float
    fps: int
    steps: Annotated[dict[str, int], Meta(description="Per quality.")]
    guidance_scale: float
    input_reference: Annotated[bool, Meta(description="Whether a video may begin with a picture.")]
    loras: Annotated[list[str], Meta(description="LoRAs that a request may choose, as `reprise.lora`.")]
    sampler: Annotated[str, Meta(description="lcm: distilled to few steps; its steps and guidance cannot be changed.")]
    draft_sampler: Annotated[
        str,
        Meta(description="The same of `quality` draft, which a second, distilled transformer may make: lcm takes no guidance and no LoRA."),
    ]
    world: Annotated[str, Meta(description="What the model can show, if that is limited.")] | None


class ModelObject(Struct):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    reprise: ModelDetail


class ModelPage(Struct):
    object: Literal["list"]
    data: list[ModelObject]


class ErrorDetail(Struct):
    message: str
    type: Literal["invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"]
    param: Annotated[str, Meta(description="The field, query parameter or header at fault.")] | None
    code: Annotated[str, Meta(description="The stable error code.", examples=["invalid_type", "not_found"])]


class Error(Struct):
    """The body of every answer that is not a success."""

    error: ErrorDetail


ALL: tuple[type[Struct], ...] = (
    VideoBody, FeedbackBody, VideoObject, VideoPage, DeletedVideo, VideoFeedback, ModelObject, ModelPage, SharedPage, SharedState,
    Liveness, Readiness, UserRequestPage, DeletedUser, Error,
)  # fmt: skip


def schemas(shapes: Sequence[type[Struct]] = ALL) -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of each shape by name, including those that they refer to."""
    _, found = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    for shape in found.values():
        # A docstring's line breaks are those of the source file, not of a page.
        if "description" in shape:
            shape["description"] = re.sub(r"\s+", " ", shape["description"])
    return found
