"""The document at `/openapi.json`, the reference at `/docs` and Swagger UI at `/docs/try`: nothing from other hosts, nothing inline."""

from __future__ import annotations

import asyncio
import json
import re
from functools import cached_property, partial
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Method
from markupsafe import Markup, escape

from gateway.auth.access import PAGE
from gateway.docs.code_samples import HERE, code_samples
from gateway.docs.fields import fields_of, kind_of, name_of
from gateway.http.addresses import root_of, rooted
from gateway.http.openapi import document
from gateway.http.reply import JSON, Reply
from gateway.http.static import ASK_AGAIN, HTML, Asset, Static, asset, files_of, reply, security
from gateway.http.wire import encode_json
from gateway.playground.playground import SECURITY

# Swagger UI builds its page from strings, which trusted types would refuse. It shows our own document alone.
_TRY_SECURITY = security(
    "default-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_READ: list[Method] = ["GET", "HEAD"]


class _Pages(NamedTuple):
    document: Asset
    page: Asset
    trying: Asset


class Docs:
    """They hold nothing of anybody, so no key is asked for them. `public_url`: where clients reach this server, if it was told."""

    def __init__(self, public_url: str = "") -> None:
        # Its head and its basic shapes are the playground's, so that the two look alike.
        head = files("gateway.playground") / "static" / "look.css"
        self._static = Static("/docs", [head, *files_of("gateway.theme"), *files_of("gateway.docs")], SECURITY)
        self._public_url = public_url

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/openapi.json", http_method=_READ, status_code=200, opt=PAGE)(self.openapi),
            route("/docs", http_method=_READ, status_code=200, opt=PAGE)(self.page),
            route("/docs/try", http_method=_READ, status_code=200, opt=PAGE)(self.try_page),
            *self._static.routes(),
        ]

    async def openapi(self, request: Request[Any, Any, Any]) -> Reply:
        return reply(request, (await self._made()).document, [*SECURITY, ASK_AGAIN])

    async def page(self, request: Request[Any, Any, Any]) -> Reply:
        return reply(request, (await self._made()).page, [*SECURITY, ASK_AGAIN])

    async def try_page(self, request: Request[Any, Any, Any]) -> Reply:
        return reply(request, (await self._made()).trying, [*_TRY_SECURITY, ASK_AGAIN])

    async def _made(self) -> _Pages:
        return await asyncio.to_thread(lambda: self._pages)

    @cached_property
    def _pages(self) -> _Pages:
        """A tenth of a second, which no start waits for: most servers are never asked for them."""
        told, root = document(), root_of(self._public_url)
        told["servers"] = [{"url": root or "/"}]
        page = docs_page(told, self._static.folder, self._public_url or HERE)
        trying = _environment().get_template("try.html").render(static=self._static.folder)
        return _Pages(asset(encode_json(told), JSON), asset(rooted(page, root).encode(), HTML), asset(rooted(trying, root).encode(), HTML))


def _environment() -> Environment:
    return Environment(loader=PackageLoader("gateway.docs", ""), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def docs_page(told: dict[str, Any], static: str, base: str = HERE) -> str:
    environment = _environment()
    environment.filters |= {
        "words": paragraphs,
        "fields": fields_of,
        "kind": kind_of,
        "ref": name_of,
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    facts = {"sections": sections(told), "component": component(told), "code_of": partial(code_of, base=base)}
    return environment.get_template("page.html").render(told=told, static=static, **facts)


def code_of(operation: dict[str, Any], base: str = HERE) -> dict[str, str]:
    """The operation's call as code, with the first example of its JSON body."""
    examples = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
    return code_samples(operation["method"], base + operation["path"], next((one["value"] for one in examples.values()), None))


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


def paragraphs(text: str) -> Markup:
    """Paragraphs, with `code` between backticks; everything else is escaped."""
    paragraphs = (re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(one))) for one in text.split("\n\n") if one)
    return Markup("".join(f"<p>{one}</p>" for one in paragraphs))  # noqa: S704  # escaped just above
