"""Addresses as clients know them: behind a proxy this server may be shown under a path, such as `/reprise`.

Routes and code know no such path. It is cut from what comes in, where the proxy did not do that, and put before what goes out:
`Addresses` does it for headers, `rooted` for a page. `REPRISE_PUBLIC_URL` says which it is.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.reply import Header

_USERS = b"/v1/users/"
_KEY = "reprise.root"  # in the scope of a call: ASGI's own `root_path` would have routes cut it out of the middle of a path
_NAMED = re.compile(r'(\s(?:href|src|action|poster|hx-get|hx-post)=")/(?!/)')
_LEADING = {b"location", b"hx-redirect"}


def root_of(public_url: str) -> str:
    """The path of the public URL, without a slash at its end; empty for a server at the root of its host."""
    return urlsplit(public_url).path.rstrip("/")


def root_at(scope: Scope) -> str:
    """The root of the call, empty where nobody set one."""
    found: object = scope.get(_KEY, "")
    return str(found)


def rooted(page: str, root: str) -> str:
    """A page of ours whose links, files and forms are under `root`. What people wrote stands in other attributes, or is escaped."""
    return _NAMED.sub(rf"\g<1>{root}/", page) if root else page


class Addresses:
    """Wraps the application. An id of an end user may hold `%2F`, which is no border between two parts of a path, and has no place in
    a line of the log: who needs it reads `raw_path`.
    """

    def __init__(self, app: ASGIApp, root: str = "") -> None:
        self._app, self._root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            path, raw = str(scope["path"]), scope.get("raw_path") or b""
            if self._root:
                if path == self._root or path.startswith(f"{self._root}/"):
                    path, raw = path[len(self._root) :] or "/", raw[len(self._root.encode()) :] or b"/"
                    scope["path"], scope["raw_path"] = path, raw
                scope[_KEY] = self._root  # type: ignore[literal-required]
                send = self._under_root(send)
            if raw.startswith(_USERS):
                _, *rest = raw[len(_USERS) :].decode("latin-1").split("/")
                scope["path"] = "/".join(["/v1/users", "_", *rest])
        await self._app(scope, receive, send)

    def _under_root(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [self._header(name, value) for name, value in message["headers"]]
            await send(message)

        return sent

    def _header(self, name: bytes, value: bytes) -> Header:
        root = self._root.encode("ascii")
        if name in _LEADING and value.startswith(b"/") and not value.startswith(b"//"):
            return name, root + value
        return (name, value.replace(b"; Path=/", b"; Path=" + root + b"/")) if name == b"set-cookie" else (name, value)
