"""The keys page: who may call, as which tenant, and how much. A key is shown once, on the page that follows its creation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast, get_args

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Invalid
from cache.storage.fleet.accounts import Accounts, Key, KeyTerms, Rate, Role, Share
from cache.storage.fleet.sessions import Sessions
from gateway.admin.page import json_variant, page, sent_to
from gateway.auth.access import caller_of
from gateway.http.forms import form
from gateway.http.problems import status_of
from gateway.http.reply import AnyRequest, Reply

log = structlog.get_logger(__name__)


class KeysPage:
    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts, self._sessions = accounts, sessions

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/admin/keys", http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/keys", http_method=["POST"], status_code=200)(self.make),
            route("/admin/keys/{key_id:str}/revoke", http_method=["POST"], status_code=200)(self.take_back),
            route("/admin/api/keys", http_method=["GET", "HEAD"], status_code=200)(self.told),
        ]

    async def look(self, request: AnyRequest) -> Reply:
        return await self._page(request)

    async def make(self, request: AnyRequest) -> Reply:
        """Creates a key. A rejected form keeps what was typed and says what is wrong with it."""
        typed = await form(request)
        try:
            terms = key_terms(typed)
            if terms.role != "admin" and not await self._accounts.any():
                raise Invalid("role", "the first key ends open mode, so it must be an admin key: else nobody could sign in here")
            key, secret = await self._accounts.create(terms)
        except Invalid as error:
            return await self._page(request, status=status_of(Invalid), problem=error.message, wrong=error.field, typed=typed)
        log.info("key created at the admin pages", key=key.id, tenant=key.tenant, role=key.role, by=caller_of(request).key_id)
        return await self._page(request, made=key, secret=secret)

    async def take_back(self, request: AnyRequest, key_id: FromPath[str]) -> Reply:
        await self._accounts.revoke(key_id)
        await self._sessions.end_all(key_id)
        log.warning("key revoked at the admin pages", key=key_id, by=caller_of(request).key_id)
        return sent_to("/admin/keys")

    async def told(self, request: AnyRequest) -> Reply:
        return json_variant(
            request, {"keys": [asdict(key) | {"rate": None if key.rate is None else str(key.rate)} for key in await self._accounts.list()]}
        )

    async def _page(
        self,
        request: AnyRequest,
        *,
        status: int = 200,
        made: Key | None = None,
        secret: str | None = None,
        problem: str | None = None,
        wrong: str | None = None,
        typed: Mapping[str, str] | None = None,
    ) -> Reply:
        keys = sorted(await self._accounts.list(), key=lambda key: (key.revoked_at is not None, key.tenant, key.id))
        opened = caller_of(request).key_id is None
        facts: dict[str, Any] = {"keys": keys, "made": made, "secret": secret, "problem": problem, "wrong": wrong, "opened": opened}
        return page(request, "keys.html", status=status, typed=typed or {"role": "admin" if opened else "user"}, **facts)


def key_terms(typed: Mapping[str, str]) -> KeyTerms:
    """The terms of a new key. Raises Invalid, naming the field, if they are not valid."""
    role, share = typed.get("role", "user"), typed.get("share", "") or None
    if role not in get_args(Role):
        raise Invalid("role", f"a role is one of {', '.join(get_args(Role))}")
    if share is not None and share not in get_args(Share):
        raise Invalid("share", f"share is one of {', '.join(get_args(Share))}")
    concurrency, rate = typed.get("concurrency", "").strip(), typed.get("rate", "").strip()
    if concurrency and (not concurrency.isdecimal() or len(concurrency) > 6):
        raise Invalid("concurrency", "concurrency is a number")
    return KeyTerms(
        typed.get("tenant", "").strip(),
        cast(Role, role),
        Rate.parse(rate) if rate else None,
        int(concurrency) if concurrency else None,
        cast(Share | None, share),
        typed.get("label", "").strip(),
    )
