"""Who may see the admin pages, and whose words they may read there."""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Any, cast
from urllib.parse import parse_qs, quote

from litestar import Request
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPRequestEvent, HTTPScope, Receive, Scope, Send

from cache.errors import Forbidden, Invalid, TooLarge, Unauthenticated
from cache.storage.accounts import Key
from cache.storage.operators.sessions import Sessions
from gateway.entry.access import Caller, authority_of, caller_of
from gateway.http.reply import Reply, headers_of

COOKIE = "reprise_admin"
CSRF_HEADER = b"x-csrf-token"
CSRF_FIELD = "csrf"
LOGIN = "/admin/login"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_MOST_FORM = 256 * 1024  # bytes of a form that is searched for its token

Asked = Request[Any, Any, Any]


def may_read(admin_tenant: str | None, row_tenant: str) -> bool:
    """Whether prompts of `row_tenant` are shown in clear: all in open mode (None), else the admin's own tenant's only.
    Whoever runs the place counts everybody's requests and reads nobody's words.
    """
    return admin_tenant is None or admin_tenant == row_tenant


def reader_of(request: Asked) -> str | None:
    """The first argument of `may_read`: the tenant of the admin's key, None in open mode."""
    caller = caller_of(request)
    return None if caller.key_id is None else caller.tenant


def readable(request: Asked, row_tenant: str, prompt: str | None) -> str:
    """What stands on a page where a prompt would: the prompt, or why it is not there."""
    if not may_read(reader_of(request), row_tenant):
        return f"hidden (tenant {row_tenant})"
    return "not kept" if prompt is None else prompt


def csrf_of(secret: str) -> str:
    """The token of a session: only who was sent the page knows it, and the cookie cannot be told from it."""
    return hmac.new(secret.encode("utf-8", "surrogateescape"), b"reprise csrf", hashlib.sha256).hexdigest()


class Door:
    """In front of every /admin route but the login and the files. The gate stands before it and has looked at open mode and at
    keys in headers; who is still nobody here needs a session.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

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
    """The secret in the cookie, None where there is none."""
    try:
        # Several Cookie fields were joined by commas as other fields are; cookies are parted by semicolons.
        found = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1").replace(", ", "; ")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and 20 <= len(found.value) <= 200 else None


def check_origin(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Forbidden for a call that a page of another site makes: browsers say whence they call."""
    origin = headers.get(b"origin")
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if origin is not None and authority_of(origin.decode("latin-1").lower()) != host:
        raise Forbidden("only our own pages may do this, and Origin names another")
    if headers.get(b"sec-fetch-site", b"same-origin") not in {b"same-origin", b"none"}:
        raise Forbidden("only our own pages may do this")


async def _checked(headers: dict[bytes, bytes], receive: Receive, token: str) -> Receive:
    """Forbidden without the session's token; else the body, which a form was read for, once more."""
    sent = headers.get(CSRF_HEADER)
    if sent is None and headers.get(b"content-type", b"").split(b";")[0].strip().lower() == b"application/x-www-form-urlencoded":
        body = await _whole(receive)
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=1000)
        except ValueError as error:
            raise Invalid(None, f"this is no form: {error}") from None
        sent = fields.get(CSRF_FIELD, [""])[0].encode("utf-8")
        receive = _again(body, receive)
    if sent is None or not hmac.compare_digest(sent, token.encode()):
        raise Forbidden("the page's token is missing or of another session: load the page again")
    return receive


async def _whole(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MOST_FORM:
            raise TooLarge(None, f"a form has at most {_MOST_FORM} bytes")
    return bytes(body)


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
    """A page sends the browser to the login and back; everything else is told that it needs a session or a key."""
    path = scope["path"]
    if not path.startswith("/admin/api/") and scope.get("method") in _SAFE:
        here = path + (f"?{scope['query_string'].decode('latin-1')}" if scope.get("query_string") else "")
        target = f"{LOGIN}?next={quote(here, safe='')}".encode("ascii")
        if headers.get(b"hx-request") == b"true":
            return Reply(b"", status=401, headers=[(b"hx-redirect", LOGIN.encode())], content_type=b"text/plain")
        return Reply(b"", status=303, headers=[(b"location", target), (b"cache-control", b"no-store")], content_type=b"text/plain")
    raise Unauthenticated("this needs a session of the admin page (/admin/login), or an admin key as `Authorization: Bearer KEY`")


def local_path(sent: str | None) -> str:
    """Where to go after the login: a page of ours, whatever the address line says."""
    plain = sent is not None and sent.startswith("/admin") and not any(mark in sent for mark in "\\\r\n\t") and sent.isascii()
    return sent if plain and sent is not None and sent[6:7] in {"", "/", "?"} and not sent.startswith("/admin/login") else "/admin"


def address_of(scope: Scope | HTTPScope) -> str:
    client = scope.get("client")
    return client[0] if client else "local"
