"""`reprise doctor`: checks rows against objects, jobs against requests, and the index's snapshot against rows; --repair mends them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from cache.errors import Unavailable
from cache.matching.vectors.delivery import fetch
from cache.matching.vectors.generations import PREFIX
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import Projection, RowLog
from cache.matching.vectors.snapshot import MANIFEST, Manifest, Unusable, load_snapshot, read_manifest
from cache.settings import Settings
from cache.storage.bytes.files import S3Files
from cache.storage.bytes.objects import open_store
from cache.storage.clips.doctor import Doctor
from cache.storage.clips.signing import resign
from cache.storage.database.changes import identity, latest, vectors_since
from cache.storage.database.database import Database
from gateway.answering.signing import provenance_of
from gateway.building import open_storage
from gateway.environment import check_cache
from generator.queue.dispatch import open_dispatch
from generator.queue.gone import SILENT, gone, no_worker
from generator.queue.queue import Queue
from generator.queue.signals import Signals
from generator.queue.withdrawal import forsaken, set_free, unwanted

_AFTER = 120.0  # seconds that the last writes of an attempt may take after its time
_MOST = 10_000
_SHOWN = 5  # names printed of each kind


async def examine(settings: Settings, repair: bool, older: float | None, digests: bool) -> bool:
    """Checks everything, repairs it if told to; True if nothing is wrong in the end. Raises NotFound where there is no cache."""
    check_cache(settings)
    storage = open_storage(settings)
    database = storage.database
    try:
        doctor = Doctor(database, storage.objects, storage.shelf)
        found = await doctor.examine(settings.job_seconds + _AFTER if older is None else older, digests=digests)
        click.echo(f"objects checked: {found.checked}; too young to need a row: {found.young}")
        _show("objects without a row", found.orphans)
        _show("rows without an object", found.missing)
        _show("digests that do not match", found.corrupt)
        async with database.read() as connection:
            idle, stuck = await unwanted(connection, _MOST), await forsaken(connection, _MOST)
        _show("jobs without a request", idle)
        _show("requests without a job", stuck)
        async with database.read() as connection:
            _show("jobs whose model no worker has had for ten minutes", await gone(connection, no_worker(SILENT), _MOST))
        stale = await _snapshot_fault(settings, database)
        _show("index against rows", [] if stale is None else [stale])
        sound = found.sound and not idle and not stuck and stale is None
        if repair and not sound:
            await doctor.repair(found)
            queue = Queue(database, open_dispatch(database), Signals(), settings.queue_jobs)
            for job_id in idle:
                await queue.cancel(job_id, "no request waits for it")
            if stuck:
                async with database.write() as connection:
                    await set_free(connection, stuck)
            if stale is not None:
                await _drop_snapshot(settings)
            click.echo("repaired")
            return True
        return sound
    finally:
        await storage.close()


async def sign_anew(settings: Settings) -> int:
    """Signs all clips again; returns their number. Raises Unavailable if there is no key to sign with."""
    provenance = provenance_of(settings)
    if provenance is None:
        raise Unavailable("there is no key to sign with: set REPRISE_SIGNING_KEYS")
    database = Database(settings.database)
    try:
        return await resign(database, provenance)
    finally:
        await database.close()


def _show(what: str, found: list[str]) -> None:
    click.echo(f"{what}: {len(found)}")
    for one in found[:_SHOWN]:
        click.echo(f"  {one}")


async def _snapshot_fault(settings: Settings, database: Database) -> str | None:
    """The reason that the newest snapshot, brought up to date, differs from the rows; None if it does not, or there is no snapshot."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        if settings.store.startswith("s3:"):
            objects = open_store(settings.store)
            try:
                fetched = await fetch(S3Files(objects), folder, PREFIX)
            finally:
                await objects.close()
            if isinstance(fetched, Unusable):
                return None
        else:
            folder = settings.data_dir / "index"
        manifest = await asyncio.to_thread(read_manifest, folder)
        return await _compare(manifest, folder, database) if isinstance(manifest, Manifest) else None


async def _compare(manifest: Manifest, folder: Path, database: Database) -> str | None:
    origin = manifest.origin
    async with database.read() as connection:
        if origin.database != await identity(connection):
            return "it was made from another database"
        newest = await latest(connection)
    index = Index()
    try:
        loaded = await asyncio.to_thread(load_snapshot, index, folder, origin, newest)
        if isinstance(loaded, Unusable):
            return loaded.reason
        projection = Projection(index, RowLog(database, origin.embedder), origin.embedder, origin.dimension)
        for _ in range(3):  # clips come and go between two counts
            rows = await _live(database, origin.embedder)
            await projection.catch_up()
            held = index.count()
            if rows == held:
                return None
        return f"{held} clips in the index, {rows} in the rows"
    finally:
        index.close()


async def _live(database: Database, embedder: str) -> int:
    rows, after = 0, 0
    while True:
        async with database.read() as connection:
            page = await vectors_since(connection, after, embedder, _MOST)
        rows += len(page)
        if len(page) < _MOST:
            return rows
        after = page[-1].sequence


async def _drop_snapshot(settings: Settings) -> None:
    """Removes the snapshot's manifest, which is enough: the next gateway reads the rows, and the next save writes a new one."""
    (settings.data_dir / "index" / MANIFEST).unlink(missing_ok=True)
    if settings.store.startswith("s3:"):
        objects = open_store(settings.store)
        try:
            await S3Files(objects).delete(f"{PREFIX}{MANIFEST}")
        finally:
            await objects.close()
