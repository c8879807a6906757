"""Who asks, and whether they may."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Receive, Scope, Send

from cache.errors import Forbidden, Unauthenticated
from gateway.reply import headers_of

Role = Literal["user", "admin"]
Connection = ASGIConnection[Any, Any, Any, Any]

PUBLIC = {"public": True}  # `opt` of a route that anyone may call, such as the health checks


@dataclass(frozen=True)
class Caller:
    """Everything that is looked up or written is looked up and written for `tenant`."""

    tenant: str
    role: Role = "user"


LOCAL = Caller("local", "admin")


class Access(Protocol):
    """Lets a caller in, or raises Unauthenticated or Forbidden, before any body is read."""

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Mounted on the whole application. Not as a Litestar guard: that copies the route for every request, which takes
        as long as reading and checking a whole body.
        """


class OpenAccess:
    """No keys: whoever sits at this machine is the tenant `local`, and nobody else is served.

    A page of another site can make the browser of that person send requests here, under a name of its own
    (DNS rebinding) or from afar (a form); so `Host` must be ours, and an `Origin` must be the page that we served.
    """

    def __init__(self, allowed_hosts: tuple[str, ...] = ()) -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
            if not scope["route_handler"].opt.get("public"):
                self._check(scope)
            scope["user"] = LOCAL
            await app(scope, receive, send)

        return let_in

    def _check(self, scope: Scope) -> None:
        headers = headers_of(scope)
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host_name(host)
        if name is None or not (name in self._allowed or is_local(name)):
            raise Forbidden("without keys only localhost is served, and Host names something else (see REPRISE_ALLOWED_HOSTS)")
        client = scope.get("client")
        if client is not None and not self._allowed and not _near(client[0]):
            raise Forbidden("without keys only this machine is served")
        origin = headers.get(b"origin")
        if origin is not None and authority_of(origin.decode("latin-1").lower()) != host:
            raise Forbidden("without keys only our own pages may call, and Origin names another")


def caller_of(connection: Connection) -> Caller:
    """Whom the guard let in. Unauthenticated, should a route ever be mounted without one."""
    caller = connection.scope.get("user")
    if not isinstance(caller, Caller):
        raise Unauthenticated("this path needs a key")
    return caller


@lru_cache(maxsize=256)
def is_local(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _near(client: str) -> bool:
    """Loopback, or no address at all (a Unix socket, a call within the process)."""
    try:
        return ip_address(client).is_loopback
    except ValueError:
        return True


@lru_cache(maxsize=256)
def host_name(host: str) -> str | None:
    """The name in a Host header, without its port; None for what is no host."""
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    if (colon and not port.isdecimal()) or not name or any(mark in name for mark in " ,/@\\"):
        return None
    return name


@lru_cache(maxsize=256)
def authority_of(origin: str) -> str | None:
    """`localhost:8000` of `http://localhost:8000`; None for `null` and everything else that is no web origin."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc if parts.scheme in {"http", "https"} else None
