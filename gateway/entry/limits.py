"""How much one key may ask for: calls in a window of time, and calls at once. Counted in each gateway for itself."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from cache.errors import RateLimited
from cache.storage.accounts import Key, Rate
from gateway.http.reply import Header

_MOST = 10_000  # keys that are counted at a time


@dataclass
class Count:
    """Of one key. `left` calls remain of the window that ends at `until` (monotonic seconds)."""

    left: int = 0
    until: float = 0.0
    running: int = 0


class Limits:
    def __init__(self) -> None:
        self._counts: OrderedDict[str, Count] = OrderedDict()

    def take(self, key: Key) -> list[Header]:
        """Counts one call; the header fields that tell what is left. RateLimited where nothing was."""
        if key.rate is None:
            return []
        count, at = self._count(key.id), time.monotonic()
        if at >= count.until:
            count.left, count.until = key.rate.calls, at + key.rate.seconds
        if count.left <= 0:
            raise RateLimited(f"this key allows {key.rate} calls", retry_after=count.until - at)
        count.left -= 1
        return self.told(key)

    def told(self, key: Key) -> list[Header]:
        """The two fields of draft-ietf-httpapi-ratelimit-headers (version 10): the policy, and where this key stands."""
        if key.rate is None:
            return []
        count = self._count(key.id)
        ends = max(0, ceil(count.until - time.monotonic()))
        return [(b"ratelimit-policy", policy(key.rate)), (b"ratelimit", b'"default";r=%d;t=%d' % (count.left, ends))]

    @contextmanager
    def running(self, key: Key) -> Iterator[None]:
        """Around one call, to its last byte."""
        if key.concurrency is None:
            yield
            return
        count = self._count(key.id)
        if count.running >= key.concurrency:
            raise RateLimited(f"this key allows {key.concurrency} calls at once", retry_after=1.0)
        count.running += 1
        try:
            yield
        finally:
            count.running -= 1

    def _count(self, key_id: str) -> Count:
        count = self._counts.setdefault(key_id, Count())
        self._counts.move_to_end(key_id)
        if len(self._counts) > _MOST:
            self._counts.popitem(last=False)
        return count


def policy(rate: Rate) -> bytes:
    return b'"default";q=%d;w=%d' % (rate.calls, rate.seconds)
