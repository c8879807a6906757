"""Static files of pages, and pages made once: part of the package, unchanged while a process runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import NotFound
from gateway.auth.access import PAGE
from gateway.http.conditions import matches
from gateway.http.reply import Header, Reply

HTML = b"text/html; charset=utf-8"
FOREVER: Header = (b"cache-control", b"public, max-age=31536000, immutable")
ASK_AGAIN: Header = (b"cache-control", b"no-cache")
_MEDIA_TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    body: bytes
    media_type: bytes
    etag: str


class Static:
    """The files of one page or of several that belong together. `security` goes with every answer.

    Only what is given here has an address: a name is looked up and never becomes a path.
    """

    def __init__(self, address: str, found: Iterable[Traversable], security: list[Header]) -> None:
        self._security = security
        self._assets = {file.name: asset(file.read_bytes(), _MEDIA_TYPES[file.name.rpartition(".")[2]]) for file in found}
        listed = "".join(f"{name} {one.etag}\n" for name, one in sorted(self._assets.items()))
        self._edition = sha256(listed.encode()).hexdigest()[:16]
        self._address = address

    @property
    def folder(self) -> str:
        """The URL folder of the current files."""
        # The edition stands in the path, not in a query: modules import each other by relative names and stay within it.
        return f"{self._address}/{self._edition}"

    def routes(self) -> list[HTTPRouteHandler]:
        path = f"{self._address}/{{edition:str}}/{{name:str}}"
        return [route(path, http_method=["GET", "HEAD"], status_code=200, opt=PAGE)(self.asset)]

    async def asset(self, request: Request[Any, Any, Any], edition: FromPath[str], name: FromPath[str]) -> Reply:
        if name not in self._assets:
            raise NotFound("there is no such file")
        # A page that was opened before an upgrade gets today's file, but must not keep it under yesterday's name.
        return reply(request, self._assets[name], [*self._security, FOREVER if edition == self._edition else ASK_AGAIN])


def files_of(room: str) -> list[Traversable]:
    """All files in the static folder of a package."""
    return list((files(room) / "static").iterdir())


def asset(body: bytes, media_type: bytes) -> Asset:
    return Asset(body, media_type, f'"{sha256(body).hexdigest()[:32]}"')


def reply(request: Request[Any, Any, Any], found: Asset, headers: list[Header]) -> Reply:
    """The whole file, or 304 if the client has it. `headers` say how long it may be cached."""
    sent = [*headers, (b"etag", found.etag.encode())]
    held = request.headers.get("if-none-match")
    if held is not None and matches(held, found.etag, weakly=True):
        return Reply(b"", status=304, headers=sent, content_type=found.media_type)
    return Reply(found.body, headers=sent, head=request.method == "HEAD", content_type=found.media_type)


def security(*policy: str) -> list[Header]:
    """The security headers of a page with this content security policy: no framing, no type sniffing."""
    return [
        (b"content-security-policy", "; ".join(policy).encode()),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"referrer-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
    ]
