"""Sign-in to the admin pages with an admin key, and sign-out."""

from __future__ import annotations

import time

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler

from cache.errors import RateLimited
from cache.storage.fleet.accounts import Accounts, sha256_of
from cache.storage.fleet.sessions import Sessions
from gateway.admin.door import COOKIE, LOGIN, check_origin, client_address, local_path, session_in
from gateway.admin.lockout import Lockout
from gateway.admin.page import page, sent_to
from gateway.auth.access import PAGE, caller_of
from gateway.auth.gate import Gate
from gateway.http.forms import form
from gateway.http.problems import status_of
from gateway.http.reply import AnyRequest, Header, Reply, headers_of

log = structlog.get_logger(__name__)

_LONGEST = 4096  # bytes of the form


class Login:
    def __init__(self, gate: Gate, accounts: Accounts, sessions: Sessions, lockout: Lockout | None = None) -> None:
        self._gate, self._accounts, self._sessions = gate, accounts, sessions
        self._lockout = lockout or Lockout()

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route(LOGIN, http_method=["GET", "HEAD"], status_code=200, opt=PAGE)(self.ask),
            route(LOGIN, http_method=["POST"], status_code=200, opt=PAGE)(self.enter),
            route("/admin/logout", http_method=["POST"], status_code=200)(self.leave),
        ]

    async def ask(self, request: AnyRequest) -> Reply:
        target = local_path(request.query_params.get("next"))
        if not self._gate.needs_keys:
            return sent_to(target)
        return page(request, "login.html", target=target, problem=None)

    async def enter(self, request: AnyRequest) -> Reply:
        """Starts a session. Wrong keys, user keys and revoked keys get the same answer."""
        if not self._gate.needs_keys:
            return sent_to("/admin")
        headers = headers_of(request.scope)
        check_origin(request.scope, headers)
        fields = await form(request, _LONGEST)
        secret, target = fields.get("key", "").strip(), local_path(fields.get("next"))
        address = client_address(request.scope)
        try:
            self._lockout.check(address)
        except RateLimited as error:
            wait: list[Header] = [(b"retry-after", b"%d" % max(1, round(error.retry_after)))]
            problem = f"Too many wrong keys from this address. Try again in {max(1, round(error.retry_after))} s."
            return page(request, "login.html", status=status_of(RateLimited), headers=wait, target=target, problem=problem)
        # Counted before the look-up: otherwise many concurrent attempts would all be looked up before the first is found wrong.
        self._lockout.wrong(address)
        key = await self._accounts.find(sha256_of(secret))
        if key is None or key.role != "admin":
            log.warning("wrong key at the admin login", address=address)
            return page(request, "login.html", status=401, target=target, problem="This is not a valid admin key.")
        self._lockout.right(address)
        await self._accounts.used({key.id: time.time()})
        session = await self._sessions.begin(key.id)
        log.info("signed in to the admin pages", key=key.id, address=address)
        return sent_to(target, headers=[_cookie(session, round(self._sessions.seconds), _secure(request, headers))])

    async def leave(self, request: AnyRequest) -> Reply:
        headers = headers_of(request.scope)
        secret = session_in(headers)
        if secret is not None:
            await self._sessions.end(secret)
            log.info("signed out of the admin pages", key=caller_of(request).key_id)
        return sent_to(LOGIN, headers=[_cookie("", 0, _secure(request, headers))])


def _cookie(secret: str, seconds: int, secure: bool) -> Header:
    ends = "; Secure" if secure else ""
    return b"set-cookie", f"{COOKIE}={secret}; Path=/admin; Max-Age={seconds}; HttpOnly; SameSite=Strict{ends}".encode("ascii")


def _secure(request: AnyRequest, headers: dict[bytes, bytes]) -> bool:
    """True if the browser uses https: behind a proxy that terminates TLS only its Origin still says so."""
    return request.scope["scheme"] == "https" or headers.get(b"origin", b"").startswith(b"https://")
