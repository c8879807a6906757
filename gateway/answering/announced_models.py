"""Announced models: workers announce the model that they have loaded, and gateways follow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from cache.catalog import ServedModel
from cache.errors import StillLoading, Unavailable
from cache.storage.database.notifications import Notifications
from cache.storage.fleet.announcements import Announced, Announcements
from cache.storage.fleet.workers import Workers
from cache.supervision import Supervisor
from gateway.answering.models import Models
from generator.queue.gone import SILENT
from generator.renderer import Renderer
from generator.worker.worker import Worker

log = structlog.get_logger(__name__)

_LOOK = 2.0  # seconds between polls of the announcements, in case a notification is lost
_BEAT = 10.0  # seconds between heartbeats
_DEAD = 30.0  # seconds without a heartbeat after which a worker is presumed gone
_RETIRED = 86_400.0  # seconds without one after which a model is no longer served


async def announce(worker: Worker, renderer: Renderer, announcements: Announcements, workers: Workers, device: str) -> None:
    """Announces this worker's model and sends heartbeats until cancelled; then it records that the worker has stopped."""
    await worker.loaded.wait()
    served = renderer.served
    known = False
    try:
        while True:
            if not known:
                await announcements.announce(served, device)
                await workers.loaded(worker.id, served.name, served.revision, *_described(renderer, device))
            await asyncio.sleep(_BEAT)
            known = await announcements.seen(served) and await workers.seen(worker.id)
    finally:
        with suppress(Unavailable):
            await workers.stopped(worker.id)


def _described(renderer: Renderer, device: str) -> tuple[str, int | None]:
    """The device's own name and its bytes of memory; renderers that have no device of theirs know neither."""
    return getattr(renderer, "device", None) or device, getattr(renderer, "memory", None)


@dataclass(frozen=True)
class FleetModels:
    """The models of a deployment. `served`: the default first, then by name. `away`: names of served ones whose workers are
    silent, so that a miss would wait for nobody. `retired`: names that were served once.
    """

    served: tuple[ServedModel, ...]
    away: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()


def fleet_models(known: Sequence[Announced], wanted: str, own: ServedModel | None) -> FleetModels:
    """The models to serve, of those that were ever announced. `own`: the model that this process renders with itself, which is served
    in any case.

    The default is the one of the name `wanted`; else our own; else, of those whose workers live, the name introduced last. So the
    default stays while workers come and go, and a rollout of another model needs no setting. Its misses wait for workers in any case.
    """
    others = [one for one in known if own is None or one.model.name != own.name]
    models = {one.model.name: one.model for one in others} | ({} if own is None else {own.name: own})
    if not models:
        return FleetModels(())
    default = models.get(wanted) or own
    if default is None:
        alive = [one for one in others if one.silent <= SILENT] or others
        default = max(alive, key=lambda one: (one.introduced_at, one.model.name)).model
    rest = [one for one in others if one.model.name != default.name]
    kept = {one.model.name: one.model for one in rest if one.silent <= _RETIRED}
    if own is not None and own.name != default.name:
        kept[own.name] = own
    return FleetModels(
        (default, *(kept[name] for name in sorted(kept))),
        frozenset(one.model.name for one in rest if SILENT < one.silent <= _RETIRED),
        frozenset(one.model.name for one in rest if one.silent > _RETIRED),
    )


class AnnouncedModels:
    """Keeps a gateway's models those that workers announced. `pinned`: the revision to keep to; `wanted`: the name of the
    default, which else is that of the pinned revision.
    """

    def __init__(self, announcements: Announcements, models: Models, pinned: str, wanted: str, own: ServedModel | None = None) -> None:
        self._announcements, self._models, self._pinned = announcements, models, pinned
        self._wanted, self._own = wanted, own
        self._told = asyncio.Event()

    def start(self, supervisor: Supervisor, notifications: Notifications | None) -> None:
        if notifications is not None:
            notifications.on("model", lambda *_: self._told.set())
        supervisor.start("announced models", self.run)

    async def run(self) -> None:
        """Looks when something was announced and every two seconds, until cancelled."""
        while True:
            self._told.clear()
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._told.wait()

    async def look(self) -> None:
        known = await self._announcements.known(self._pinned)
        wanted = self._wanted
        if self._pinned and all(one.model.name != wanted for one in known):
            wanted = next((one.model.name for one in known if one.model.revision == self._pinned), wanted)
        fleet = fleet_models(known, wanted, self._own)
        if fleet.served != self._models.served:
            log.info("models served changed", models=[f"{one.name} {one.revision[:12]}" for one in fleet.served])
        self._models.serve(fleet.served, fleet.away, fleet.retired)

    async def check(self) -> None:
        """Raises StillLoading if no worker would render a miss of the default model now."""
        if not self._models.served:
            raise StillLoading("no worker has announced a model yet")
        if not await self._announcements.alive(self._models.served[0], _DEAD):
            raise StillLoading("no worker gave a sign of life lately")
