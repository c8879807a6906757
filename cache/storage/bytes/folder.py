"""The object store in a local folder: each file is moved into place by one rename once its bytes are on disk."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TypeVar

from cache.clip import StoredKind, StoredObject
from cache.errors import DiskFull, ObjectCorrupt, StoreAway
from cache.storage.bytes.objects import CHUNK, Name, VerifiedDigests, body_of, check_name, check_range, corrupt, is_name, object_name

T = TypeVar("T")

_BLOCK = 4096


class FolderObjects:
    """A folder as object store. `root` is created once, if its parent exists; a root that disappears later means StoreAway."""

    def __init__(self, root: Path, threads: int = 8) -> None:
        self._root = root
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="objects")
        self._verified = VerifiedDigests()
        root.mkdir(parents=True, exist_ok=True)

    async def put(self, owner_id: str, kind: StoredKind, body: Path | bytes, content_type: str) -> StoredObject:
        return await self._run(self._put, owner_id, kind, body, content_type)

    async def read(self, stored: StoredObject) -> bytes:
        return await self._run(self._read, stored)

    async def verify(self, stored: StoredObject) -> None:
        await self._run(self._verify, stored)

    async def open(self, stored: StoredObject, start: int, length: int) -> AsyncIterator[bytes]:
        check_range(stored, start, length)
        file = await self._run(self._open, stored, start)
        return self._pieces(file, stored, length)

    async def delete(self, name: str) -> None:
        await self._run(self._delete, check_name(name))

    async def names(self, prefix: str) -> AsyncIterator[Name]:
        for name in await self._run(self._names, prefix):
            yield name

    async def free_bytes(self) -> int | None:
        return await self._run(lambda: shutil.disk_usage(self._root).free)

    async def check(self) -> None:
        await self._run(self._check)

    async def close(self) -> None:
        self._pool.shutdown(wait=False)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args))
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFull("the object store's disk is full") from error
            raise StoreAway(f"the object store's folder fails: {os.strerror(error.errno or 0)}") from error

    def _put(self, owner_id: str, kind: StoredKind, body: Path | bytes, content_type: str) -> StoredObject:
        incoming = self._root / "incoming" / secrets.token_hex(16)
        self._make_folder(incoming.parent)
        try:
            digest, length = hashlib.sha256(), 0
            with body_of(body) as pieces, incoming.open("xb") as file:
                for piece in pieces():
                    digest.update(piece)
                    length += file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            name = object_name(owner_id, digest.hexdigest(), content_type)
            stored = StoredObject(kind, name, digest.hexdigest(), length, content_type)
            if not self._whole(stored):
                self._move(incoming, self._root / name)
                self._verified.keep(name, _mark((self._root / name).stat()))
            return stored
        finally:
            incoming.unlink(missing_ok=True)

    def _move(self, incoming: Path, target: Path) -> None:
        self._make_folder(target.parent)
        try:
            incoming.replace(target)
        except FileNotFoundError:
            # Another thread deleted the clip's last object, and its folder with it, just after we made sure that it exists.
            self._make_folder(target.parent)
            incoming.replace(target)
        _sync_folder(target.parent)

    def _whole(self, stored: StoredObject) -> bool:
        try:
            self._verify(stored)
        except ObjectCorrupt:
            return False
        return True

    def _read(self, stored: StoredObject) -> bytes:
        with self._file(stored) as file:
            held = file.read()
            if hashlib.sha256(held).hexdigest() != stored.sha256:
                raise corrupt(stored, "does not match its digest")
            self._verified.keep(stored.name, _mark(os.fstat(file.fileno())))
        return held

    def _verify(self, stored: StoredObject) -> None:
        with self._file(stored) as file:
            self._check_digest(file, stored)

    def _check_digest(self, file: FileIO, stored: StoredObject) -> None:
        self._verified.forget(stored.name)
        if hashlib.file_digest(file, "sha256").hexdigest() != stored.sha256:
            raise corrupt(stored, "does not match its digest")
        self._verified.keep(stored.name, _mark(os.fstat(file.fileno())))

    def _open(self, stored: StoredObject, start: int) -> FileIO:
        file = self._file(stored)
        try:
            if not self._verified.holds(stored.name, _mark(os.fstat(file.fileno()))):
                self._check_digest(file, stored)
            file.seek(start)
        except BaseException:
            file.close()
            raise
        return file

    async def _pieces(self, file: FileIO, stored: StoredObject, length: int) -> AsyncIterator[bytes]:
        # An open file survives the deletion of its name, so a clip that is withdrawn now is still sent completely.
        with file:
            while length:
                piece = await self._run(file.read, min(CHUNK, length))
                if not piece:
                    raise corrupt(stored, "was cut short while it was read")
                length -= len(piece)
                yield piece

    def _file(self, stored: StoredObject) -> FileIO:
        try:
            file = (self._root / check_name(stored.name)).open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if not self._root.is_dir():
                raise StoreAway("the object store's folder is not there") from error
            raise corrupt(stored, "is missing") from error
        length = os.fstat(file.fileno()).st_size
        if length != stored.length:
            file.close()
            raise corrupt(stored, f"has {length} bytes, not {stored.length}")
        return file

    def _delete(self, name: str) -> None:
        path = self._root / name
        self._verified.forget(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        _sync_folder(path.parent)
        try:
            path.parent.rmdir()
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                raise

    def _names(self, prefix: str) -> list[Name]:
        found: list[Name] = []
        for folder in ("clips", "pictures", "incoming"):
            for path in (self._root / folder).rglob("*"):
                name = path.relative_to(self._root).as_posix()
                if name.startswith(prefix) and is_name(name):
                    try:
                        stat = path.stat()
                    except FileNotFoundError:
                        continue  # deleted or moved into place after the folder was read
                    found.append((name, stat.st_size, stat.st_mtime))
        return found

    def _check(self) -> None:
        if not self._root.is_dir():
            raise StoreAway("the object store's folder is not there")
        trial = self._root / "incoming" / secrets.token_hex(16)
        self._make_folder(trial.parent)
        try:
            trial.write_bytes(bytes(_BLOCK))  # a full disk still takes an empty file
        finally:
            trial.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        """Creates the folder and syncs its entry to disk, up to the root; a root that disappeared is not created again."""
        if folder.is_dir():
            return
        if folder.parent != self._root:
            self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _mark(stat: os.stat_result) -> object:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle on a folder to sync
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
