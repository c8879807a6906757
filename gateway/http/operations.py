"""The table of the public API's operations: parameters, answers and errors, in words.

openapi.py builds the document from this table, and tests/http/test_openapi.py checks it against the routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BYTES = ("video/mp4", "image/webp", "image/jpeg", "image/gif")


@dataclass(frozen=True)
class ResponseDoc:
    """A successful answer. `shape` names a component; without one, `media` are bytes; without either, the body is empty.

    A header whose name ends in `!` is always sent.
    """

    tells: str
    shape: str | None = None
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """A call. `errors`: besides those that every call with a key may get. `head`: HEAD answers like GET. `open`: needs no key."""

    method: Literal["get", "post", "delete"]
    path: str
    name: str
    tag: str
    summary: str
    tells: str
    answers: Mapping[int, ResponseDoc]
    errors: Mapping[int, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    body: str | None = None
    form: str | None = None
    head: bool = False
    open: bool = False


TAGS = {
    "Videos": "Request a video, follow its progress, download it.",
    "End users": "What is held of one of your users (`user` of a request), and its erasure.",
    "Models": "The models that this server renders with.",
    "Shared pool": "For admin keys: the clips that sharing tenants offer each other.",
    "Health": "For load balancers and monitoring.",
}

_WRONG_ID = "No video of your tenant has this id; ids of other tenants and ids that never existed get the same answer."
_BODY = {413: "The body, a form or one of its parts exceeds a limit.", 415: "Not JSON, not a form, compressed, or not UTF-8."}
_RANGE_HEADERS = ("Content-Range!", "Content-Length!", "Accept-Ranges!", "Cache-Control!", "ETag!", "Last-Modified!")
_BYTES_HEADERS = (*_RANGE_HEADERS[1:], "Content-Disposition!", "X-Content-Type-Options!")
_POLL = ("openai-poll-after-ms",)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "post", "/v1/videos", "createVideo", "Videos", "Create a video",
        "A hit is `completed` in this very answer. Everything else is a job in progress, whose row is committed before the "
        "answer is sent: an id that you hold survives a crash of the server. `reprise.verdict` says how it was found: `exact` "
        "(the same words and settings), `near` (a judge found that it means the same), `joined` (it is already being rendered), "
        "`miss`, or `bypass` (nothing was looked up). An unknown field is refused by name.",
        {200: ResponseDoc("The video, finished or in progress.", "VideoObject",
                   headers=("Cache-Status!", "Age", "openai-poll-after-ms", "Preference-Applied", "RateLimit-Policy", "RateLimit"))},
        {400: "A field or header is missing, unknown or cannot be used; `param` names it.",
         404: "`model_not_found`: no model has this name; or the video created with this Idempotency-Key was deleted.", **_BODY,
         422: "This Idempotency-Key was used with another body.",
         429: "Too many calls, concurrent calls or open jobs of this key or tenant, or the queue is full.",
         503: "A part is away or still loading, no worker has the model any more (`model_away`), or the disk is full.",
         504: "`only-if-cached`, and no clip fits."},
        asks=("Cache-Control", "Prefer", "Idempotency-Key"), body="VideoBody", form="VideoForm",
    ),
    Operation(
        "post", "/v1/videos/sync", "createVideoSync", "Videos", "Create a video and wait for its bytes",
        "The same request, answered with the MP4, as vLLM-Omni does. It waits as long as this server holds an answer "
        "(`REPRISE_WAIT_SECONDS`), or `Prefer: wait=N`; then 504 names the video, which goes on. A video made with "
        "`no-store` is erased once it is sent.",
        {200: ResponseDoc("The video.", media=("video/mp4",), headers=(
            "X-Video-Id!", "Cache-Status!", "Age", "Content-Length!", "Content-Disposition!", "Cache-Control!", "X-Content-Type-Options!",
            "RateLimit-Policy", "RateLimit"))},
        {400: "A field or header is missing, unknown or cannot be used; `param` names it.",
         404: "The video created with this Idempotency-Key was deleted.", **_BODY,
         410: "`clip_gone`: the clip was evicted, erased or withdrawn.",
         422: "This Idempotency-Key was used with another body.",
         429: "Too many calls, concurrent calls or open jobs of this key or tenant, or the queue is full.",
         502: "The clip could not be rendered; `code` says why.",
         503: "A part is away or still loading, or the disk is full.",
         504: "`still_rendering`: the video is not ready yet. `not_cached`: `only-if-cached`, and no clip fits."},
        asks=("Cache-Control", "Prefer", "Idempotency-Key"), body="VideoBody", form="VideoForm",
    ),
    Operation(
        "get", "/v1/videos", "listVideos", "Videos", "List your videos", "All videos of your tenant, sorted by id, that is, by time.",
        {200: ResponseDoc("One page; `last_id` is the `after` of the next.", "VideoPage")},
        {400: "A query parameter is unknown, given twice or cannot be used; `param` names it."},
        asks=("after", "limit", "order"), head=True,
    ),
    Operation(
        "get", "/v1/videos/{video_id}", "retrieveVideo", "Videos", "Retrieve a video", "In its current state.",
        {200: ResponseDoc("The video.", "VideoObject", headers=_POLL)}, {404: _WRONG_ID}, asks=("video_id",), head=True,
    ),
    Operation(
        "get", "/v1/videos/{video_id}/events", "followVideo", "Videos", "Follow a video",
        "Server-sent events: `video.progress` whenever the video changes, then `video.completed` or `video.failed`, after which the "
        "stream ends. The data of each is the video. A comment comes when nothing changed for 15 seconds; after five minutes the "
        "stream ends, and a client connects again. At most 20 streams of a key at a time.",
        {200: ResponseDoc("The events.", media=("text/event-stream",), headers=("Cache-Control!",)),
         204: ResponseDoc("`Last-Event-ID` is that of the last event: nothing follows.", headers=("Cache-Control!",))},
        {404: _WRONG_ID}, asks=("video_id", "Last-Event-ID"),
    ),
    Operation(
        "delete", "/v1/videos/{video_id}", "deleteVideo", "Videos", "Withdraw a request",
        "The clip stays for others. `erase=true` also removes the prompt from your tenant's rows, and the clip if nobody else holds it.",
        {200: ResponseDoc("Deleted.", "DeletedVideo", headers=("RateLimit-Policy", "RateLimit"))},
        {400: "A query parameter is unknown or not a boolean.", 404: _WRONG_ID}, asks=("video_id", "erase"),
    ),
    Operation(
        "post", "/v1/videos/{video_id}/cancel", "cancelVideo", "Videos", "Cancel a video",
        "The render stops within a step if no other request waits for it. A finished or failed video stays as it is.",
        {200: ResponseDoc("The video in its current state.", "VideoObject", headers=(*_POLL, "RateLimit-Policy", "RateLimit"))},
        {404: _WRONG_ID}, asks=("video_id",),
    ),
    Operation(
        "post", "/v1/videos/{video_id}/feedback", "judgeVideo", "Videos", "Give feedback",
        "`false`: this clip is not served to you for this prompt again, unless you pin its seed; the next request gets another take, and "
        "`refused` says why. `true` takes that back. The latest word counts.",
        {200: ResponseDoc("Recorded.", "VideoFeedback", headers=("RateLimit-Policy", "RateLimit"))},
        {400: "`satisfied` is missing or not a boolean, or there is an unknown field.", 404: _WRONG_ID,
         409: "There is no clip to rate: it is still being rendered, or it failed.", **_BODY},
        asks=("video_id",), body="FeedbackBody", form="FeedbackForm",
    ),
    Operation(
        "get", "/v1/videos/{video_id}/content", "downloadVideo", "Videos", "Download the bytes",
        "The MP4, its thumbnail, its spritesheet or a preview, as a whole or one range of it. Several ranges, or a range that cannot be "
        "parsed, get the whole. A video made with `no-store` is erased after its first complete download.",
        {200: ResponseDoc("All bytes.", media=BYTES, headers=_BYTES_HEADERS),
         206: ResponseDoc("The requested range.", media=BYTES, headers=_RANGE_HEADERS),
         302: ResponseDoc("The bytes are at the object store.", headers=("Location!", "Cache-Control!")),
         304: ResponseDoc("Your copy is current.", headers=("ETag!", "Cache-Control!", "Last-Modified!"))},
        {400: "A query parameter is unknown or not a variant.", 404: _WRONG_ID + " `no_clip`: the video failed or was cancelled. "
              "`no_preview`: none can be made of it.",
         409: "`not_ready`: the clip is still being rendered.",
         410: "`clip_gone`: the clip was evicted, erased or withdrawn, or the video expired.",
         412: "If-Match or If-Unmodified-Since does not hold.", 416: "The range is outside the bytes."},
        asks=("video_id", "variant", "refused", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since",
              "If-Unmodified-Since"),
        head=True,
    ),
    Operation(
        "get", "/v1/links/{video_id}", "followLink", "Videos", "Download by a link",
        "The address that `reprise.url`, `thumbnail_url` and `preview_url` of a completed video hold: the same bytes without a key, for "
        "`<video src>`. It is signed for one video and variant and expires; deleting the video or removing its clip ends it at once.",
        {200: ResponseDoc("All bytes.", media=BYTES, headers=_BYTES_HEADERS),
         206: ResponseDoc("The requested range.", media=BYTES, headers=_RANGE_HEADERS),
         302: ResponseDoc("The bytes are at the object store.", headers=("Location!", "Cache-Control!")),
         304: ResponseDoc("Your copy is current.", headers=("ETag!", "Cache-Control!", "Last-Modified!"))},
        {400: "A query parameter is missing, unknown or cannot be used; `param` names it.",
         403: "`invalid_link`: not made here, or changed. `link_expired`: read the video again for a new one.",
         404: "The video was deleted.", 409: "`not_ready`: the clip is still being rendered.",
         410: "`clip_gone`: the clip was evicted, erased or withdrawn, or the video expired.",
         412: "If-Match or If-Unmodified-Since does not hold.", 416: "The range is outside the bytes.", 503: "A part is away."},
        asks=("video_id", "variant", "expires", "key", "signature", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since",
              "If-Unmodified-Since"),
        head=True, open=True,
    ),
    Operation(
        "get", "/v1/users/{user}/requests", "exportUser", "End users", "Export a user's requests",
        "Everything held of one of your users: all requests that named this `user`, also those that you deleted, oldest first. In "
        "pages, or with `format=jsonl` a JSON object a line, all of it or up to `limit`. What was asked with `no-store` names nobody.",
        {200: ResponseDoc("One page; `last_id` is the `after` of the next. Of a user who never asked, an empty one.", "UserRequestPage",
                   ("application/jsonl",), ("Cache-Control!",))},
        {400: "A parameter is unknown, given twice or cannot be used; `param` names it."},
        asks=("user", "after", "limit", "format"), head=True,
    ),
    Operation(
        "delete", "/v1/users/{user}", "eraseUser", "End users", "Erase a user",
        "Of all requests that named this `user` the words, the id, metadata, tags and webhooks go; open ones are cancelled. The user's "
        "own scope goes with its clips, and so do those clips of the tenant that nobody else holds. Words that others asked for, too, "
        "stay with them. Nobody to erase is no error, and a call that broke off is sent again.",
        {200: ResponseDoc("Erased.", "DeletedUser", headers=("RateLimit-Policy", "RateLimit"))},
        {400: "The user's id is no UTF-8 or too long, or there is a query parameter."}, asks=("user",),
    ),
    Operation(
        "get", "/v1/models", "listModels", "Models", "List the models", "All that workers announced. The first is the default.",
        {200: ResponseDoc("The models and their capabilities.", "ModelPage")}, head=True,
    ),
    Operation(
        "get", "/v1/models/{model}", "retrieveModel", "Models", "Retrieve a model", "By name or alias.",
        {200: ResponseDoc("The model.", "ModelObject")}, {404: "No model has this name.",
         503: "`model_away`: no worker has it any more."}, asks=("model",), head=True,
    ),
    Operation(
        "get", "/v1/shared", "listShared", "Shared pool", "List offered clips", "The most requested first, at most 100.",
        {200: ResponseDoc("The clips in the pool, and those offered to it.", "SharedPage")}, head=True,
    ),
    Operation(
        "post", "/v1/shared/{clip_id}", "approveShared", "Shared pool", "Add a clip to the pool",
        "From then on it answers all tenants that share, without prompts and scores.",
        {200: ResponseDoc("Added.", "SharedState", headers=("RateLimit-Policy", "RateLimit"))},
        {404: "No tenant that shares offers this clip."}, asks=("clip_id",),
    ),
    Operation(
        "delete", "/v1/shared/{clip_id}", "withdrawShared", "Shared pool", "Remove a clip from the pool", "Permanently.",
        {200: ResponseDoc("Removed.", "SharedState", headers=("RateLimit-Policy", "RateLimit"))},
        {404: "This clip is not in the pool."}, asks=("clip_id",),
    ),
    Operation(
        "get", "/metrics", "scrape", "Health", "Metrics for Prometheus",
        "For admin keys, and for the token in `REPRISE_METRICS_TOKEN`; as OpenMetrics if `Accept` asks for it.",
        {200: ResponseDoc("The metrics.", media=("text/plain", "application/openmetrics-text"), headers=("Cache-Control!",))}, head=True,
    ),
    Operation(
        "get", "/health/live", "live", "Health", "Liveness of the process", "",
        {200: ResponseDoc("It is alive.", "Liveness", headers=("Cache-Control!",))}, head=True, open=True,
    ),
    Operation(
        "get", "/health/ready", "ready", "Health", "Readiness of each part", "Parts that are not `needed` may become ready later.",
        {200: ResponseDoc("All needed parts are ready.", "Readiness", headers=("Cache-Control!",)),
         503: ResponseDoc("A needed part is not ready.", "Readiness", headers=("Cache-Control!",))}, head=True, open=True,
    ),
)  # fmt: skip
