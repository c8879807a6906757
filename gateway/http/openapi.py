"""The HTTP API as an OpenAPI 3.1 document, from the shapes of the wire and the table of operations."""

from __future__ import annotations

import copy
from http import HTTPStatus
from typing import Any

from cache.picture import FIELD
from gateway.http import dialect
from gateway.http.operations import OPERATIONS, TAGS, Operation, ResponseDoc
from gateway.http.samples import BODY_SAMPLES, ERROR_SAMPLES, FORM_SAMPLES, SAMPLES, Json
from gateway.http.shapes import schemas
from gateway.http.texts import LONGEST_USER, NO_NUL

# Of the HTTP API. The first number is that of the path; CHANGELOG.md says what each version brought.
VERSION = "1.0.0"

ABOUT = """\
A caching gateway in front of text-to-video generation. A prompt that was requested before, or that a judge finds to mean the \
same, is answered at once with the existing clip; everything else is rendered, stored, and serves everyone after. It speaks \
the `/v1/videos` of open video servers (vLLM-Omni, SGLang), for which it is the cache: their fields are taken where they mean what \
it has, and refused by name where they do not.

Every error is `{"error": {"message", "type", "param", "code"}}`. Besides the errors listed at each call: a path that does not \
exist, and remix, edits, extensions and characters, are 404 (the latter `not_supported`); another method is 405 with `Allow`; \
500 is a fault of the server, which its log has under the `X-Request-Id` of the answer.

On localhost without keys (open mode) this server needs no key and answers this machine only. The admin pages and their JSON \
under `/admin` are not part of this API or its version.\
"""

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}


def _asked(name: str, where: str, tells: str, schema: Json, example: Any = None, *, required: bool = False) -> Json:
    found: Json = {"name": name, "in": where, "description": tells, "schema": schema}
    if where == "path" or required:
        found["required"] = True
    if example is not None:
        found["example"] = example
    return found


_VIDEO_ID: Json = {"type": "string", "pattern": "^video_[0-9a-f]{32}$"}
_CLIP_ID: Json = {"type": "string", "pattern": "^clip_[0-9a-f]{32}$"}

_USER: Json = {"type": "string", "minLength": 1, "maxLength": LONGEST_USER, "pattern": NO_NUL}

PARAMETERS: dict[str, Json] = {
    "X-Request-Id": _asked(
        "X-Request-Id", "header", "Returned with the answer and logged: 1 to 128 of `A-Z a-z 0-9 . _ : -`; else the server makes one.",
        TEXT, "order-4711",
    ),
    "video_id": _asked("video_id", "path", "The id of a video.", _VIDEO_ID),
    "clip_id": _asked("clip_id", "path", "The id of a clip.", _CLIP_ID),
    "user": _asked("user", "path", "As requests name it, percent-encoded.", _USER, "user_123"),
    "format": _asked("format", "query", "jsonl: everything, a line each.", {"enum": ["json", "jsonl"], "default": "json"}),
    "model": _asked("model", "path", "A name or an alias.", TEXT, "reprise-demo"),
    "after": _asked("after", "query", "The page starts after this video.", _VIDEO_ID),
    "limit": _asked("limit", "query", "Videos per page.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    "order": _asked("order", "query", "Newest or oldest first.", {"enum": ["asc", "desc"], "default": "desc"}),
    "erase": _asked("erase", "query", "Also removes the prompt, and the clip if nobody holds it.", {"type": "boolean", "default": False}),
    "refused": _asked(
        "refused",
        "query",
        "The place in `reprise.refused`, from 1, of a refused clip that is sent instead.",
        {"type": "integer", "minimum": 1, "maximum": 3},
    ),
    "variant": _asked(
        "variant", "query", "Which bytes. `webp` and `gif` are small animations: at most 320 pixels, 10 frames a second, 64 frames.",
        {"enum": ["video", "thumbnail", "spritesheet", "webp", "gif"], "default": "video"},
    ),
    "expires": _asked("expires", "query", "As the link says it: Unix seconds.", TEXT, "1795343940", required=True),
    "key": _asked("key", "query", "As the link says it: which key signed it.", TEXT, "4f1c2a9b", required=True),
    "signature": _asked("signature", "query", "As the link says it.", TEXT, "9a31…", required=True),
    "Cache-Control": _asked(
        "Cache-Control", "header",
        "RFC 9111. `no-cache` renders another take; `no-store` stores nothing beyond the first download or ten minutes; "
        "`only-if-cached` never renders; `max-age=N` refuses clips older than N seconds. Others are ignored.",
        TEXT, "max-age=86400",
    ),
    "Prefer": _asked("Prefer", "header", "RFC 7240. `wait=N` holds the answer up to N seconds for the clip.", TEXT, "wait=30"),
    "Idempotency-Key": _asked(
        "Idempotency-Key", "header", "A repeated call with the same key and body is the same request.",
        {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}, "5f1c-retry-safe",
    ),
    "Range": _asked("Range", "header", "One range of bytes.", TEXT, "bytes=0-1023"),
    "Last-Event-ID": _asked("Last-Event-ID", "header", "As browsers send it when they connect again.", TEXT),
    "If-Range": _asked("If-Range", "header", "Send the range only if the bytes have this tag or date, else all.", TEXT),
    "If-Match": _asked("If-Match", "header", "412 unless the bytes have one of these tags.", TEXT),
    "If-None-Match": _asked("If-None-Match", "header", "304 if the bytes have one of these tags.", TEXT),
    "If-Modified-Since": _asked("If-Modified-Since", "header", "304 if the bytes are not newer.", TEXT),
    "If-Unmodified-Since": _asked("If-Unmodified-Since", "header", "412 if the bytes are newer.", TEXT),
}  # fmt: skip

HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "The id that you sent, or a new one.", "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    },
    "Cache-Status": {
        "description": "RFC 9211: `Reprise; hit; detail=exact`, `Reprise; fwd=miss`, with `; stored` if the answer waited for the "
        "clip and `; collapsed` if it joined; `fwd=request` for no-cache, `fwd=bypass` if the cache is off.",
        "schema": {"type": "string", "pattern": "^Reprise; "},
    },
    "Age": {"description": "For a hit: seconds since its clip was made.", "schema": COUNT},
    "openai-poll-after-ms": {"description": "While the video is open: milliseconds until the next poll.", "schema": COUNT},
    "Preference-Applied": {"description": "The wait that was granted.", "schema": {"type": "string", "pattern": "^wait=[0-9]+$"}},
    "RateLimit-Policy": {"description": "For a key with a rate limit: calls per window.", "schema": TEXT, "example": '"default";q=60;w=60'},
    "RateLimit": {"description": "Calls and seconds left in the window.", "schema": TEXT, "example": '"default";r=42;t=17'},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "How to send a key.", "schema": TEXT},
    "x-should-retry": {"description": "Retrying cannot help.", "schema": {"const": "false"}},
    "ETag": {"description": "The SHA-256 of the bytes.", "schema": {"type": "string", "pattern": '^"[0-9a-f]{64}"$'}},
    "Last-Modified": {"description": "When the clip was made.", "schema": TEXT},
    "Accept-Ranges": {"description": "Byte ranges are supported.", "schema": {"const": "bytes"}},
    "Content-Range": {"description": "The bytes sent, and the total length.", "schema": {"type": "string", "pattern": "^bytes "}},
    "Content-Length": {"description": "Length of this answer.", "schema": COUNT},
    "Content-Disposition": {"description": "A name for the file.", "schema": TEXT},
    "Cache-Control": {
        "description": "Bytes never change: `private, immutable`, by a link with the `max-age` that it has left; `no-store` for videos "
        "made with it, and for the current state.",
        "schema": TEXT,
    },
    "Location": {"description": "A signed URL that is valid for a short time.", "schema": TEXT},
    "X-Video-Id": {"description": "The id of the video, for all other calls.", "schema": _VIDEO_ID},
    "X-Content-Type-Options": {"description": "The Content-Type is right.", "schema": {"const": "nosniff"}},
}  # fmt: skip

# What any call with a key may be told.
EVERYWHERE = {
    401: "No key, or an unknown one.",
    403: "A valid key that may not do this; in open mode, a foreign `Host` or `Origin`.",
    429: "Too many calls, or concurrent calls, of this key.",
    503: "A part is away.",
}
_ERROR_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate!",),
    409: ("openai-poll-after-ms",),
    416: ("Content-Range!", "Accept-Ranges!"),
    429: ("Retry-After!", "RateLimit-Policy", "RateLimit"),
    503: ("Retry-After!",),
    502: ("x-should-retry!", "X-Video-Id!"),
    504: ("x-should-retry!", "X-Video-Id", "openai-poll-after-ms"),
}


def document() -> Json:
    """The whole document. It contains no settings or models of this server, so it is the same everywhere."""
    shapes = schemas()
    shapes["VideoBody"]["allOf"] = _ACROSS_FIELDS
    shapes["VideoBody"]["properties"] |= copy.deepcopy(dialect.SCHEMA)
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
    *dialect.ACROSS_FIELDS,
]


def _form_of(body: Json, title: str) -> Json:
    """The shape of the same fields in a form, which has no null and where a number and its digits are the same."""
    form: Json = copy.deepcopy(body) | {"title": title, "description": "The same fields as form-data, each value as text."}
    for name, field in form["properties"].items():
        field.pop("default", None)
        said = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
        form["properties"][name] = said[0] if said else field
    if "seconds" in form["properties"]:
        seconds = form["properties"]["seconds"]
        form["properties"]["seconds"] = {"description": seconds["description"], **seconds["anyOf"][0]}
    if form["properties"].pop("reprise", None) is not None:
        options = _form_of(schemas()["RepriseOptions"], "RepriseOptions")
        form["properties"] |= {f"reprise[{name}]": field for name, field in options["properties"].items()}
    for name in ("metadata", "extra_params"):
        if name in form["properties"]:
            form["properties"][name] = {"type": "string", "description": form["properties"][name]["description"]}
    if FIELD in form["properties"]:
        form["properties"][FIELD] = {"type": "string", "format": "binary", "description": form["properties"][FIELD]["description"]}
    if "tags" in form["properties"]:
        form["properties"]["tags"] |= {"description": f"{form['properties']['tags']['description']} In a form also as `tags[]`."}
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
    """The answers of GET without their bodies."""
    found = _operation(operation)
    found["operationId"] += "Head"
    found["summary"] += ", headers only"
    for status, answer in found["responses"].items():
        answer.pop("content", None)
        if status == "302":
            answer["description"] = "Never: HEAD is answered by this server."
    found["responses"].pop("302", None)
    return found


def _told(told: ResponseDoc) -> Json:
    found: Json = {"description": told.tells, "headers": _headers(*told.headers)}
    if told.shape is not None:
        content: Json = {"schema": _ref(told.shape)}
        if told.shape in SAMPLES:
            content["examples"] = SAMPLES[told.shape]
        found["content"] = {"application/json": content}
    if told.media:
        found.setdefault("content", {}).update({media: {} for media in told.media})
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
