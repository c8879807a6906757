"""The page at `/` and its files, which come with the package and never change while a process runs."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import NotFound
from gateway.entry.access import PAGE
from gateway.http.conditions import matches
from gateway.http.reply import Header, Reply

# Nothing inline, nothing from elsewhere. blob: is a clip that was fetched with a key, which <video> itself cannot send.
# Trusted types make the browser refuse innerHTML and its kin, so a prompt can only ever become text.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "media-src 'self' blob:",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
SECURITY: list[Header] = [
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
MEDIA_TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}
HTML = b"text/html; charset=utf-8"
FOREVER = b"public, max-age=31536000, immutable"
ASK_AGAIN = b"no-cache"


@dataclass(frozen=True)
class Asset:
    body: bytes
    media_type: bytes
    etag: str


class Playground:
    """Only what lies in the package's static folder has an address: a name is looked up here and never becomes a path."""

    def __init__(self) -> None:
        folder = files("gateway.playground") / "static"
        found = sorted(folder.iterdir(), key=lambda file: file.name)
        self._assets = {file.name: asset(file.read_bytes(), MEDIA_TYPES[file.name.rpartition(".")[2]]) for file in found}
        listed = "".join(f"{name} {one.etag}\n" for name, one in self._assets.items())
        self._edition = sha256(listed.encode()).hexdigest()[:16]
        template = Environment(loader=PackageLoader("gateway.playground", ""), autoescape=True).get_template("page.html")
        self._page = asset(template.render(static=f"/playground/{self._edition}").encode(), HTML)

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/", http_method=["GET", "HEAD"], status_code=200, opt=PAGE)(self.page),
            # The edition stands in the path, not in a query: modules import each other by relative names and stay within it.
            route("/playground/{edition:str}/{name:str}", http_method=["GET", "HEAD"], status_code=200, opt=PAGE)(self.asset),
        ]

    async def page(self, request: Request[Any, Any, Any]) -> Reply:
        return reply(request, self._page, ASK_AGAIN)

    async def asset(self, request: Request[Any, Any, Any], edition: FromPath[str], name: FromPath[str]) -> Reply:
        if name not in self._assets:
            raise NotFound("the playground has no such file")
        # A page that was opened before an upgrade gets today's file, but must not keep it under yesterday's name.
        return reply(request, self._assets[name], FOREVER if edition == self._edition else ASK_AGAIN)


def asset(body: bytes, media_type: bytes) -> Asset:
    return Asset(body, media_type, f'"{sha256(body).hexdigest()[:32]}"')


def reply(request: Request[Any, Any, Any], found: Asset, kept: bytes) -> Reply:
    headers = [*SECURITY, (b"cache-control", kept), (b"etag", found.etag.encode())]
    if_none_match = request.headers.get("if-none-match")
    if if_none_match is not None and matches(if_none_match, found.etag, weakly=True):
        return Reply(b"", status=304, headers=headers, content_type=found.media_type)
    return Reply(found.body, headers=headers, head=request.method == "HEAD", content_type=found.media_type)
