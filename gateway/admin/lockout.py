"""Wrong keys at the login: after a few from one address, each next one costs a longer wait, up to a quarter of an hour."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from cache.errors import RateLimited

FREE = 5  # wrong keys that cost nothing but themselves
LONGEST = 900.0  # seconds
_FORGIVEN = 3600.0  # seconds without a wrong key after which an address starts afresh
_MOST = 10_000  # addresses that are remembered


@dataclass
class _Count:
    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


def wait_after(wrong: int) -> float:
    """Seconds: none for the first few, then 2, 4, 8 and so on."""
    return 0.0 if wrong < FREE else min(LONGEST, 2.0 ** min(wrong - FREE + 1, 20))


def neighbourhood(address: str) -> str:
    """Whom one person can be: an IPv4 address, or the 64 bits of an IPv6 network, of which anyone has billions of addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


class Lockout:
    """Counted in each gateway for itself. While locked out, a right key is refused as well: else guessing could go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._clock = clock

    def check(self, address: str) -> None:
        """RateLimited while the address has to wait."""
        count, at = self._counts.get(neighbourhood(address)), self._clock()
        if count is not None and at < count.until:
            raise RateLimited("too many wrong keys came from this address", retry_after=count.until - at)

    def wrong(self, address: str) -> None:
        where, at = neighbourhood(address), self._clock()
        count = self._counts.setdefault(where, _Count())
        if at > count.last + _FORGIVEN:
            count.wrong = 0
        count.wrong, count.last = count.wrong + 1, at
        count.until = at + wait_after(count.wrong)
        self._counts.move_to_end(where)
        if len(self._counts) > _MOST:
            self._counts.popitem(last=False)

    def right(self, address: str) -> None:
        self._counts.pop(neighbourhood(address), None)
