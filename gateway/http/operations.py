"""Every operation of the public API in words: what it is asked, what it answers, and with which errors.

openapi.py makes the document of this table, and tests/http/test_openapi.py holds it against the routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BYTES = ("video/mp4", "image/webp", "image/jpeg")


@dataclass(frozen=True)
class Told:
    """One answer that is no error. `shape` names a component; without one, `media` are bytes; without either, nothing is sent.

    A header whose name ends in `!` is always there.
    """

    tells: str
    shape: str | None = None
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """`errors`: beside those that every call with a key may get. `head`: HEAD tells what GET would. `open`: needs no key."""

    method: Literal["get", "post", "delete"]
    path: str
    name: str
    tag: str
    summary: str
    tells: str
    answers: Mapping[int, Told]
    errors: Mapping[int, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    body: str | None = None
    form: str | None = None
    head: bool = False
    open: bool = False


TAGS = {
    "Videos": "Ask for a video, watch it come, take its bytes.",
    "Models": "What this server makes.",
    "Shared pool": "For keys of the role admin: what tenants that share offer to each other.",
    "Health": "For load balancers and monitoring.",
}

_WRONG_ID = "No video of yours has this id; others' ids and ids that never were are answered alike."
_BODY = {413: "The body, a form or one of its parts is over a limit.", 415: "Not JSON, not a form, compressed, or not UTF-8."}
_POLL = ("openai-poll-after-ms",)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "post", "/v1/videos", "createVideo", "Videos", "Ask for a video",
        "A hit is `completed` in this very answer. Everything else is a job in progress, whose row is committed before the "
        "answer leaves: an id that you hold survives a crash of the server. `reprise.verdict` says how it was found: `exact` "
        "(the same words and settings), `near` (a judge found that it means the same), `joined` (it is being made right now), "
        "`miss`, or `bypass` (nothing was looked up). An unknown field is refused by name.",
        {200: Told("The video, finished or in progress.", "VideoObject",
                   headers=("Cache-Status!", "Age", "openai-poll-after-ms", "Preference-Applied", "RateLimit-Policy", "RateLimit"))},
        {400: "A field or header is missing, unknown or cannot be used; `param` names it.",
         404: "The video that this Idempotency-Key made was deleted.", **_BODY,
         422: "This Idempotency-Key was used with another body.",
         429: "Too many calls, calls at once or open jobs of this key or tenant, or the queue is full.",
         503: "A part is away or still loading, or the disk is full.",
         504: "`only-if-cached`, and no clip will do."},
        asks=("Cache-Control", "Prefer", "Idempotency-Key"), body="VideoBody", form="VideoForm",
    ),
    Operation(
        "get", "/v1/videos", "listVideos", "Videos", "List your videos", "All that your tenant asked for, by id, which sorts by time.",
        {200: Told("One page; `last_id` is the `after` of the next.", "VideoPage")},
        {400: "A query parameter is unknown, given twice or cannot be used; `param` names it."},
        asks=("after", "limit", "order"), head=True,
    ),
    Operation(
        "get", "/v1/videos/{video_id}", "retrieveVideo", "Videos", "Look at one video", "As it is now.",
        {200: Told("The video.", "VideoObject", headers=_POLL)}, {404: _WRONG_ID}, asks=("video_id",), head=True,
    ),
    Operation(
        "delete", "/v1/videos/{video_id}", "deleteVideo", "Videos", "Withdraw a request",
        "The clip stays for others. With `erase=true` the words leave every row of your tenant, and the clip goes if nobody else holds it.",
        {200: Told("It is gone.", "DeletedVideo", headers=("RateLimit-Policy", "RateLimit"))},
        {400: "A query parameter is unknown or no boolean.", 404: _WRONG_ID}, asks=("video_id", "erase"),
    ),
    Operation(
        "post", "/v1/videos/{video_id}/cancel", "cancelVideo", "Videos", "Stop waiting",
        "The render stops within a step when nobody else waits for it. What is finished or failed stays as it is.",
        {200: Told("The video as it is now.", "VideoObject", headers=(*_POLL, "RateLimit-Policy", "RateLimit"))},
        {404: _WRONG_ID}, asks=("video_id",),
    ),
    Operation(
        "post", "/v1/videos/{video_id}/feedback", "judgeVideo", "Videos", "Say whether it fits",
        "`false`: this clip is never served for these words again.",
        {200: Told("Noted.", "VideoFeedback", headers=("RateLimit-Policy", "RateLimit"))},
        {400: "`satisfied` is missing or no boolean, or there is an unknown field.", 404: _WRONG_ID,
         409: "There is no clip to judge: it is being made, or came to nothing.", **_BODY},
        asks=("video_id",), body="FeedbackBody", form="FeedbackForm",
    ),
    Operation(
        "get", "/v1/videos/{video_id}/content", "downloadVideo", "Videos", "Take the bytes",
        "The MP4, its thumbnail or its spritesheet, whole or one range of it. Several ranges are answered with the whole, and so "
        "is what cannot be read. What `no-store` made is erased after the first whole download.",
        {200: Told("All bytes.", media=BYTES, headers=("Content-Length!", "Accept-Ranges!", "Cache-Control!", "ETag!", "Last-Modified!",
                                                      "Content-Disposition!", "X-Content-Type-Options!")),
         206: Told("The range that was asked for.", media=BYTES, headers=("Content-Range!", "Content-Length!", "Accept-Ranges!",
                                                                        "Cache-Control!", "ETag!", "Last-Modified!")),
         302: Told("The bytes are at the object store.", headers=("Location!", "Cache-Control!")),
         304: Told("The copy that you hold is good.", headers=("ETag!", "Cache-Control!", "Last-Modified!"))},
        {400: "A query parameter is unknown or no variant.", 404: _WRONG_ID + " `no_clip`: it failed or was cancelled.",
         409: "`not_ready`: the clip is still being made.", 410: "`clip_gone`: the clip was evicted, erased or withdrawn.",
         412: "If-Match or If-Unmodified-Since does not hold.", 416: "The range lies outside the bytes."},
        asks=("video_id", "variant", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"),
        head=True,
    ),
    Operation(
        "get", "/v1/models", "listModels", "Models", "List the models", "The first is the default.",
        {200: Told("The models with what they can do.", "ModelPage")}, head=True,
    ),
    Operation(
        "get", "/v1/models/{model}", "retrieveModel", "Models", "Look at one model", "By its name or an alias.",
        {200: Told("The model.", "ModelObject")}, {404: "No model has this name."}, asks=("model",), head=True,
    ),
    Operation(
        "get", "/v1/shared", "listShared", "Shared pool", "What is offered", "The most asked for first, at most 100.",
        {200: Told("What is in the pool, or may be let in.", "SharedPage")}, head=True,
    ),
    Operation(
        "post", "/v1/shared/{clip_id}", "approveShared", "Shared pool", "Let a clip in",
        "From then on it answers all tenants that share, without words and scores.",
        {200: Told("It is in.", "SharedState", headers=("RateLimit-Policy", "RateLimit"))},
        {404: "No tenant that shares offers this clip."}, asks=("clip_id",),
    ),
    Operation(
        "delete", "/v1/shared/{clip_id}", "withdrawShared", "Shared pool", "Take a clip out", "For good.",
        {200: Told("It is out.", "SharedState", headers=("RateLimit-Policy", "RateLimit"))},
        {404: "This clip is not in the pool."}, asks=("clip_id",),
    ),
    Operation(
        "get", "/metrics", "scrape", "Health", "Numbers for Prometheus",
        "For keys of the role admin, and for the token in `REPRISE_METRICS_TOKEN`; as OpenMetrics where `Accept` asks for it.",
        {200: Told("The numbers.", media=("text/plain", "application/openmetrics-text"), headers=("Cache-Control!",))}, head=True,
    ),
    Operation(
        "get", "/health/live", "live", "Health", "Whether the process answers", "",
        {200: Told("It does.", "Liveness", headers=("Cache-Control!",))}, head=True, open=True,
    ),
    Operation(
        "get", "/health/ready", "ready", "Health", "Whether each part does", "A part that is not `needed` may come later.",
        {200: Told("All that is needed is there.", "Readiness", headers=("Cache-Control!",)),
         503: Told("A needed part is away.", "Readiness", headers=("Cache-Control!",))}, head=True, open=True,
    ),
)  # fmt: skip
