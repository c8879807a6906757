"""The gate: access by keys if there are any, otherwise open mode, for this machine only."""

from __future__ import annotations

import structlog
from litestar.types import ASGIApp, Receive, Scope, Send

from cache.errors import Forbidden
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.fleet.accounts import FIRST_TENANT, Accounts, KeyTerms
from cache.storage.fleet.call_counts import CallCounts
from cache.supervision import Supervisor
from gateway.auth.access import KeyAccess, OpenAccess, is_local
from gateway.auth.limits import Limits
from gateway.http.reply import ANSWERED

log = structlog.get_logger(__name__)

_EVERY = 2.0  # seconds between checks for keys, and between records of their use


async def keys_needed(accounts: Accounts, host: str, admin_key: str) -> bool:
    """True if calls need keys. Raises Forbidden if the instance would be open to other machines."""
    if admin_key:
        await accounts.create(KeyTerms(FIRST_TENANT, "admin", label="REPRISE_ADMIN_KEY"), admin_key)
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
        """Decides about open mode, before the first call is served. Raises Forbidden."""
        self.needs_keys = await keys_needed(self._accounts, self._host, admin_key)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        opened, keyed = self._opened.middleware(app), self._keyed.middleware(app)

        async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
            ANSWERED.set(scope)
            await (keyed if self.needs_keys else opened)(scope, receive, send)

        return let_in

    def start(self, supervisor: Supervisor) -> None:
        supervisor.every(_EVERY, "keys", self.look, later=True)

    async def look(self) -> None:
        """Writes down when keys were used last; closes where the first key was made meanwhile."""
        await self._keyed.note_use()
        if not self.needs_keys and await self._accounts.any():
            self.needs_keys = True
            log.warning("open mode ended: from now on every call needs a key")


def open_gate(database: Database, settings: Settings) -> Gate:
    accounts = Accounts(database)
    limits = Limits(None if settings.embedded else CallCounts(database))
    return Gate(accounts, OpenAccess(settings.allowed_hosts, settings.cors_origins), KeyAccess(accounts, limits), settings.host)
