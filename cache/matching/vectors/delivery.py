"""The delivery of index snapshots between gateways: from a folder to a remote store, and from there to another folder."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from cache.matching.vectors.snapshot import ARRIVING, GENERATION, MANIFEST, Manifest, Unusable, adopt_snapshot, read_manifest

_KEPT = 2  # generations in the remote store: a reader that is at the one before the newest can finish


class Remote(Protocol):
    """The port to the store of snapshots for other gateways: named bytes. Raises StoreAway."""

    async def put(self, name: str, source: Path) -> None:
        """Whole or not at all; takes the place of what had the name."""

    async def fetch(self, name: str, target: Path) -> bool:
        """False where there is no such name."""

    def names(self, prefix: str) -> AsyncIterator[str]: ...

    async def delete(self, name: str) -> None:
        """A name that is not there is fine."""


async def publish(folder: Path, remote: Remote, prefix: str) -> Manifest | Unusable:
    """Copies the folder's snapshot, its manifest last, and deletes all but the newest few."""
    manifest = await asyncio.to_thread(read_manifest, folder)
    if isinstance(manifest, Unusable):
        return manifest
    for name in manifest.files:
        await remote.put(f"{prefix}{manifest.generation}/{name}", folder / manifest.generation / name)
    await remote.put(f"{prefix}{MANIFEST}", folder / MANIFEST)
    names = [name async for name in remote.names(prefix) if GENERATION.fullmatch(_generation(name, prefix))]
    kept = {manifest.generation, *sorted({_generation(name, prefix) for name in names})[-_KEPT:]}
    for name in names:
        if _generation(name, prefix) not in kept:
            await remote.delete(name)
    return manifest


def _generation(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).split("/")[0]


async def fetch(remote: Remote, folder: Path, prefix: str) -> Manifest | Unusable:
    """Brings the newest snapshot into the folder, unless it is there; `load` then finds out whether it is good."""
    arriving = folder / f"{ARRIVING}{secrets.token_hex(4)}"
    await asyncio.to_thread(arriving.mkdir, parents=True)
    try:
        if not await remote.fetch(f"{prefix}{MANIFEST}", arriving / MANIFEST):
            return Unusable("there is none")
        manifest = await asyncio.to_thread(read_manifest, arriving)
        (arriving / MANIFEST).unlink()
        if isinstance(manifest, Unusable) or manifest == await asyncio.to_thread(read_manifest, folder):
            return manifest
        for name in manifest.files:
            if not await remote.fetch(f"{prefix}{manifest.generation}/{name}", arriving / name):
                return Unusable(f"{name} is gone: a newer one takes its place")
        await asyncio.to_thread(adopt_snapshot, arriving, folder, manifest)
        return manifest
    finally:
        await asyncio.to_thread(shutil.rmtree, arriving, ignore_errors=True)
