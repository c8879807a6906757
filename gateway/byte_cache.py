"""Bytes of recently served clips, in memory: popular films need no disk, and none needs the database for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from cache.clip import KINDS, ObjectKind, StoredObject
from cache.storage.bytes.objects import CHUNK, Objects

LARGEST_SHARE = 4  # one object takes at most a quarter, or a few long films would push out everything
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Served:
    """What was sent under a video id: enough to send it again. `modified` is when the clip was made, in Unix seconds.

    `private`: made under no-store, so nobody on the way may keep it either.
    """

    stored: StoredObject
    modified: float
    private: bool = False


class ByteCache:
    """Least recently used bytes leave first. Names hold the digest of what they name, so nothing here goes stale."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._length = 0
        self._loading: dict[str, asyncio.Task[bytes]] = {}
        self._served: OrderedDict[tuple[str, str, ObjectKind], Served] = OrderedDict()
        self.hits = self.misses = 0

    @property
    def length(self) -> int:
        """Bytes held."""
        return self._length

    def fits(self, stored: StoredObject) -> bool:
        return stored.length <= self._limit // LARGEST_SHARE

    async def open(self, stored: StoredObject, objects: Objects, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes start to stop, stop excluded, in pieces; from memory where they fit. What is corrupt is refused before the first."""
        if not self.fits(stored):
            return await objects.open(stored, start, stop - start)
        return _cut(await self.body(stored, objects.read), start, stop)

    async def body(self, stored: StoredObject, read: Callable[[StoredObject], Awaitable[bytes]]) -> bytes:
        """All bytes of `stored`, which fits. Many that ask at once share one read; one of them leaving does not stop it."""
        held = self._bodies.get(stored.name)
        if held is not None:
            self.hits += 1
            self._bodies.move_to_end(stored.name)
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
        # Forgotten while it was read: whoever waits gets it, nobody after. Another read may have begun since.
        wanted = self._loading.get(name) is task
        if wanted:
            del self._loading[name]
        if wanted and not failed:
            self._keep(name, task.result())

    def _keep(self, name: str, body: bytes) -> None:
        self._drop(name)
        self._bodies[name] = body
        self._length += len(body)
        while self._length > self._limit:
            self._drop(next(iter(self._bodies)))

    def _drop(self, name: str) -> None:
        self._length -= len(self._bodies.pop(name, b""))

    def remember(self, tenant: str, video_id: str, served: Served) -> None:
        key = (tenant, video_id, served.stored.kind)
        self._served[key] = served
        self._served.move_to_end(key)
        if len(self._served) > MOST_REMEMBERED:
            self._served.popitem(last=False)

    def recall(self, tenant: str, video_id: str, kind: ObjectKind) -> Served | None:
        """For when the database is away: only what this tenant was sent before, while its bytes are still here."""
        served = self._served.get((tenant, video_id, kind))
        return served if served is not None and served.stored.name in self._bodies else None

    def forget_clip(self, clip_id: str) -> None:
        """It went out of service elsewhere. Objects are named `clips/<clip id>/…`."""
        start = f"clips/{clip_id}/"
        for name in [name for name in self._bodies if name.startswith(start)]:
            self._drop(name)
        for name in [name for name in self._loading if name.startswith(start)]:
            del self._loading[name]

    def forget_all(self) -> None:
        """What went out of service in the meantime was not heard."""
        self._loading.clear()
        for name in list(self._bodies):
            self._drop(name)

    def forget(self, tenant: str, video_id: str) -> None:
        """Called when a video is deleted or erased. Another id of the same clip reads its bytes anew."""
        for kind in KINDS:
            served = self._served.pop((tenant, video_id, kind), None)
            if served is not None:
                self._drop(served.stored.name)
                self._loading.pop(served.stored.name, None)


async def _cut(body: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
    for at in range(start, stop, CHUNK):
        yield body[at : min(at + CHUNK, stop)]
