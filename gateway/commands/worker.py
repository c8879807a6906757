"""`reprise worker`: a process that only renders, for gateways in other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import ExitStack
from functools import partial

from cache.catalog import AskedSettings, resolve
from cache.errors import RenderFailed, Unavailable
from cache.settings import Settings
from cache.supervision import Supervisor
from gateway.api.health import Health, HealthPart
from gateway.building import Storage, open_generation, open_storage
from gateway.commands.deadline import LATE, end_within
from gateway.environment import check_folder
from gateway.health_parts import placed, reached, rendering, running
from gateway.telemetry.observation import observed
from gateway.telemetry.worker_metrics import asked_for_health
from generator.pipeline import PipelineRenderer
from generator.renderer import Renderer
from generator.worker.worker import Worker
from migrations.upgrade import migrate

_GB = 1e9
_LOOK = 2.0  # seconds between looks whether the model will ever be loaded
_LOADS = 5  # tries after which it will not


def run_worker(settings: Settings) -> None:
    if settings.embedded:
        raise Unavailable("an embedded instance renders in its own process; workers need REPRISE_DATABASE_URL=postgresql://…")
    if settings.renderer == "none":
        raise Unavailable("REPRISE_RENDERER=none is for gateways only; a worker has to render")
    check_folder(settings)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    """Works until SIGTERM or SIGINT. A render in progress then gets its grace time; after that its job returns to the queue."""
    storage = open_storage(settings)
    generation, supervisor = open_generation(settings, storage), Supervisor()
    worker, renderer = generation.worker, generation.renderer
    failed: list[str] = []
    assert worker is not None and renderer is not None, "a process that renders nothing was refused above"
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    observing = ExitStack()
    try:
        observing.enter_context(observed(settings, generation.leases.renders))
        observing.enter_context(asked_for_health(_health(storage, worker, renderer, supervisor), settings))
        await migrate(storage.database)
        storage.database.start(supervisor)
        served = renderer.served
        _say(f"{worker.id} loads {served.name}, revision {served.revision[:12]}, renderer {served.renderer}")
        generation.start(supervisor, settings.device)
        supervisor.start("greeting", lambda: _greet(worker, renderer))
        supervisor.every(_LOOK, "model", lambda: _give_up(worker, failed, stopping))
        await stopping.wait()
        end_within(settings.stop_grace_seconds + LATE)
        _say("worker is stopping; a render in progress gets its grace time")
        await worker.stop(settings.stop_grace_seconds)
        await supervisor.close()
        await renderer.close()
    finally:
        await storage.close()
        await asyncio.to_thread(observing.close)
    if failed:
        raise RenderFailed(f"{failed[0]}; tried {_LOADS} times")


async def _give_up(worker: Worker, failed: list[str], stopping: asyncio.Event) -> None:
    """A model that cannot be loaded again and again will not be: whoever watches the process shall see that."""
    if worker.failed_loads >= _LOADS and not worker.loaded.is_set() and not failed:
        failed.append(worker.trouble or "the model cannot be loaded")
        stopping.set()


def _health(storage: Storage, worker: Worker, renderer: Renderer, supervisor: Supervisor) -> Health:
    return Health(
        {
            "database": HealthPart(partial(reached, storage.database), needed=True),
            "store": HealthPart(storage.objects.check, needed=False),
            "model": HealthPart(partial(rendering, worker), needed=True, how=partial(placed, renderer)),
            "background": HealthPart(partial(running, supervisor), needed=False),
        }
    )


async def _greet(worker: Worker, renderer: Renderer) -> None:
    await worker.loaded.wait()
    first = resolve(renderer.served, AskedSettings())
    _say(f"Reprise worker is ready: {described(renderer)}")
    where = placed(renderer)
    if where is not None:
        _say(f"  {where}")
    _say(f"  default: {first.width}x{first.height}, {first.frames} frames, {first.steps} steps; one log line per job follows")


def described(renderer: Renderer) -> str:
    """A line of model, device, memory and the choices of speed."""
    if not isinstance(renderer, PipelineRenderer):
        return f"{renderer.served.name}, rendered by another server"
    if renderer.memory is None or renderer.room is None:
        memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GB:.0f} GB of memory"
    else:
        memory = f"{renderer.device}, {renderer.memory / _GB:.0f} GB, of which renders may use {renderer.room.limit / _GB:.1f}"
    return f"{renderer.described}, {memory}; {renderer.choices}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
