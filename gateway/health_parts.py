"""Parts of health, of a gateway or a worker: each returns, or raises the RepriseError that says what is away."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path

from cache.errors import DatabaseReadOnly, DiskFull, EncoderFailed, NearHitsOff, StillLoading, Unavailable
from cache.matching.encoding.encoders import Loading
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.supervision import Supervisor
from gateway.answering.replica import Replica
from gateway.api.health import Health, HealthPart
from gateway.building import Answering, Generation, Matching, Storage
from generator.pipeline import PipelineRenderer
from generator.renderer import Renderer
from generator.worker.worker import Worker

_FULL = 16e6  # bytes: with less a disk is full, whatever the settings allow
_BEHIND = 30.0  # seconds that the index may be behind the rows; between two looks it is behind by a few


def open_health(
    settings: Settings, storage: Storage, generation: Generation, matching: Matching, answering: Answering, supervisor: Supervisor
) -> Health:
    check = answering.announced.check if generation.worker is None else partial(rendering, generation.worker)
    return Health(
        {
            "database": HealthPart(partial(reached, storage.database), needed=True),
            # Without it an exact or near answer is as good as ever, and a miss waits in the queue.
            "store": HealthPart(storage.objects.check, needed=False),
            "encoder": HealthPart(partial(loaded, matching.encoders), needed=False),
            "index": HealthPart(partial(level, matching.encoders, answering.replica, matching.caught_up), needed=False),
            "near_hits": HealthPart(partial(judging, matching.encoders, settings.near), needed=False),
            "disk": HealthPart(partial(room, settings.data_dir, settings.min_free_gb * 1e9), needed=False),
            "model": HealthPart(check, needed=False, how=partial(placed, generation.renderer)),
            "background": HealthPart(partial(running, supervisor), needed=False),
        }
    )


async def reached(database: Database) -> None:
    if await database.read_only():
        raise DatabaseReadOnly("the database takes no writes at present")


async def loaded(encoders: Loading) -> None:
    if encoders.at_hand() is None:
        raise StillLoading("the encoder is loading") if encoders.failure is None else EncoderFailed(encoders.failure)


async def rendering(worker: Worker) -> None:
    if worker.trouble is not None:
        raise Unavailable(worker.trouble)
    if not worker.loaded.is_set():
        raise StillLoading("the model is loading")


def placed(renderer: Renderer | None) -> str | None:
    """The places of the model's parts, once it is loaded by our pipeline."""
    placement = renderer.placement if isinstance(renderer, PipelineRenderer) else None
    return None if placement is None else f"offload {placement.word}: {placement}"


async def running(supervisor: Supervisor) -> None:
    if supervisor.troubles:
        raise Unavailable("; ".join(f"{name}: {trouble}" for name, trouble in sorted(supervisor.troubles.items())))


async def level(encoders: Loading, replica: Replica, caught_up: asyncio.Event) -> None:
    """True if the index holds the rows: until it does, what is no exact hit waits, and what it misses is no near hit."""
    if not caught_up.is_set():
        await loaded(encoders)  # whose vectors it holds
        raise StillLoading("the index is still being read")
    if replica.behind > _BEHIND:
        raise Unavailable(f"the index is {replica.behind:.0f} seconds behind the rows")


async def judging(encoders: Loading, wanted: bool) -> None:
    """True if near hits are served, where they are wanted."""
    if not wanted:
        return
    await loaded(encoders)
    at_hand = encoders.at_hand()
    if at_hand is not None and at_hand.calibration is None:
        raise NearHitsOff("there is no calibration table that holds for these models")


async def room(folder: Path, least: float) -> None:
    try:
        free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
    except OSError as error:
        raise DiskFull(f"{folder} cannot be looked at: {error.strerror}") from error
    if free < max(least, _FULL):
        raise DiskFull(f"{free / 1e9:.2f} GB are free under {folder}, less than {max(least, _FULL) / 1e9:.2f}")
