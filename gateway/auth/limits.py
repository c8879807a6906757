"""The limits of a key: calls per window of time, and concurrent calls.

Rates are shared by all gateways (decision 0008): each leases a few calls of the window from the database and lets them through
without asking again, so a key never gets more than its rate. Concurrent calls are counted in each gateway separately.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

from cachetools import LRUCache

from cache.errors import RateLimited
from cache.storage.fleet.accounts import Key, Rate
from cache.storage.fleet.call_counts import CallCounts, CallLease
from gateway.http.reply import Header

_MOST = 10_000  # keys that are counted at a time
_LEASES = 50  # leases that a whole window would be: what other gateways leave unused is at most a part of it each


@dataclass
class KeyUsage:
    """The usage of one key. `left`: calls that this gateway may still let through in the window that ends at `until` (monotonic
    seconds); `beyond`: calls that nobody had leased when it last asked.
    """

    left: int = 0
    beyond: int = 0
    until: float = 0.0
    running: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limits:
    def __init__(self, counts: CallCounts | None = None) -> None:
        """`counts`: shared with other gateways; None where there is only this one."""
        self._shared = counts
        self._counts: LRUCache[str, KeyUsage] = LRUCache(_MOST)

    async def take(self, key: Key) -> list[Header]:
        """Counts one call; the header fields that tell what is left. RateLimited where nothing was; Unavailable where it is unknown."""
        if key.rate is None:
            return []
        count = self._count(key.id)
        if not count.left or time.monotonic() >= count.until:
            async with count.asking:  # many calls at once wait for one lease
                await self._refill(key, key.rate, count)
        if not count.left:
            raise RateLimited(f"this key allows {key.rate} calls", retry_after=max(0.0, count.until - time.monotonic()))
        count.left -= 1
        return self.told(key)

    async def _refill(self, key: Key, rate: Rate, count: KeyUsage) -> None:
        """Another lease, unless somebody brought one meanwhile or the window is used up."""
        if time.monotonic() >= count.until:
            count.left, count.beyond = 0, rate.calls
        if count.left or not count.beyond:
            return
        if self._shared is None:
            lease = CallLease(rate.calls, 0, rate.seconds)
        else:
            lease = await self._shared.lease(key.id, rate, ceil(rate.calls / _LEASES))
        count.left, count.beyond, count.until = lease.calls, lease.beyond, time.monotonic() + lease.seconds

    def told(self, key: Key) -> list[Header]:
        """The two fields of draft-ietf-httpapi-ratelimit-headers (version 10): the policy, and where this key stands."""
        if key.rate is None:
            return []
        count = self._count(key.id)
        ends = max(0, ceil(count.until - time.monotonic()))
        return [(b"ratelimit-policy", policy(key.rate)), (b"ratelimit", b'"default";r=%d;t=%d' % (count.left + count.beyond, ends))]

    @contextmanager
    def running(self, key: Key) -> Iterator[None]:
        """Around one call, to its last byte."""
        if key.concurrency is None:
            yield
            return
        count = self._count(key.id)
        if count.running >= key.concurrency:
            raise RateLimited(f"this key allows {key.concurrency} calls at a time", retry_after=1.0)
        count.running += 1
        try:
            yield
        finally:
            count.running -= 1

    def _count(self, key_id: str) -> KeyUsage:
        return self._counts.setdefault(key_id, KeyUsage())


def policy(rate: Rate) -> bytes:
    return b'"default";q=%d;w=%d' % (rate.calls, rate.seconds)
