"""The page at `/` and its files."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler

from gateway.auth.access import PAGE
from gateway.http.addresses import rooted
from gateway.http.reply import Reply
from gateway.http.static import ASK_AGAIN, HTML, Static, asset, files_of, reply, security

# Nothing inline, nothing from elsewhere. blob: is a clip that was fetched with a key, which <video> itself cannot send.
# Trusted types make the browser refuse innerHTML and its kin, so a prompt can only ever become text.
SECURITY = security(
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


class Playground:
    """The playground's routes, under `root` for clients. They contain no data, so they need no key; the API that the page calls does."""

    def __init__(self, root: str = "") -> None:
        self._static = Static("/playground", [*files_of("gateway.theme"), *files_of("gateway.playground")], SECURITY)
        template = Environment(loader=PackageLoader("gateway.playground", ""), autoescape=True).get_template("page.html")
        self._page = asset(rooted(template.render(static=self._static.folder), root).encode(), HTML)

    def routes(self) -> list[HTTPRouteHandler]:
        return [route("/", http_method=["GET", "HEAD"], status_code=200, opt=PAGE)(self.page), *self._static.routes()]

    async def page(self, request: Request[Any, Any, Any]) -> Reply:
        return reply(request, self._page, [*SECURITY, ASK_AGAIN])
