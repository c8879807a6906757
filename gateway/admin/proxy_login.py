"""Sign-in to the admin pages by a proxy that has asked an identity provider: a header with a name, believed from its addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import structlog
from cachetools import LRUCache
from litestar.types import Scope

from cache.errors import Forbidden
from cache.storage.fleet.accounts import FIRST_TENANT
from gateway.answering.ask import Caller

log = structlog.get_logger(__name__)

_LONGEST = 100  # characters of a name
_MOST = 1000  # names of which we know that the log has them


class ProxyLogin:
    """`header`: its name, empty for no such sign-in. `proxies`: the addresses or networks that may send it.

    Whoever the proxy names is an admin of the tenant `local`: the proxy decides who that is. The name stands in log lines in the place of a
    key's id. Raises ValueError for settings that would believe everybody, or nobody.
    """

    def __init__(self, header: str = "", proxies: Sequence[str] = ()) -> None:
        if bool(header) != bool(proxies):
            raise ValueError(
                "REPRISE_LOGIN_HEADER and REPRISE_LOGIN_PROXIES come together: which header, and from which addresses it is believed"
            )
        self._header, self._proxies = header.lower().encode("ascii"), [_network(one) for one in proxies]
        self._seen: LRUCache[str, bool] = LRUCache(_MOST)

    def caller(self, scope: Scope, headers: dict[bytes, bytes]) -> Caller | None:
        """The caller whom the proxy names; None where there is no such header. Raises Forbidden where it came from elsewhere, or
        holds no name.
        """
        sent = headers.get(self._header) if self._header else None
        if sent is None:
            return None
        client = scope.get("client")
        if client is None or not self._believed(client[0]):
            log.warning("a login header was not believed", address=client[0] if client else None)
            raise Forbidden("this login header is believed from our proxy only (REPRISE_LOGIN_PROXIES)")
        name = _name(sent)
        if name not in self._seen:
            self._seen[name] = True
            log.info("signed in to the admin pages by the proxy", name=name, address=client[0])
        return Caller(FIRST_TENANT, "admin", key_id=f"login:{name}")

    def _believed(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._proxies)


def _name(sent: bytes) -> str:
    """A comma means two headers: one of them may be the visitor's own."""
    try:
        name = sent.decode("utf-8").strip()
    except UnicodeDecodeError:
        name = ""
    if not name or len(name) > _LONGEST or not name.isprintable() or "," in name:
        raise Forbidden(f"the login header holds one name of at most {_LONGEST} printable characters")
    return name


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"REPRISE_LOGIN_PROXIES lists addresses and networks such as 10.0.0.0/8, not {text!r}") from None
