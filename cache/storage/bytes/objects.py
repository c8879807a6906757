"""The port to the object store, and what its two adapters share. `open_store` chooses one by URL: folder.py or s3.py.

Objects are named `clips/<clip id>/<sha256>.<ext>`: the digest is checked on read, and no two clips share an object. The pictures that
videos begin with are named `pictures/<picture id>/<sha256>.png`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from cache.clip import StoredKind, StoredObject
from cache.errors import Invalid, ObjectCorrupt
from cache.ids import is_id

Name = tuple[str, int, float]  # an object's name, its length in bytes, and when it was written (Unix seconds)

CHUNK = 256 * 1024
_EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png", "application/octet-stream": "safetensors"}
_NAME = re.compile(r"(clips/clip|pictures/picture)_[0-9a-f]{32}/[0-9a-f]{64}\.[a-z0-9]+")
_INCOMING = re.compile(r"incoming/[0-9a-f]{32}")


class Objects(Protocol):
    """An object store. Raises StoreAway, ObjectCorrupt or DiskFull and nothing else; threads and retries stay inside."""

    async def put(self, owner_id: str, kind: StoredKind, body: Path | bytes, content_type: str) -> StoredObject:
        """Stores a body of a clip or picture: durable when it returns, and never half there before. Storing the same again changes
        nothing.
        """

    async def read(self, stored: StoredObject) -> bytes:
        """All bytes. Raises ObjectCorrupt if they do not match the digest."""

    async def open(self, stored: StoredObject, start: int, length: int) -> AsyncIterator[bytes]:
        """Exactly `length` bytes from `start`, in pieces. Awaiting it does all checks (existence, length,
        digest), so nothing is sent before they pass; an object that fails later ends the iteration with an error.
        """

    async def verify(self, stored: StoredObject) -> None:
        """Reads all bytes, whatever earlier checks found. Raises ObjectCorrupt unless they are complete and match."""

    async def delete(self, name: str) -> None:
        """Deletes an object; it is gone when this returns. A name that does not exist is fine."""

    def names(self, prefix: str) -> AsyncIterator[Name]:
        """Everything stored under `prefix` ("": all), including remains of writes that a crash interrupted."""

    async def free_bytes(self) -> int | None:
        """The free bytes; None if the store does not know."""

    async def check(self) -> None:
        """Raises StoreAway unless a write would work now."""

    async def close(self) -> None: ...


def open_store(url: str) -> Objects:
    """The store of a URL: `file:///folder`, or `s3://bucket?endpoint=…` as described in s3.py. Raises Invalid for anything else."""
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


class VerifiedDigests:
    """The objects already verified, by a mark that changes with their bytes: each is hashed once, not for every range."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._marks: dict[str, object] = {}

    def holds(self, name: str, mark: object) -> bool:
        return self._marks.get(name) == mark

    def keep(self, name: str, mark: object) -> None:
        self.forget(name)
        self._marks[name] = mark
        if len(self._marks) > self._limit:
            # Another thread may drop the oldest one first; it is gone either way.
            self._marks.pop(next(iter(self._marks)), None)

    def forget(self, name: str) -> None:
        self._marks.pop(name, None)


def object_name(owner_id: str, sha256: str, content_type: str) -> str:
    room = "clips" if is_id("clip", owner_id) else "pictures"
    if room == "pictures" and not is_id("picture", owner_id):
        raise ValueError(f"not the id of a clip or a picture: {owner_id!r}")
    return f"{room}/{owner_id}/{sha256}.{_EXTENSIONS[content_type]}"


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None or _INCOMING.fullmatch(name) is not None


def check_name(name: str) -> str:
    """`name` unchanged. Raises ValueError for a foreign name, so that no row can point outside the store."""
    if not is_name(name):
        raise ValueError(f"not an object name: {name!r}")
    return name


def check_range(stored: StoredObject, start: int, length: int) -> None:
    if start < 0 or length < 0 or start + length > stored.length:
        raise ValueError(f"bytes {start}+{length} are outside the {stored.length} bytes of {stored.name}")


def corrupt(stored: StoredObject, fact: str) -> ObjectCorrupt:
    return ObjectCorrupt(f"the stored {stored.kind} {stored.name} {fact}")


@contextmanager
def body_of(body: Path | bytes) -> Iterator[Callable[[], Iterator[bytes]]]:
    """A function that yields the pieces from the start each time it is called."""
    if isinstance(body, bytes):
        yield lambda: iter((body,))
        return
    with body.open("rb") as file:

        def pieces() -> Iterator[bytes]:
            file.seek(0)
            while piece := file.read(CHUNK):
                yield piece

        yield pieces
