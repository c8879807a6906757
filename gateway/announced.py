"""Models between processes: those that render tell what they have loaded, those that do not listen."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from cache.errors import StillLoading, Unavailable
from cache.storage.announcements import Announcements
from cache.storage.news import News
from cache.storage.workers import Workers
from gateway.models import Models
from generator.renderer import Renderer
from generator.working.worker import Worker

log = structlog.get_logger(__name__)

_LOOK = 2.0  # seconds between looks at what was announced, in case no news come
_BEAT = 10.0  # seconds between signs of life
_DEAD = 30.0  # without one for so long no worker is there


async def tell(worker: Worker, renderer: Renderer, announcements: Announcements, workers: Workers, device: str) -> None:
    """From the moment that the model is loaded, until cancelled: then this worker takes no more work, and says so."""
    await worker.loaded.wait()
    served, told = renderer.served, False
    try:
        while True:
            try:
                if not told:
                    await announcements.announce(served, device)
                    await workers.loaded(worker.id, served.name, served.revision, *_described(renderer, device))
                    told = True
                else:
                    await announcements.seen(served)
                    await workers.seen(worker.id)
            except Unavailable as error:
                log.warning("nobody hears of this worker", reason=error.message)
            await asyncio.sleep(_BEAT if told else 1.0)
    finally:
        with suppress(Unavailable):
            await workers.stopped(worker.id)


def _described(renderer: Renderer, device: str) -> tuple[str, int | None]:
    """The device's own name and its bytes of memory; renderers that have no device of theirs know neither."""
    return getattr(renderer, "device", None) or device, getattr(renderer, "memory", None)


class Announced:
    """Keeps a gateway's models what workers announced last, or the revision that the settings pin."""

    def __init__(self, announcements: Announcements, models: Models, pinned: str) -> None:
        self._announcements, self._models, self._pinned = announcements, models, pinned
        self._told = asyncio.Event()

    async def run(self, news: News | None) -> None:
        """Until cancelled."""
        if news is not None:
            news.on("model", lambda *_: self._told.set())
        while True:
            self._told.clear()
            try:
                await self.look()
            except Unavailable as error:
                log.warning("models are not read", reason=error.message)
            try:
                async with asyncio.timeout(_LOOK):
                    await self._told.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        newest = await self._announcements.newest(self._pinned)
        if newest is not None and (newest,) != self._models.served:
            self._models.serve([newest])
            log.info("misses are made with", model=newest.name, revision=newest.revision)

    async def check(self) -> None:
        """StillLoading where nobody would render a miss now."""
        if not self._models.served:
            raise StillLoading("no worker has announced a model yet")
        if not await self._announcements.alive(self._models.served[0], _DEAD):
            raise StillLoading("no worker gave a sign of life lately")
