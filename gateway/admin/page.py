"""How an admin page goes out: a template filled on the server, headers that allow nothing from elsewhere, and a JSON twin."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Invalid, NotFound, TooLarge
from gateway.admin import figures
from gateway.entry.access import PAGE, Caller
from gateway.http.conditions import matches
from gateway.http.reply import Header, Reply
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
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY: list[Header] = [
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
HTML = b"text/html; charset=utf-8"
_UNCACHED: Header = (b"cache-control", b"no-store")
_FOREVER: Header = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN: Header = (b"cache-control", b"no-cache")
_TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}

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
        "static": f"/admin/static/{assets().edition}",
        "now": time.time(),
    }


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
    made.filters |= figures.FILTERS
    return made


@dataclass(frozen=True)
class Assets:
    """The static files by name, with their ETags; `edition` is a digest of them all and part of their address."""

    bodies: Mapping[str, tuple[bytes, str]]
    edition: str


@lru_cache(maxsize=1)
def assets() -> Assets:
    bodies = {}
    for file in sorted((files("gateway.admin") / "static").iterdir(), key=lambda file: file.name):
        if file.name.rpartition(".")[2] in _TYPES:
            body = file.read_bytes()
            bodies[file.name] = (body, f'"{sha256(body).hexdigest()[:32]}"')
    listed = "".join(f"{name} {etag}\n" for name, (_, etag) in bodies.items())
    return Assets(bodies, sha256(listed.encode()).hexdigest()[:16])


class Static:
    """Only what lies in the static folder has an address: a name is looked up here and never becomes a path."""

    def routes(self) -> list[HTTPRouteHandler]:
        return [route("/admin/static/{edition:str}/{name:str}", http_method=["GET", "HEAD"], status_code=200, opt=PAGE)(self.asset)]

    async def asset(self, request: Asked, edition: FromPath[str], name: FromPath[str]) -> Reply:
        known = assets()
        if name not in known.bodies:
            raise NotFound("the admin pages have no such file")
        body, etag = known.bodies[name]
        kind = _TYPES[name.rpartition(".")[2]]
        headers = [*SECURITY, _FOREVER if edition == known.edition else _ASK_AGAIN, (b"etag", etag.encode())]
        held = request.headers.get("if-none-match")
        if held is not None and matches(held, etag, weakly=True):
            return Reply(b"", status=304, headers=headers, content_type=kind)
        return Reply(body, headers=headers, head=request.method == "HEAD", content_type=kind)
