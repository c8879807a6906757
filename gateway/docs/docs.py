"""The document at `/openapi.json` and the page at `/docs`, both made once, with nothing from elsewhere and nothing inline."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Method
from markupsafe import Markup, escape

from gateway.docs.fields import fields_of, kind_of, name_of
from gateway.entry.access import PAGE
from gateway.http.openapi import document
from gateway.http.reply import JSON, Reply
from gateway.http.static import ASK_AGAIN, HTML, Static, asset, files_of, reply
from gateway.http.wire import encode
from gateway.playground.playground import SECURITY

_READ: list[Method] = ["GET", "HEAD"]


class Docs:
    """They hold nothing of anybody, so no key is asked for them."""

    def __init__(self) -> None:
        # Its head and its basic shapes are the playground's, so that the two look alike.
        head = files("gateway.playground") / "static" / "look.css"
        self._static = Static("/docs", [head, *files_of("gateway.look"), *files_of("gateway.docs")], SECURITY)
        told = document()
        self._document = asset(encode(told), JSON)
        self._page = asset(page(told, self._static.folder).encode(), HTML)

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/openapi.json", http_method=_READ, status_code=200, opt=PAGE)(self.openapi),
            route("/docs", http_method=_READ, status_code=200, opt=PAGE)(self.page),
            *self._static.routes(),
        ]

    async def openapi(self, request: Request[Any, Any, Any]) -> Reply:
        return reply(request, self._document, [*SECURITY, ASK_AGAIN])

    async def page(self, request: Request[Any, Any, Any]) -> Reply:
        return reply(request, self._page, [*SECURITY, ASK_AGAIN])


def page(told: dict[str, Any], static: str) -> str:
    environment = Environment(loader=PackageLoader("gateway.docs", ""), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "words": words,
        "fields": fields_of,
        "kind": kind_of,
        "ref": name_of,
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    return environment.get_template("page.html").render(told=told, static=static, sections=sections(told), component=component(told))


def sections(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations by tag, in the document's order; HEAD stands beside its GET."""
    found = [{"tag": tag, "operations": []} for tag in told["tags"]]
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            if method != "head":
                section = next(one for one in found if one["tag"]["name"] == operation["tags"][0])
                section["operations"].append({"path": path, "method": method, "head": "head" in methods and method == "get", **operation})
    return found


def component(told: dict[str, Any]) -> Any:
    """Follows a reference within the document; what is none is returned as it is."""

    def follow(found: dict[str, Any]) -> Any:
        if "$ref" not in found:
            return found
        _, kind, name = found["$ref"].rsplit("/", 2)
        return told["components"][kind][name]

    return follow


def words(text: str) -> Markup:
    """Paragraphs, with `code` between backticks; everything else is escaped."""
    paragraphs = (re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(one))) for one in text.split("\n\n") if one)
    return Markup("".join(f"<p>{one}</p>" for one in paragraphs))  # noqa: S704  # escaped just above
