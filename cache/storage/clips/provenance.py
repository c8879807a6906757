"""The signature of a clip's row: an HMAC over its content and owner, so that a row slipped into the database, or one whose
object, owner or model was changed there, is never served.

The first key signs, all keys verify: put a new one first, and remove the old one after `reprise doctor --re-sign`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from cache.canonical import digest
from cache.clip import StoredObject
from cache.recipe import Recipe

FILE = "signing.key"


class Signed(Protocol):
    """A clip, or the draft of one, that can be signed."""

    @property
    def id(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def variant_key(self) -> str: ...
    @property
    def recipe(self) -> Recipe: ...


class Provenance:
    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("signing needs at least one key")
        self._keys = [hashlib.sha256(key.encode()).digest() for key in keys]

    def sign(self, clip: Signed, objects: Iterable[StoredObject]) -> str:
        return _mac(self._keys[0], clip, objects)

    def holds(self, clip: Signed, objects: Iterable[StoredObject], signature: str | None) -> bool:
        if signature is None:
            return False
        stored = list(objects)
        # All keys are tried, whichever fits, so that the time reveals nothing.
        fits = [hmac.compare_digest(_mac(key, clip, stored), signature) for key in self._keys]
        return any(fits)


def _mac(key: bytes, clip: Signed, objects: Iterable[StoredObject]) -> str:
    said = digest(
        {
            "tenant": clip.tenant,
            "scope": clip.scope,
            "clip": clip.id,
            "variant": clip.variant_key,
            "objects": sorted([stored.kind, stored.sha256, stored.length] for stored in objects),
            "model": clip.recipe.model,
            "revision": clip.recipe.revision,
        }
    )
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def signing_keys(configured: Sequence[str], folder: Path) -> list[str]:
    """The configured keys, or the one created here once, in a file that only its owner can read."""
    if configured:
        return list(configured)
    file = folder / FILE
    if not file.exists():
        _make(file)
    found = file.read_text().strip()
    if not found:
        raise ValueError(f"{FILE} is empty: put the key back, or remove the file and run `reprise doctor --re-sign`")
    return [found]


def _make(file: Path) -> None:
    """Writes a key file completely or not at all: an empty one, left by a crash, would be a key that everybody knows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    coming = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(secrets.token_hex(32) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(coming, file)
        except FileExistsError:
            pass  # another process was first: its key is used
        except OSError:  # no links on this file system
            coming.replace(file)
    finally:
        coming.unlink(missing_ok=True)
