"""The signing keys of the shelf, and the first signatures of an instance that had none."""

from __future__ import annotations

import structlog

from cache.settings import Settings
from cache.storage.bytes.objects import Objects
from cache.storage.clips.provenance import FILE, Provenance, signing_keys
from cache.storage.clips.shelf import Shelf
from cache.storage.clips.signing import sign_unsigned
from cache.storage.database.database import Database

log = structlog.get_logger(__name__)


def keys_of(settings: Settings) -> list[str]:
    """The signing keys; none if several processes would each make their own: there they must be set."""
    return signing_keys(settings.signing_keys, settings.data_dir) if settings.signing_keys or settings.embedded else []


def provenance_of(settings: Settings) -> Provenance | None:
    """The signer of clips; None without keys."""
    keys = keys_of(settings)
    if not keys:
        log.warning("clips are not signed: set REPRISE_SIGNING_KEYS to the same secret in every gateway and worker")
        return None
    return Provenance(keys)


def open_shelf(database: Database, objects: Objects, settings: Settings) -> Shelf:
    return Shelf(database, objects, provenance_of(settings))


async def sign_first(database: Database, settings: Settings) -> None:
    """Signs clips that existed before the first key, once. From the moment that a key made here is in use,
    an unsigned clip counts as forged.
    """
    mark = settings.data_dir / f"{FILE}.used"
    if settings.signing_keys or not settings.embedded or mark.exists():
        return
    signed = await sign_unsigned(database, Provenance(signing_keys((), settings.data_dir)))
    mark.touch(mode=0o600)
    if signed:
        log.info("unsigned clips signed", clips=signed)
