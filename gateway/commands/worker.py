"""`reprise worker`: a process that only renders, for gateways elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import ExitStack

from cache.catalog import Ask, resolve
from cache.errors import Unavailable
from cache.settings import Settings
from cache.storage.announcements import Announcements
from cache.storage.bytes.objects import open_store
from cache.storage.database import Database
from cache.storage.workers import Workers
from gateway.announced import tell
from gateway.observed.observation import observed
from gateway.provenance import open_shelf
from gateway.rendering import build_renderer, build_worker, terms_of
from generator.pipeline import PipelineRenderer
from generator.queueing.dispatch import open_dispatch
from generator.queueing.leases import Leases
from generator.queueing.signals import Signals
from generator.renderer import Renderer
from generator.working.worker import Worker
from migrations.upgrade import migrate

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
    leases = Leases(database, open_shelf(database, objects, settings), dispatch, signals, terms_of(settings))
    worker = build_worker(settings, database, leases, dispatch, signals, renderer, objects)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    observing = ExitStack()
    try:
        observing.enter_context(observed(settings, leases.renders))
        await migrate(database)
        served = renderer.served
        _say(f"{worker.id} loads {served.name}, revision {served.revision[:12]}, renderer {served.renderer}")
        telling = asyncio.create_task(tell(worker, renderer, Announcements(database), Workers(database), settings.device))
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
        await asyncio.to_thread(observing.close)


async def _greet(worker: Worker, renderer: Renderer) -> None:
    await worker.loaded.wait()
    first = resolve(renderer.served, Ask())
    _say(f"Reprise worker is ready: {described(renderer)}")
    _say(f"  default: {first.width}x{first.height}, {first.frames} frames, {first.steps} steps; one log line follows per job")


def described(renderer: Renderer) -> str:
    """Model, device, memory, and what makes it fast there."""
    if not isinstance(renderer, PipelineRenderer):
        return f"{renderer.served.name}, rendered elsewhere"
    if renderer.memory is None or renderer.room is None:
        memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.0f} GiB of memory"
    else:
        memory = f"{renderer.device}, {renderer.memory / _GIB:.0f} GiB, of which renders may take {renderer.room.limit / _GIB:.1f}"
    return f"{renderer.described}, {memory}; {renderer.choices}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
