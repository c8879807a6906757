"""The HTTP API as an OpenAPI 3.1 document, from the shapes of the wire and the table of operations."""

from __future__ import annotations

import copy
from http import HTTPStatus
from typing import Any

from gateway.http.operations import OPERATIONS, TAGS, Operation, Told
from gateway.http.samples import BODY_SAMPLES, ERROR_SAMPLES, FORM_SAMPLES, SAMPLES
from gateway.http.shapes import schemas

# Of the HTTP API. The first number is that of the path; CHANGELOG.md says what each version brought.
VERSION = "1.0.0"

Json = dict[str, Any]

ABOUT = """\
A caching gateway in front of text-to-video generation. A prompt that was asked before, or that a judge finds to mean the \
same, is answered at once with the clip made then; everything else is rendered, kept, and serves everyone after. The shape is \
that of the OpenAI Videos API.

Every error is `{"error": {"message", "type", "param", "code"}}`. Beside what stands at each call: a path that does not \
exist, and remix, edits, extensions and characters, are 404 (the latter `not_supported`); another method is 405 with `Allow`; \
500 is a mistake of ours, which the log has under the `X-Request-Id` of the answer.

Bound to localhost without keys, this server asks for none and answers this machine only. The admin pages and their JSON \
under `/admin` follow the pages; they are no part of this API and of its version.\
"""

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}


def _asked(name: str, where: str, tells: str, schema: Json, example: Any = None) -> Json:
    found: Json = {"name": name, "in": where, "description": tells, "schema": schema}
    if where == "path":
        found["required"] = True
    if example is not None:
        found["example"] = example
    return found


_VIDEO_ID: Json = {"type": "string", "pattern": "^video_[0-9a-f]{32}$"}
_CLIP_ID: Json = {"type": "string", "pattern": "^clip_[0-9a-f]{32}$"}

PARAMETERS: dict[str, Json] = {
    "X-Request-Id": _asked(
        "X-Request-Id", "header", "Comes back with the answer and stands in the log: 1 to 128 of `A-Z a-z 0-9 . _ : -`; else we make one.",
        TEXT, "order-4711",
    ),
    "video_id": _asked("video_id", "path", "The id of a video.", _VIDEO_ID),
    "clip_id": _asked("clip_id", "path", "The id of a clip.", _CLIP_ID),
    "model": _asked("model", "path", "A name or an alias.", TEXT, "reprise-demo"),
    "after": _asked("after", "query", "The page begins behind this video.", _VIDEO_ID),
    "limit": _asked("limit", "query", "Videos on a page.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    "order": _asked("order", "query", "Newest or oldest first.", {"enum": ["asc", "desc"], "default": "desc"}),
    "erase": _asked("erase", "query", "The words go, too, and the clip if nobody else holds it.", {"type": "boolean", "default": False}),
    "variant": _asked("variant", "query", "Which bytes.", {"enum": ["video", "thumbnail", "spritesheet"], "default": "video"}),
    "Cache-Control": _asked(
        "Cache-Control", "header",
        "RFC 9111. `no-cache` renders another take; `no-store` keeps nothing beyond the first download or ten minutes; "
        "`only-if-cached` never renders; `max-age=N` refuses clips older than N seconds. Others are ignored.",
        TEXT, "max-age=86400",
    ),
    "Prefer": _asked("Prefer", "header", "RFC 7240. `wait=N` holds the answer up to N seconds for the clip.", TEXT, "wait=30"),
    "Idempotency-Key": _asked(
        "Idempotency-Key", "header", "The same key and body are the same request, whenever it comes again.",
        {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}, "5f1c-retry-safe",
    ),
    "Range": _asked("Range", "header", "One range of bytes.", TEXT, "bytes=0-1023"),
    "If-Range": _asked("If-Range", "header", "The range only of these bytes, else all.", TEXT),
    "If-Match": _asked("If-Match", "header", "412 unless the bytes have one of these tags.", TEXT),
    "If-None-Match": _asked("If-None-Match", "header", "304 where the bytes have one of these tags.", TEXT),
    "If-Modified-Since": _asked("If-Modified-Since", "header", "304 where the bytes are not newer.", TEXT),
    "If-Unmodified-Since": _asked("If-Unmodified-Since", "header", "412 where the bytes are newer.", TEXT),
}  # fmt: skip

HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "Yours, or one of ours.", "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    },
    "Cache-Status": {
        "description": "RFC 9211: `Reprise; hit; detail=exact`, `Reprise; fwd=miss`, with `; stored` where the answer waited for the "
        "clip and `; collapsed` where it joined; `fwd=request` for no-cache, `fwd=bypass` where the cache is off.",
        "schema": {"type": "string", "pattern": "^Reprise; "},
    },
    "Age": {"description": "Of a hit: seconds since its clip was made.", "schema": COUNT},
    "openai-poll-after-ms": {"description": "While the video is open: when to ask again.", "schema": COUNT},
    "Preference-Applied": {"description": "The wait that was granted.", "schema": {"type": "string", "pattern": "^wait=[0-9]+$"}},
    "RateLimit-Policy": {"description": "Of a key with a rate: calls per window.", "schema": TEXT, "example": '"default";q=60;w=60'},
    "RateLimit": {"description": "What is left of the window, and its seconds.", "schema": TEXT, "example": '"default";r=42;t=17'},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "How to send a key.", "schema": TEXT},
    "x-should-retry": {"description": "Asking again cannot help.", "schema": {"const": "false"}},
    "ETag": {"description": "The SHA-256 of the bytes.", "schema": {"type": "string", "pattern": '^"[0-9a-f]{64}"$'}},
    "Last-Modified": {"description": "When the clip was made.", "schema": TEXT},
    "Accept-Ranges": {"description": "Ranges of bytes.", "schema": {"const": "bytes"}},
    "Content-Range": {"description": "Which bytes of how many.", "schema": {"type": "string", "pattern": "^bytes "}},
    "Content-Length": {"description": "Of this answer.", "schema": COUNT},
    "Content-Disposition": {"description": "A name for the file.", "schema": TEXT},
    "Cache-Control": {
        "description": "Bytes never change: `private, immutable`; what `no-store` made is `no-store`, and so is what tells of now.",
        "schema": TEXT,
    },
    "Location": {"description": "A signed address that works for a short time.", "schema": TEXT},
    "X-Content-Type-Options": {"description": "The type is what it says.", "schema": {"const": "nosniff"}},
}  # fmt: skip

# What any call with a key may be told.
EVERYWHERE = {
    401: "No key, or none of ours.",
    403: "A good key that may not do this; without keys, a `Host` or `Origin` that is not ours.",
    429: "Too many calls of this key, or at once.",
    503: "A part is away.",
}
_ERROR_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate!",),
    409: ("openai-poll-after-ms",),
    416: ("Content-Range!", "Accept-Ranges!"),
    429: ("Retry-After!", "RateLimit-Policy", "RateLimit"),
    503: ("Retry-After!",),
    504: ("x-should-retry!",),
}


def document() -> Json:
    """The whole document. No setting and no model of this server stands in it: it is the same everywhere."""
    shapes = schemas()
    shapes["VideoBody"]["allOf"] = _ACROSS_FIELDS
    for name, form in (("VideoBody", "VideoForm"), ("FeedbackBody", "FeedbackForm")):
        shapes[form] = _form_of(shapes[name], form)
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(operation.path, {})
        path[operation.method] = _operation(operation)
        if operation.head:
            path["head"] = _head(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reprise",
            "version": VERSION,
            "summary": "Never render the same clip twice.",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"key": []}],
        "tags": [{"name": name, "description": tells} for name, tells in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": shapes,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key in a header of its own."},
            },
        },
    }


# Of two fields together; no Struct can say it.
_ACROSS_FIELDS: list[Json] = [
    {"not": {"properties": {"quality": {"type": "string"}, "steps": {"type": "integer"}}, "required": ["quality", "steps"]}},
    {
        "if": {"properties": {"allow_smaller": {"const": True}}, "required": ["allow_smaller"]},
        "then": {"properties": {"priority": {"const": "background"}}, "required": ["priority"]},
    },
]


def _form_of(body: Json, title: str) -> Json:
    """The same fields in a form, which has no null; a number and its digits are the same there."""
    form: Json = copy.deepcopy(body) | {"title": title, "description": "The same fields as form-data: each value is its text."}
    for name, field in form["properties"].items():
        field.pop("default", None)
        said = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
        form["properties"][name] = said[0] if said else field
    if "seconds" in form["properties"]:
        seconds = form["properties"]["seconds"]
        form["properties"]["seconds"] = {"description": seconds["description"], **seconds["anyOf"][0]}
    if "tags" in form["properties"]:
        form["properties"]["tags[]"] = form["properties"]["tags"]
        form["not"] = {"required": ["tags", "tags[]"]}
    return form


def _operation(operation: Operation) -> Json:
    errors = operation.errors if operation.open else {**EVERYWHERE, **operation.errors}
    answers = {str(status): _told(told) for status, told in operation.answers.items()}
    answers |= {str(status): _error(status, tells) for status, tells in sorted(errors.items())}
    found: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.tells,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in (*operation.asks, "X-Request-Id")],
        "responses": answers,
    }
    if operation.open:
        found["security"] = []
    if operation.body is not None:
        content = {
            "application/json": {"schema": _ref(operation.body), "examples": BODY_SAMPLES[operation.body]},
            "multipart/form-data": {"schema": _ref(operation.form), "examples": FORM_SAMPLES[operation.body]},
        }
        found["requestBody"] = {"required": True, "content": content}
    if operation.name == "createVideo":
        answers["200"]["links"] = {
            name: {"operationId": name, "parameters": {"video_id": "$response.body#/id"}}
            for name in ("retrieveVideo", "downloadVideo", "cancelVideo", "judgeVideo", "deleteVideo")
        }
    return found


def _head(operation: Operation) -> Json:
    """What GET would tell, less the body."""
    found = _operation(operation)
    found["operationId"] += "Head"
    found["summary"] += ", headers only"
    for status, answer in found["responses"].items():
        answer.pop("content", None)
        if status == "302":
            answer["description"] = "Never: HEAD is answered here."
    found["responses"].pop("302", None)
    return found


def _told(told: Told) -> Json:
    found: Json = {"description": told.tells, "headers": _headers(*told.headers)}
    if told.shape is not None:
        content: Json = {"schema": _ref(told.shape)}
        if told.shape in SAMPLES:
            content["examples"] = SAMPLES[told.shape]
        found["content"] = {"application/json": content}
    elif told.media:
        found["content"] = {media: {} for media in told.media}
    return found


def _error(status: int, tells: str) -> Json:
    content: Json = {"schema": _ref("Error"), "example": ERROR_SAMPLES[status]}
    return {
        "description": tells or HTTPStatus(status).phrase,
        "headers": _headers(*_ERROR_HEADERS.get(status, ())),
        "content": {"application/json": content},
    }


def _headers(*names: str) -> Json:
    found: Json = {}
    for name in (*names, "X-Request-Id!"):
        plain = name.removesuffix("!")
        # A reference cannot say that a header is always there, so those are written out.
        found[plain] = {**HEADERS[plain], "required": True} if plain != name else {"$ref": f"#/components/headers/{plain}"}
    return found


def _ref(name: str | None) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
