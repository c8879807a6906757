"""The byte cache: bytes of recently served clips, so that popular videos need no disk, and none needs the database for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from cachetools import LRUCache

from cache.clip import KINDS, StoredKind, StoredObject
from cache.storage.bytes.objects import CHUNK, Objects

LARGEST_SHARE = 4  # one object takes at most a quarter, or a few long videos would push out everything
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class SentObject:
    """An object that was sent under a video id, with the facts to send it again. `modified`: the clip's creation, Unix seconds.

    `private`: made under no-store, so no proxy on the way may store it either.
    """

    stored: StoredObject
    modified: float
    private: bool = False


class ByteCache:
    """Least recently used bytes leave first. Names hold the digest of what they name, so nothing here goes stale."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bodies: LRUCache[str, bytes] = LRUCache(limit, getsizeof=len)
        self._loading: dict[str, asyncio.Task[bytes]] = {}
        self._served: LRUCache[tuple[str, str, StoredKind], SentObject] = LRUCache(MOST_REMEMBERED)
        self.hits = self.misses = 0

    @property
    def length(self) -> int:
        """Bytes held."""
        return int(self._bodies.currsize)

    def fits(self, stored: StoredObject) -> bool:
        return stored.length <= self._limit // LARGEST_SHARE

    async def open(self, stored: StoredObject, objects: Objects, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes start to stop, stop excluded, in pieces; from memory where they fit. What is corrupt is refused before the first."""
        if not self.fits(stored):
            return await objects.open(stored, start, stop - start)
        return cut(await self.body(stored, objects.read), start, stop)

    async def body(self, stored: StoredObject, read: Callable[[StoredObject], Awaitable[bytes]]) -> bytes:
        """All bytes of `stored`, which must fit. Concurrent callers share one read; a cancelled caller does not stop it."""
        held = self._bodies.get(stored.name)
        if held is not None:
            self.hits += 1
            return held
        self.misses += 1
        loading = self._loading.get(stored.name)
        if loading is None:
            loading = self._loading[stored.name] = asyncio.ensure_future(self._load(stored, read))
            loading.add_done_callback(lambda task: self._loaded(stored.name, task))
        return await asyncio.shield(loading)

    async def _load(self, stored: StoredObject, read: Callable[[StoredObject], Awaitable[bytes]]) -> bytes:
        return await read(stored)

    def _loaded(self, name: str, task: asyncio.Task[bytes]) -> None:
        failed = task.cancelled() or task.exception() is not None
        # Dropped while it was read: current waiters get it, later callers do not. Another read may have begun since.
        wanted = self._loading.get(name) is task
        if wanted:
            del self._loading[name]
        if wanted and not failed and len(task.result()) <= self._limit // LARGEST_SHARE:
            self._bodies[name] = task.result()

    def remember(self, tenant: str, video_id: str, served: SentObject) -> None:
        self._served[tenant, video_id, served.stored.kind] = served

    def recall(self, tenant: str, video_id: str, kind: StoredKind) -> SentObject | None:
        """An object for when the database is away: only one that this tenant was sent before and whose bytes are still cached."""
        served = self._served.get((tenant, video_id, kind))
        return served if served is not None and served.stored.name in self._bodies else None

    def forget_clip(self, clip_id: str) -> None:
        """Drops a clip that was withdrawn elsewhere. Objects are named `clips/<clip id>/…`."""
        start = f"clips/{clip_id}/"
        for name in [name for name in self._bodies if name.startswith(start)]:
            del self._bodies[name]
        for name in [name for name in self._loading if name.startswith(start)]:
            del self._loading[name]

    def forget_all(self) -> None:
        """Drops everything: withdrawals may have been missed."""
        self._loading.clear()
        self._bodies.clear()

    def forget(self, tenant: str, video_id: str) -> None:
        """Drops a video that is deleted or erased. Another id of the same clip reads its bytes again."""
        for kind in KINDS:
            served = self._served.pop((tenant, video_id, kind), None)
            if served is not None:
                self._bodies.pop(served.stored.name, None)
                self._loading.pop(served.stored.name, None)


async def cut(body: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
    for at in range(start, stop, CHUNK):
        yield body[at : min(at + CHUNK, stop)]
