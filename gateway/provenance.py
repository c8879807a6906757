"""Which keys the shelf signs with, and the first signatures of an instance that had none."""

from __future__ import annotations

import structlog

from cache.settings import Settings
from cache.storage.bytes.objects import Objects
from cache.storage.database import Database
from cache.storage.provenance import FILE, Provenance, signing_keys
from cache.storage.resigning import sign_unsigned
from cache.storage.shelf import Shelf

log = structlog.get_logger(__name__)


def provenance_of(settings: Settings) -> Provenance | None:
    """None where several processes would each make a key of their own: there the keys must be given."""
    if not settings.signing_keys and not settings.embedded:
        log.warning("clips are not signed: set REPRISE_SIGNING_KEYS to the same secret in every gateway and worker")
        return None
    return Provenance(signing_keys(settings.signing_keys, settings.data_dir))


def open_shelf(database: Database, objects: Objects, settings: Settings) -> Shelf:
    return Shelf(database, objects, provenance_of(settings))


async def sign_first(database: Database, settings: Settings) -> None:
    """What was on the shelf before there was a key is taken for ours, once: from the moment that a key made here is in use,
    an unsigned clip is a forged one.
    """
    mark = settings.data_dir / f"{FILE}.used"
    if settings.signing_keys or not settings.embedded or mark.exists():
        return
    signed = await sign_unsigned(database, Provenance(signing_keys((), settings.data_dir)))
    mark.touch(mode=0o600)
    if signed:
        log.info("clips from before signing were signed", clips=signed)
