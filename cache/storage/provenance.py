"""Who may have written a clip's row: an HMAC over what it is and whose, so that a row slipped into the database, or one whose
object, owner or model was changed there, answers nobody.

The newest key signs, every key of the list verifies: put a new one first, and take the old one out once `resign` has run.
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
    """A clip, or the draft of one."""

    @property
    def id(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def variant_key(self) -> str: ...
    @property
    def recipe(self) -> Recipe: ...


class Provenance:
    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("without a signing key no clip can be told from a forged one")
        self._keys = [hashlib.sha256(key.encode()).digest() for key in keys]

    def sign(self, clip: Signed, objects: Iterable[StoredObject]) -> str:
        return _mac(self._keys[0], clip, objects)

    def holds(self, clip: Signed, objects: Iterable[StoredObject], signature: str | None) -> bool:
        if signature is None:
            return False
        stored = list(objects)
        # All of them, whichever fits: how long it takes tells nothing.
        fits = [hmac.compare_digest(_mac(key, clip, stored), signature) for key in self._keys]
        return any(fits)


def _mac(key: bytes, clip: Signed, objects: Iterable[StoredObject]) -> str:
    said = digest(
        {
            "tenant": clip.tenant,
            "clip": clip.id,
            "variant": clip.variant_key,
            "objects": sorted([stored.kind, stored.sha256, stored.length] for stored in objects),
            "model": clip.recipe.model,
            "revision": clip.recipe.revision,
        }
    )
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def signing_keys(configured: Sequence[str], folder: Path) -> list[str]:
    """The configured keys, or the one that is made here once, in a file that only its owner can read."""
    if configured:
        return list(configured)
    file = folder / FILE
    try:
        return [file.read_text().strip()]
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        made = secrets.token_hex(32)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(made + "\n")
        return [made]
