"""The one table from error to HTTP status, and the envelope that every error answer has."""

from __future__ import annotations

import logging
from http import HTTPStatus
from math import ceil
from typing import Any, assert_never

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from cache import errors
from gateway.http.reply import Header, Reply, request_id
from gateway.http.wire import encode_json

STATUS: dict[type[errors.RepriseError], int] = {
    errors.Invalid: 400,
    errors.TooLarge: 413,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.IdempotencyReused: 422,
    errors.PreconditionFailed: 412,
    errors.ClipGone: 410,
    errors.RangeNotSatisfiable: 416,
    errors.UnsupportedMedia: 415,
    errors.NotCached: 504,
    errors.WaitOver: 504,
    errors.ClipFailed: 502,
    errors.Busy: 429,
    errors.Unavailable: 503,
    # These two are told in a video's own `error`; in an HTTP answer they mean that we made a mistake.
    errors.LeaseLost: 500,
    errors.RenderFailed: 500,
}

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# What Litestar finds before any route of ours: its statuses in our words.
_CODES = {
    401: errors.Unauthenticated.code,
    403: errors.Forbidden.code,
    404: errors.NotFound.code,
    405: errors.MethodNotAllowed.code,
    413: errors.TooLarge.code,
    415: errors.UnsupportedMedia.code,
    429: errors.Busy.code,
}

VIDEO_ID = b"x-video-id"

_log = logging.getLogger(__name__)


def status_of(kind: type[errors.RepriseError]) -> int:
    """The status of the nearest ancestor in the table. KeyError for a fact that nobody has placed."""
    for ancestor in kind.__mro__:
        if ancestor in STATUS:
            return STATUS[ancestor]
    raise KeyError(kind)


def envelope(status: int, message: str, code: str, param: str | None = None) -> bytes:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return encode_json({"error": {"message": _clean(message), "type": kind, "param": _clean(param), "code": code}})


def known(request: Request[Any, Any, Any], error: errors.RepriseError) -> Reply:
    status = status_of(type(error))
    if status == 500:
        return unexpected(request, error)
    body = envelope(status, error.message, error.code, getattr(error, "field", None))
    return Reply(body, status=status, headers=_headers(error), head=request.method == "HEAD")


def litestar_own(request: Request[Any, Any, Any], error: HTTPException) -> Reply:
    """The answer to Litestar's own errors: no such path, a wrong method, a bad Host header and the like."""
    status = error.status_code
    if status >= 500:
        return unexpected(request, error)
    path = request.scope["path"][:80]
    messages = {404: f"there is nothing at {path!r}", 405: f"{request.method} is not possible at {path!r}"}
    body = envelope(status, messages.get(status, error.detail or HTTPStatus(status).phrase), _CODES.get(status, errors.Invalid.code))
    allow = (error.headers or {}).get("allow")
    headers = [(b"allow", allow.encode("latin-1"))] if allow else []
    return Reply(body, status=status, headers=headers, head=request.method == "HEAD")


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Reply:
    """A mistake of ours: the log gets the traceback, the client the id to find it by."""
    told = request_id(request.scope)
    # The path, not the URL: a query may contain private data.
    _log.error("%s %s failed (request %s)", request.method, request.scope["path"], told, exc_info=error, extra={"request_id": told})
    body = envelope(500, f"something went wrong here; the log has it under request id {told}", errors.RepriseError.code)
    return Reply(body, status=500, head=request.method == "HEAD")


HANDLERS: ExceptionHandlersMap = {
    errors.RepriseError: known,  # type: ignore[dict-item]  # Litestar looks each error up by its class
    HTTPException: litestar_own,  # type: ignore[dict-item]
    Exception: unexpected,  # type: ignore[dict-item]
}


def _headers(error: errors.RepriseError) -> list[Header]:
    match error:
        case errors.Busy() | errors.Unavailable():
            return [(b"retry-after", b"%d" % max(1, ceil(error.retry_after)))]
        case errors.NotReady():
            return [(b"openai-poll-after-ms", b"%d" % error.poll_after_ms)]
        case errors.RangeNotSatisfiable():
            return [(b"content-range", b"bytes */%d" % error.length), (b"accept-ranges", b"bytes")]
        case errors.Unauthenticated():
            return [(b"www-authenticate", b'Bearer realm="reprise"')]
        case errors.NotCached() | errors.WaitOver() | errors.ClipFailed():
            # Retrying cannot help; the official client otherwise repeats every 5xx.
            return [(b"x-should-retry", b"false"), *_video_headers(error)]
    return []


def _video_headers(error: errors.NotCached | errors.WaitOver | errors.ClipFailed) -> list[Header]:
    """The headers by which to go on with the video of a call that did not get its bytes."""
    match error:
        case errors.NotCached():
            return []
        case errors.ClipFailed():
            return [(VIDEO_ID, error.video_id.encode("ascii"))]
        case errors.WaitOver():
            return [(VIDEO_ID, error.video_id.encode("ascii")), (b"openai-poll-after-ms", b"%d" % error.poll_after_ms)]
        case other:
            assert_never(other)


def _clean(text: str | None) -> str | None:
    """A client's words may come back in ours; a lone surrogate cannot be sent."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
