"""Access to the admin pages, and to the prompts shown there."""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import cast
from urllib.parse import quote

from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPRequestEvent, HTTPScope, Receive, Scope, Send

from cache.errors import Forbidden, Unauthenticated
from cache.storage.fleet.accounts import Key
from cache.storage.fleet.sessions import Sessions
from gateway.admin.proxy_login import ProxyLogin
from gateway.answering.ask import Caller
from gateway.auth.access import authority_of, caller_of
from gateway.http.forms import URLENCODED, read_whole, urlencoded
from gateway.http.reply import AnyRequest, Reply, headers_of

COOKIE = "reprise_admin"
CSRF_HEADER = b"x-csrf-token"
CSRF_FIELD = "csrf"
LOGIN = "/admin/login"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_MOST_FORM = 256 * 1024  # bytes of a form that is searched for its token


def may_read(admin_tenant: str | None, row_tenant: str) -> bool:
    """True if prompts of `row_tenant` are shown: all in open mode (None), else only those of the admin's own tenant.
    An operator counts the requests of all tenants but reads no other tenant's prompts.
    """
    return admin_tenant is None or admin_tenant == row_tenant


def reader_of(request: AnyRequest) -> str | None:
    """The first argument of `may_read`: the tenant of the admin's key, None in open mode."""
    caller = caller_of(request)
    return None if caller.key_id is None else caller.tenant


def readable(request: AnyRequest, row_tenant: str, prompt: str | None) -> str:
    """The text shown for a prompt: the prompt itself, or the reason that it is not shown."""
    if not may_read(reader_of(request), row_tenant):
        return f"hidden (tenant {row_tenant})"
    return "not stored" if prompt is None else prompt


def csrf_of(secret: str) -> str:
    """The CSRF token of a session: known only to those who were sent a page, and the cookie cannot be derived from it."""
    return hmac.new(secret.encode("utf-8", "surrogateescape"), b"reprise csrf", hashlib.sha256).hexdigest()


class Door:
    """The authorization of every /admin route except the login and static files. The gate runs first and has handled open mode and
    keys in headers; a caller that is still unknown here was named by our proxy, or needs a session.
    """

    def __init__(self, sessions: Sessions, proxy: ProxyLogin) -> None:
        self._sessions, self._proxy = sessions, proxy

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
            opt = scope["route_handler"].opt
            if not opt.get("admin") or opt.get("page"):
                await app(scope, receive, send)
                return
            caller = scope.get("user")
            if isinstance(caller, Caller):
                if caller.role != "admin":
                    raise Forbidden("this needs a key of the role admin")
                await app(scope, receive, send)
                return
            headers = headers_of(scope)
            named = self._proxy.caller(scope, headers)
            if named is not None:
                if scope.get("method") not in _SAFE:
                    check_from_here(scope, headers)
                scope["user"], scope["state"]["login"] = named, named.key_id
                await app(scope, receive, send)
                return
            secret = session_in(headers)
            key = None if secret is None else await self._sessions.key_of(secret)
            if secret is None or key is None or key.role != "admin":
                await _refuse(scope, headers)(scope, receive, send)
                return
            if scope.get("method") not in _SAFE:
                check_origin(scope, headers)
                receive = await _checked(headers, receive, csrf_of(secret))
            scope["user"] = caller_for(key)
            scope["state"]["csrf"] = csrf_of(secret)
            await app(scope, receive, send)

        return let_in


def caller_for(key: Key) -> Caller:
    return Caller(key.tenant, key.role, key.share == "all", key.id)


def session_in(headers: dict[bytes, bytes]) -> str | None:
    """The session's secret from the cookie, None if there is none."""
    try:
        # Several Cookie fields were joined by commas as other fields are; cookies are separated by semicolons.
        found = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1").replace(", ", "; ")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and 20 <= len(found.value) <= 200 else None


def check_origin(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Raises Forbidden for a call from another site's page: browsers say where a call comes from."""
    origin = headers.get(b"origin")
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if origin is not None and authority_of(origin.decode("latin-1").lower()) != host:
        raise Forbidden("only pages of this server may do this, and Origin names another site")
    if headers.get(b"sec-fetch-site", b"same-origin") not in {b"same-origin", b"none"}:
        raise Forbidden("only pages of this server may do this")


def check_from_here(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Raises Forbidden unless a browser says that one of our pages sent it: who is named by a proxy has no session that a token could
    belong to, and a browser signs every call in, also those that other sites make it send.
    """
    check_origin(scope, headers)
    if b"origin" not in headers and b"sec-fetch-site" not in headers:
        raise Forbidden("only pages of this server may do this, and neither Origin nor Sec-Fetch-Site says that one did")


async def _checked(headers: dict[bytes, bytes], receive: Receive, token: str) -> Receive:
    """The body for the route to read: a form is read here for its token, then replayed. Raises Forbidden without the session's token."""
    sent = headers.get(CSRF_HEADER)
    if sent is None and headers.get(b"content-type", b"").split(b";")[0].strip().lower() == URLENCODED.encode():
        body = await read_whole(receive, _MOST_FORM)
        sent = urlencoded(body.decode("utf-8", "replace"), _MOST_FORM).get(CSRF_FIELD, "").encode("utf-8")
        receive = _again(body, receive)
    if sent is None or not hmac.compare_digest(sent, token.encode()):
        raise Forbidden("the page's CSRF token is missing or belongs to another session: reload the page")
    return receive


def _again(body: bytes, receive: Receive) -> Receive:
    told = False

    async def repeated() -> HTTPReceiveMessage:
        nonlocal told
        if told:
            return cast(HTTPReceiveMessage, await receive())
        told = True
        return HTTPRequestEvent(type="http.request", body=body, more_body=False)

    return repeated


def _refuse(scope: Scope, headers: dict[bytes, bytes]) -> Reply:
    """Redirects a browser to the login and back. Raises Unauthenticated for everything else."""
    path = scope["path"]
    if not path.startswith("/admin/api/") and scope.get("method") in _SAFE:
        here = path + (f"?{scope['query_string'].decode('latin-1')}" if scope.get("query_string") else "")
        target = f"{LOGIN}?next={quote(here, safe='')}".encode("ascii")
        if headers.get(b"hx-request") == b"true":
            return Reply(b"", status=401, headers=[(b"hx-redirect", LOGIN.encode())], content_type=b"text/plain")
        return Reply(b"", status=303, headers=[(b"location", target), (b"cache-control", b"no-store")], content_type=b"text/plain")
    raise Unauthenticated("this needs a session of the admin page (/admin/login), or an admin key as `Authorization: Bearer KEY`")


def local_path(sent: str | None) -> str:
    """The admin page to go to after the login: never another site, whatever the query string says."""
    plain = sent is not None and sent.startswith("/admin") and not any(mark in sent for mark in "\\\r\n\t") and sent.isascii()
    return sent if plain and sent is not None and sent[6:7] in {"", "/", "?"} and not sent.startswith("/admin/login") else "/admin"


def client_address(scope: Scope | HTTPScope) -> str:
    client = scope.get("client")
    return client[0] if client else "local"
