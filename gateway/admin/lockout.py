"""A lockout for wrong keys at the login: after a few from one address, each further one costs a longer wait, up to 15 minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from cachetools import LRUCache

from cache.errors import RateLimited

FREE = 5  # wrong keys without a wait
LONGEST = 900.0  # seconds
_FORGIVEN = 3600.0  # seconds without a wrong key after which an address starts afresh
_MOST = 10_000  # addresses that are remembered


@dataclass
class _Count:
    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


def wait_after(wrong: int) -> float:
    """Seconds to wait: none after the first few, then 2, 4, 8 and so on."""
    return 0.0 if wrong < FREE else min(LONGEST, 2.0 ** min(wrong - FREE + 1, 20))


def neighbourhood(address: str) -> str:
    """The addresses that one person may use: an IPv4 address, or an IPv6 /64 network, in which anyone has billions of addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


class Lockout:
    """Counts of wrong keys, for each gateway separately. A locked-out address is refused even with a right key: guessing must not pay."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts: LRUCache[str, _Count] = LRUCache(_MOST)
        self._clock = clock

    def check(self, address: str) -> None:
        """Raises RateLimited while the address has to wait."""
        count, at = self._counts.get(neighbourhood(address)), self._clock()
        if count is not None and at < count.until:
            raise RateLimited("too many wrong keys from this address", retry_after=count.until - at)

    def wrong(self, address: str) -> None:
        where, at = neighbourhood(address), self._clock()
        count = self._counts.setdefault(where, _Count())
        if at > count.last + _FORGIVEN:
            count.wrong = 0
        count.wrong, count.last = count.wrong + 1, at
        count.until = at + wait_after(count.wrong)

    def right(self, address: str) -> None:
        self._counts.pop(neighbourhood(address), None)
