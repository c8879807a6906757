"""Files next to the clips in an S3 store, which gateways share: snapshots of the index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from cache.clip import StoredObject
from cache.storage.bytes.objects import Objects

PRESIGNED_SECONDS = 300


class S3Files:
    """Named files in the bucket, the adapter of cache.matching.vectors.delivery.Remote. Raises StoreAway."""

    def __init__(self, objects: Objects) -> None:
        from cache.storage.bytes.s3 import S3Objects  # noqa: PLC0415  # a folder needs no S3 client in memory

        assert isinstance(objects, S3Objects), "asked only where the store is a bucket"
        self._objects = objects

    def presigned(self, stored: StoredObject, within: float) -> str | None:
        """A presigned URL, valid for some minutes and at most `within` seconds; None if clients cannot reach the store."""
        return self._objects.presigned(stored, max(1, int(min(PRESIGNED_SECONDS, within))))

    async def put(self, name: str, source: Path) -> None:
        await self._objects.keep_file(name, source)

    async def fetch(self, name: str, target: Path) -> bool:
        return await self._objects.fetch_file(name, target)

    async def names(self, prefix: str) -> AsyncIterator[str]:
        async for name, _, _ in self._objects.names(prefix):
            yield name

    async def delete(self, name: str) -> None:
        await self._objects.drop_file(name)
