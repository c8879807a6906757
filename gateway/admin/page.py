"""Admin pages as responses: templates rendered on the server, strict security headers, and a JSON variant of each page."""

from __future__ import annotations

import time
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.admin import figures, marks
from gateway.answering.ask import Caller
from gateway.http.addresses import root_at, rooted
from gateway.http.reply import AnyRequest, Header, Reply
from gateway.http.static import HTML, Static, files_of, security
from gateway.http.wire import encode_json

NAV = (
    ("Overview", "/admin"),
    ("Requests", "/admin/requests"),
    ("Clips", "/admin/clips"),
    ("Near hits", "/admin/near-hits"),
    ("What if", "/admin/what-if"),
    ("Plans", "/admin/plans"),
    ("Jobs", "/admin/jobs"),
    ("Webhooks", "/admin/webhooks"),
    ("Keys", "/admin/keys"),
    ("Usage", "/admin/usage"),
    ("Settings", "/admin/settings"),
)

# Nothing inline, nothing evaluated, nothing from other origins; htmx is configured to keep to this (see base.html).
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


def page(request: AnyRequest, template: str, /, *, status: int = 200, headers: list[Header] | None = None, **facts: object) -> Reply:
    """A response from a template: a whole page (if it extends base.html) or a fragment.

    Besides `facts`, templates get: nav, here (the path), csrf, who (the Caller, None at the login), login (what our proxy
    calls them, None for a key), static, now.
    """
    body = rooted(_templates().get_template(template).render(**facts, **_given(request)), root_at(request.scope))
    sent = [*SECURITY, _UNCACHED, (b"vary", b"cookie, hx-request"), *(headers or [])]
    return Reply(body.encode("utf-8", "replace"), status=status, headers=sent, head=request.method == "HEAD", content_type=HTML)


def json_variant(request: AnyRequest, facts: object, *, status: int = 200) -> Reply:
    """A JSON response of dataclasses, dicts and lists."""
    return Reply(encode_json(facts), status=status, headers=[_UNCACHED], head=request.method == "HEAD")


def sent_to(path: str, *, headers: list[Header] | None = None) -> Reply:
    """A redirect (303) to `path`, after a form was accepted."""
    answer = [(b"location", path.encode("ascii")), _UNCACHED, *(headers or [])]
    return Reply(b"", status=303, headers=answer, content_type=b"text/plain")


def _given(request: AnyRequest) -> dict[str, object]:
    caller = request.scope.get("user")
    return {
        "nav": NAV,
        "here": request.scope["path"],
        "csrf": request.scope["state"].get("csrf", ""),
        "login": request.scope["state"].get("login"),
        "who": caller if isinstance(caller, Caller) else None,
        "static": static().folder,
        "now": time.time(),
    }


@lru_cache(maxsize=1)
def static() -> Static:
    return Static("/admin/static", [*files_of("gateway.theme"), *files_of("gateway.admin")], SECURITY)


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
