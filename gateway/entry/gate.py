"""Which of the two accesses holds: keys where there are any, else open, and then for this machine only."""

from __future__ import annotations

import asyncio

import structlog
from litestar.types import ASGIApp, Receive, Scope, Send

from cache.errors import Forbidden, Unavailable
from cache.settings import Settings
from cache.storage.accounts import Accounts, Terms
from cache.storage.database import Database
from gateway.entry.access import KeyAccess, OpenAccess, is_local
from gateway.entry.limits import Limits
from gateway.http.reply import ANSWERED

log = structlog.get_logger(__name__)

FIRST_TENANT = "local"  # of the first admin key: what was made while it was open stays with whoever runs the place
_EVERY = 2.0  # seconds between looks for keys, and between notes of their use


async def decide(accounts: Accounts, host: str, admin_key: str) -> bool:
    """Whether calls need keys. Forbidden where this would be open to other machines."""
    if admin_key:
        await accounts.create(Terms(FIRST_TENANT, "admin", label="REPRISE_ADMIN_KEY"), admin_key)
    if await accounts.any():
        return True
    if not is_local(host):
        raise Forbidden(
            f"without keys Reprise serves this machine only, not {host}: set REPRISE_ADMIN_KEY to a secret of your own, "
            "or run `reprise keys create --tenant NAME --role admin` first"
        )
    return False


class Gate:
    """Opens once at most, and closes for good: the first key that is made, by whichever process, ends open mode here."""

    def __init__(self, accounts: Accounts, opened: OpenAccess, keyed: KeyAccess, host: str) -> None:
        self._accounts, self._opened, self._keyed, self._host = accounts, opened, keyed, host
        self.needs_keys = True

    async def decide(self, admin_key: str) -> None:
        """Before anybody is served."""
        self.needs_keys = await decide(self._accounts, self._host, admin_key)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        opened, keyed = self._opened.middleware(app), self._keyed.middleware(app)

        async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
            ANSWERED.set(scope)
            await (keyed if self.needs_keys else opened)(scope, receive, send)

        return let_in

    async def run(self) -> None:
        """Ends when cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self._keyed.note_use()
                if not self.needs_keys and await self._accounts.any():
                    self.needs_keys = True
                    log.warning("keys were made: from now on every call needs one")
            except Unavailable as error:
                log.warning("keys cannot be read", reason=error.message)


def open_gate(database: Database, settings: Settings) -> Gate:
    accounts = Accounts(database)
    return Gate(accounts, OpenAccess(settings.allowed_hosts), KeyAccess(accounts, Limits()), settings.host)
