"""Access: the authentication of callers, by key or in open mode, and their authorization."""

from __future__ import annotations

import asyncio
import hmac
import time
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from cachetools import LRUCache
from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from cache.errors import Forbidden, RateLimited, Unauthenticated, Unavailable
from cache.storage.fleet.accounts import Accounts, Key, sha256_of
from gateway.answering.ask import Caller
from gateway.auth.limits import Limits
from gateway.http.reply import headers_of

Connection = ASGIConnection[Any, Any, Any, Any]

PUBLIC = {"public": True}  # `opt` of a route that anyone may call, such as the health checks
PAGE = {"page": True}  # `opt` of a page without data: it asks for a key itself
ADMIN = {"admin": True}  # `opt` of the admin pages: without a key there may be a session, which gateway/admin/door.py checks
_FRESH = 2.0  # seconds that a key is trusted before it is read again: a revoked one works no longer than this
_BRIDGED = 600.0  # the same while the database is away, for keys that it confirmed before
_MOST = 10_000  # keys held in memory
_READING = {"GET", "HEAD", "OPTIONS"}


LOCAL = Caller("local", "admin")
SCRAPER = Caller("metrics", "admin")  # a caller with a route's own token, who reaches only that route


class Access(Protocol):
    """Lets a caller in, or raises Unauthenticated or Forbidden, before any body is read."""

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Mounted on the whole application. Not as a Litestar guard: that copies the route for every request, which takes
        as long as reading and checking a whole body.
        """


class OpenAccess:
    """Open mode, without keys: callers on this machine are the tenant `local`, and nobody else is served.

    A page of another site can make a browser on this machine send requests here, under a name of its own
    (DNS rebinding) or by a form; so `Host` must be ours, and an `Origin` must be a page of this server or one of `origins`
    (in so many words: `*` would let every site in, and there is no key that it lacks).
    """

    def __init__(self, allowed_hosts: tuple[str, ...] = (), origins: tuple[str, ...] = ()) -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origins) - {"*"}

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
            raise Forbidden("in open mode only localhost is served, and Host names something else (see REPRISE_ALLOWED_HOSTS)")
        client = scope.get("client")
        if client is not None and not self._allowed and not _near(client[0]):
            raise Forbidden("in open mode only this machine is served")
        sent = headers.get(b"origin")
        if sent is None:
            return
        origin = sent.decode("latin-1").lower()
        named = origin in self._origins and scope["path"].startswith("/v1/")
        if not named and authority_of(origin) != host:
            raise Forbidden("in open mode only pages of this server may call, and Origin names another site (see REPRISE_CORS_ORIGINS)")


@dataclass
class _Confirmed:
    key: Key
    at: float  # monotonic seconds


class KeyAccess:
    """Access by `Authorization: Bearer KEY` or `X-API-Key: KEY`. A missing, unknown or revoked key gets the same answer,
    after the same hash and look-up; the comparison is of hashes, so its timing reveals nothing about keys.
    """

    def __init__(self, accounts: Accounts, limits: Limits) -> None:
        self._accounts, self._limits = accounts, limits
        self._confirmed: LRUCache[str, _Confirmed] = LRUCache(_MOST)
        self._asking: dict[str, asyncio.Task[Key | None]] = {}
        self._used: dict[str, float] = {}

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
            opt = scope["route_handler"].opt
            if opt.get("public") or opt.get("page"):
                await app(scope, receive, send)
                return
            secret = _secret(headers_of(scope))
            if (token := opt.get("token")) and hmac.compare_digest(secret.encode("latin-1"), token.encode()):
                scope["user"] = SCRAPER
                await app(scope, receive, send)
                return
            if opt.get("admin") and not secret:
                await app(scope, receive, send)
                return
            key = await self.known(secret)
            if key is None:
                raise Unauthenticated("this needs an API key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`")
            scope["user"] = Caller(key.tenant, key.role, key.share == "all", key.id)
            self._used[key.id] = time.time()
            with self._limits.running(key):
                await self._count(key, scope)
                await app(scope, receive, send)

        return let_in

    async def _count(self, key: Key, scope: Scope) -> None:
        """Counts a call against the rate limit; reads are free, since they cost no render and waiting clients poll."""
        if scope.get("method") in _READING:
            return
        try:
            scope["state"]["limits"] = await self._limits.take(key)
        except RateLimited:
            scope["state"]["limits"] = self._limits.told(key)
            raise

    async def known(self, secret: str) -> Key | None:
        digest, at = sha256_of(secret), time.monotonic()
        confirmed = self._confirmed.get(digest)
        if confirmed is not None and at < confirmed.at + _FRESH:
            return confirmed.key
        try:
            return await self._ask(digest)
        except Unavailable:
            if confirmed is None or at >= confirmed.at + _BRIDGED:
                raise
            return confirmed.key

    async def _ask(self, digest: str) -> Key | None:
        """Many calls of one key share one look at the database; one of them leaving does not stop it."""
        asking = self._asking.get(digest)
        if asking is None:
            asking = self._asking[digest] = asyncio.create_task(self._read(digest))
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(asking)

    async def _read(self, digest: str) -> Key | None:
        at = time.monotonic()  # before the look: what it finds was true then
        key = await self._accounts.find(digest)
        self._confirmed.pop(digest, None)
        if key is not None:
            self._confirmed[digest] = _Confirmed(key, at)
        return key

    async def note_use(self) -> None:
        """Writes down when keys were used since the last time: not with each call, which would make reading a write."""
        used, self._used = self._used, {}
        if used:
            await self._accounts.used(used)


async def add_limits(message: Message, scope: Scope) -> None:
    """A `before_send` hook: answers to counted calls say what is left, refusals too."""
    if message["type"] == "http.response.start" and (limits := scope["state"].get("limits")):
        message["headers"] = [*message["headers"], *limits]


def _secret(headers: dict[bytes, bytes]) -> str:
    """The key that was sent, "" for none; an Authorization of another scheme is no key of ours."""
    sent = headers.get(b"authorization")
    if sent is None:
        return headers.get(b"x-api-key", b"").decode("latin-1")
    scheme, _, secret = sent.decode("latin-1").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def admin_of(connection: Connection) -> Caller:
    """The caller, as caller_of. Raises Forbidden unless it is an admin."""
    caller = caller_of(connection)
    if caller.role != "admin":
        raise Forbidden("this needs a key of the role admin")
    return caller


def caller_of(connection: Connection) -> Caller:
    """The authenticated caller. Raises Unauthenticated if a route was mounted without the guard."""
    caller = connection.scope.get("user")
    if not isinstance(caller, Caller):
        raise Unauthenticated("this path needs a key")
    return caller


@lru_cache(maxsize=256)
def is_local(host: str) -> bool:
    """True if a host name or address can only be this machine."""
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
    """The authority of an origin, `localhost:8000` of `http://localhost:8000`; None for `null` and anything that is not a web origin."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc if parts.scheme in {"http", "https"} else None
