"""The observation of a gateway: metrics, traces and the access log, as configured."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from cache.settings import Settings
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.counts import AnswerCounts
from gateway.telemetry.metrics import Metrics, Sources
from gateway.telemetry.tracing import open_tracing
from gateway.telemetry.worker_metrics import scraped
from generator.renders import Renders

Hook = Callable[..., Awaitable[Any]]


class Observation:
    """The configured telemetry. `counts` is for the routes; what is not configured costs a request nothing."""

    def __init__(self, settings: Settings, sources: Sources) -> None:
        self.counts = AnswerCounts()
        self._token = settings.metrics_token
        self._metrics = Metrics(replace(sources, counts=self.counts))
        self._tracing = open_tracing(settings, "reprise-gateway")
        self._access_log = AccessLog() if settings.access_log else None

    def routes(self) -> list[HTTPRouteHandler]:
        return self._metrics.routes(self._token)

    @property
    def middleware(self) -> list[Callable[[ASGIApp], ASGIApp]]:
        """Outside of all others."""
        asked = (self._access_log, self._tracing)
        return [one.middleware for one in asked if one is not None]

    @property
    def before_send(self) -> list[Hook]:
        return [self.counts.add_answer, *([] if self._access_log is None else [self._access_log.add_line])]

    async def open(self, renders: Renders) -> None:
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.open)
            renders.at_every_end(self._tracing.ended)

    async def close(self) -> None:
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)


@contextmanager
def observed(settings: Settings, renders: Renders) -> Iterator[None]:
    """A process that only renders: its metrics on a port of their own, its jobs' spans. Leaving may block for seconds."""
    tracing = open_tracing(settings, "reprise-worker")
    with ExitStack() as leaving:
        leaving.enter_context(scraped(Metrics(Sources(renders=renders)), settings))
        if tracing is not None:
            tracing.open()
            leaving.callback(tracing.close)
            renders.at_every_end(tracing.ended)
        yield
