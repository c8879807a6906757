"""Files beside the clips in an object store: what gateways pass on to each other, such as snapshots of the index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from cache.clip import StoredObject
from cache.storage.bytes.objects import Objects

LINK_SECONDS = 300


class S3Files:
    """Named bytes; what cannot be reached is StoreAway. See cache.matching.vectors.delivery.Remote."""

    def __init__(self, objects: Objects) -> None:
        from cache.storage.bytes.s3 import S3Objects  # noqa: PLC0415  # a folder needs no S3 client in memory

        assert isinstance(objects, S3Objects), "asked only where the store is a bucket"
        self._objects = objects

    def link(self, stored: StoredObject) -> str | None:
        """A signed address that works for some minutes; None where the store is not for clients."""
        return self._objects.link(stored, LINK_SECONDS)

    async def put(self, name: str, source: Path) -> None:
        await self._objects.keep_file(name, source)

    async def fetch(self, name: str, target: Path) -> bool:
        return await self._objects.fetch_file(name, target)

    async def names(self, prefix: str) -> AsyncIterator[str]:
        async for name, _, _ in self._objects.names(prefix):
            yield name

    async def delete(self, name: str) -> None:
        await self._objects.drop_file(name)
