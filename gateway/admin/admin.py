"""All admin pages together: each page class brings its routes, and all but the login and static files are behind the door."""

from __future__ import annotations

from typing import Any, Protocol

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from cache.errors import RepriseError
from gateway.admin.page import page, static
from gateway.auth.access import ADMIN
from gateway.http.problems import known, status_of
from gateway.http.reply import Reply


class Pages(Protocol):
    """A page class: route handlers with whole paths (`/admin/…`, `/admin/api/…`)."""

    def routes(self) -> list[HTTPRouteHandler]: ...


class Admin:
    """The routes of all pages. Each is marked for the door here, whatever its page class says."""

    def __init__(self, *pages: Pages) -> None:
        self._pages = (static(), *pages)

    def routes(self) -> list[HTTPRouteHandler]:
        handlers = [handler for one in self._pages for handler in one.routes()]
        for handler in handlers:
            handler.opt |= ADMIN
            handler.exception_handlers = {RepriseError: told}  # type: ignore[dict-item]  # Litestar looks each error up by its class
        return handlers


def told(request: Request[Any, Any, Any], error: RepriseError) -> Reply:
    """The answer to an error: a page for people, JSON as everywhere else for programs and fragments."""
    wants = "text/html" in request.headers.get("accept", "") and not request.headers.get("hx-request")
    if not wants or request.scope["path"].startswith("/admin/api/") or status_of(type(error)) >= 500:
        return known(request, error)
    usual = known(request, error)
    return page(request, "problem.html", status=usual.status, headers=usual.headers, problem=error.message)
