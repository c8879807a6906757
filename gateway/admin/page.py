"""How an admin page goes out: a template filled on the server, headers that allow nothing from elsewhere, and a JSON twin."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request

from cache.errors import Invalid, TooLarge
from gateway.admin import figures, marks
from gateway.entry.access import Caller
from gateway.http.reply import Header, Reply
from gateway.http.static import HTML, Static, files_of, security
from gateway.http.wire import encode

NAV = (
    ("Overview", "/admin"),
    ("Clips", "/admin/clips"),
    ("Near hits", "/admin/near-hits"),
    ("What if", "/admin/what-if"),
    ("Plans", "/admin/plans"),
    ("Jobs", "/admin/jobs"),
    ("Keys", "/admin/keys"),
    ("Settings", "/admin/settings"),
)

# Nothing inline, nothing evaluated, nothing from elsewhere; htmx is told to keep to this (see base.html).
SECURITY: list[Header] = [
    *security(
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_UNCACHED: Header = (b"cache-control", b"no-store")

Asked = Request[Any, Any, Any]


def page(request: Asked, template: str, /, *, status: int = 200, headers: list[Header] | None = None, **facts: object) -> Reply:
    """A whole page (a template that extends base.html) or a part of one (one that does not), for the person who asks.

    Templates get `facts`, and: nav, here (the path), csrf, who (the Caller, None at the login), static, now.
    """
    body = _templates().get_template(template).render(**facts, **_given(request))
    sent = [*SECURITY, _UNCACHED, (b"vary", b"cookie, hx-request"), *(headers or [])]
    return Reply(body.encode("utf-8", "replace"), status=status, headers=sent, head=request.method == "HEAD", content_type=HTML)


def twin(request: Asked, facts: object, *, status: int = 200) -> Reply:
    """The same as JSON: dataclasses, dicts, lists."""
    return Reply(encode(facts), status=status, headers=[_UNCACHED], head=request.method == "HEAD")


def sent_to(path: str, *, headers: list[Header] | None = None) -> Reply:
    """After a form was taken: the page to look at next."""
    answer = [(b"location", path.encode("ascii")), _UNCACHED, *(headers or [])]
    return Reply(b"", status=303, headers=answer, content_type=b"text/plain")


async def form(request: Asked, limit: int = 64 * 1024) -> dict[str, str]:
    """The fields of a form as pages send it (application/x-www-form-urlencoded), the first value of each; TooLarge over `limit` bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise TooLarge(None, f"this form has at most {limit} bytes")
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Invalid(None, f"this is no form: {error}") from None
    return {name: values[0] for name, values in fields.items()}


def _given(request: Asked) -> dict[str, object]:
    caller = request.scope.get("user")
    return {
        "nav": NAV,
        "here": request.scope["path"],
        "csrf": request.scope["state"].get("csrf", ""),
        "who": caller if isinstance(caller, Caller) else None,
        "static": static().folder,
        "now": time.time(),
    }


@lru_cache(maxsize=1)
def static() -> Static:
    return Static("/admin/static", [*files_of("gateway.look"), *files_of("gateway.admin")], SECURITY)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("gateway.admin", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= figures.FILTERS | marks.FILTERS
    return made
