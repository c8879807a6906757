"""`reprise worker`: a process that only renders, for gateways elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from cache.catalog import Ask, resolve
from cache.errors import Unavailable
from cache.settings import Settings
from cache.storage.announcements import Announcements
from cache.storage.database import Database
from cache.storage.objects import open_store
from gateway.announced import tell
from gateway.provenance import open_shelf
from gateway.rendering import build_renderer
from generator.dispatch import open_dispatch
from generator.leases import Leases, Terms
from generator.renderer import Renderer
from generator.signals import Signals
from generator.worker import Worker
from migrations.upgrade import migrate

_DAY = 86_400.0
_GIB = 2**30


def run(settings: Settings) -> None:
    if settings.embedded:
        raise Unavailable("an embedded instance renders in its own process; workers need REPRISE_DATABASE_URL=postgresql+psycopg://…")
    if settings.renderer == "none":
        raise Unavailable("REPRISE_RENDERER=none is for gateways; this process is there to render")
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. What renders then gets its grace time, and goes back into the queue after it."""
    database, objects = Database(settings.database), open_store(settings.store)
    dispatch, signals, renderer = open_dispatch(database), Signals(), build_renderer(settings)
    terms = Terms(settings.lease_seconds, settings.job_limit, settings.attempts, settings.clip_ttl_days * _DAY or None)
    worker = Worker(
        leases=Leases(database, open_shelf(database, objects, settings), dispatch, signals, terms),
        dispatch=dispatch,
        signals=signals,
        renderer=renderer,
        objects=objects,
        folder=settings.data_dir / "films",
        min_free_bytes=int(settings.min_free_gb * _GIB),
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await migrate(database)
        served = renderer.served
        _say(f"{worker.id} loads {served.name}, revision {served.revision[:12]}, renderer {served.renderer}")
        telling = asyncio.create_task(tell(worker, served, Announcements(database), settings.device))
        greeting = asyncio.create_task(_greet(worker, renderer))
        working = asyncio.create_task(worker.run())
        await asyncio.wait([asyncio.create_task(stopping.wait()), working], return_when=asyncio.FIRST_COMPLETED)
        _say("worker stops; what renders gets its grace time")
        await worker.stop(settings.stop_grace)
        for task in (telling, greeting, working):
            task.cancel()
        await asyncio.gather(telling, greeting, working, return_exceptions=True)
        await renderer.close()
    finally:
        await objects.close()
        await database.close()


async def _greet(worker: Worker, renderer: Renderer) -> None:
    await worker.loaded.wait()
    where = getattr(renderer, "described", renderer.served.name)
    first = resolve(renderer.served, Ask())
    _say(f"Reprise worker is ready: {where}, {_memory()} of memory, compiles nothing")
    _say(f"  default: {first.width}x{first.height}, {first.frames} frames, {first.steps} steps; one log line follows per job")


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.0f} GiB"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
