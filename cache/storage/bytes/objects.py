"""Bytes at rest: the port, and what its two adapters share. `open_store` chooses one by URL: folder.py or s3.py.

Objects are named `clips/<clip id>/<sha256>.<ext>`: the digest is checked on read, and no two clips share an object.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from cache.clip import ObjectKind, StoredObject
from cache.errors import Invalid, ObjectCorrupt
from cache.ids import is_id

Name = tuple[str, int, float]  # an object's name, its length in bytes, and when it was written (Unix seconds)

CHUNK = 256 * 1024
_EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "application/octet-stream": "safetensors"}
_NAME = re.compile(r"clips/(clip_[0-9a-f]{32})/([0-9a-f]{64})\.([a-z0-9]+)")
_INCOMING = re.compile(r"incoming/[0-9a-f]{32}")


class Objects(Protocol):
    """One object store. Every failure is StoreAway, ObjectCorrupt or DiskFull; threads and retries stay inside."""

    async def put(self, clip_id: str, kind: ObjectKind, body: Path | bytes, content_type: str) -> StoredObject:
        """Durable when it returns, and never half there before. Storing the same again changes nothing."""

    async def read(self, stored: StoredObject) -> bytes:
        """All of it, digest checked."""

    async def open(self, stored: StoredObject, start: int, length: int) -> AsyncIterator[bytes]:
        """Exactly `length` bytes from `start`, in pieces. Awaiting it does all the checks (there, right length, right
        digest), so nothing needs to be sent before they hold; an object that fails later ends the iteration with an error.
        """

    async def verify(self, stored: StoredObject) -> None:
        """ObjectCorrupt unless all bytes are there and match; reads everything, whatever was found before."""

    async def delete(self, name: str) -> None:
        """Gone when it returns; a name that is not there is fine."""

    def names(self, prefix: str) -> AsyncIterator[Name]:
        """Whatever is stored under `prefix` ("" is everything), with remains of writes that a crash cut off."""

    async def free_bytes(self) -> int | None:
        """None where the store does not say."""

    async def check(self) -> None:
        """StoreAway unless a write would work now."""

    async def close(self) -> None: ...


def open_store(url: str) -> Objects:
    """`file:///folder`, or `s3://bucket?endpoint=…` as written in s3.py. Invalid for anything else."""
    try:
        return _store_of(url)
    except ValueError as error:
        raise Invalid("store_url", str(error)) from None


def _store_of(url: str) -> Objects:
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        from cache.storage.bytes.folder import FolderObjects  # noqa: PLC0415  # the adapters import this file

        return FolderObjects(Path(unquote(parts.path)))
    if parts.scheme == "s3":
        from cache.storage.bytes.s3 import open_s3  # noqa: PLC0415  # a folder needs no S3 client in memory

        return open_s3(url)
    raise ValueError(f"a store URL is file:///folder or s3://bucket?endpoint=…, not {parts.scheme}://{parts.hostname or ''}")


class Sound:
    """Which objects were found whole, by a mark that changes with their bytes: each is hashed once, not at every range."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._marks: dict[str, object] = {}

    def holds(self, name: str, mark: object) -> bool:
        return self._marks.get(name) == mark

    def keep(self, name: str, mark: object) -> None:
        self.forget(name)
        self._marks[name] = mark
        if len(self._marks) > self._limit:
            # Another thread may be first at the oldest one; it is gone either way.
            self._marks.pop(next(iter(self._marks)), None)

    def forget(self, name: str) -> None:
        self._marks.pop(name, None)


def object_name(clip_id: str, sha256: str, content_type: str) -> str:
    if not is_id("clip", clip_id):
        raise ValueError(f"no clip id: {clip_id!r}")
    return f"clips/{clip_id}/{sha256}.{_EXTENSIONS[content_type]}"


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None or _INCOMING.fullmatch(name) is not None


def check_name(name: str) -> str:
    """`name` unchanged; ValueError for one that is not ours, so that no row can lead outside the store."""
    if not is_name(name):
        raise ValueError(f"no object name: {name!r}")
    return name


def check_range(stored: StoredObject, start: int, length: int) -> None:
    if start < 0 or length < 0 or start + length > stored.length:
        raise ValueError(f"bytes {start}+{length} lie outside the {stored.length} of {stored.name}")


def corrupt(stored: StoredObject, fact: str) -> ObjectCorrupt:
    return ObjectCorrupt(f"the stored {stored.kind} {stored.name} {fact}")


@contextmanager
def body_of(body: Path | bytes) -> Iterator[Callable[[], Iterator[bytes]]]:
    """A function that yields the pieces from the start, each time it is called."""
    if isinstance(body, bytes):
        yield lambda: iter((body,))
        return
    with body.open("rb") as file:

        def pieces() -> Iterator[bytes]:
            file.seek(0)
            while piece := file.read(CHUNK):
                yield piece

        yield pieces
