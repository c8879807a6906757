"""Traces by OpenTelemetry; the door to it, imported only if traces are configured.

A request's span is a child of the client's (W3C `traceparent`); the job that it begins carries the request's context in its
row, so that a worker in another process adds its spans as the request's children. No words of a prompt unless REPRISE_LOG_PROMPTS.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from cache import spans
from cache.errors import RepriseError
from cache.settings import Settings
from cache.spans import SpanAttribute
from gateway.http.reply import request_id
from gateway.telemetry.counts import route_of
from generator.renders import FinishedAttempt

_FLUSH_MS = 2000  # that the last spans of a process get to leave
_STAGES = ("text_encode", "picture_encode", "denoise", "vae_decode", "video_encode", "store")  # in their order
_WORDS = "prompt"
_CARRIED = {b"traceparent": "traceparent", b"tracestate": "tracestate"}


class Tracing:
    """Light until `open`. Spans leave in a thread of their own; what a collector does not take in time is dropped."""

    def __init__(self, endpoint: str, name: str, words: bool) -> None:
        """`endpoint`: like OTEL_EXPORTER_OTLP_ENDPOINT, `/v1/traces` is appended. Empty: the standard variables apply."""
        self._endpoint, self._name, self._words = endpoint, name, words
        self._provider: Any = None

    def open(self) -> None:
        """Starts sending the spans of this process."""
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": self._name}
        self._trace, self._carrier = trace, TraceContextTextMapPropagator()
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        address = f"{self._endpoint.rstrip('/')}/v1/traces" if self._endpoint else None
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
        self._tracer = self._provider.get_tracer("reprise")
        spans.listen(self)

    def close(self) -> None:
        """Blocks for at most a few seconds: call it in a thread."""
        spans.listen(None)
        if self._provider is not None:
            self._provider.force_flush(_FLUSH_MS)
            self._provider.shutdown()

    # What cache.spans asks

    def span(self, name: str) -> AbstractContextManager[object]:
        return self._told(name)

    @contextmanager
    def _told(self, name: str, **more: Any) -> Iterator[Any]:
        # The messages of errors may quote what a client sent; their codes do not.
        with self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False, **more) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", error.code if isinstance(error, RepriseError) else type(error).__name__)
                raise

    def set_attribute(self, name: str, fact: SpanAttribute) -> None:
        if name != _WORDS or self._words:
            self._trace.get_current_span().set_attribute(f"reprise.{name}", fact)

    def traceparent(self) -> str | None:
        carried: dict[str, str] = {}
        self._carrier.inject(carried)
        return carried.get("traceparent")

    # Requests

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if self._provider is None:
                await app(scope, receive, send)
                return
            sent = {_CARRIED[name]: value.decode("latin-1") for name, value in scope["headers"] if name in _CARRIED}
            method, path = str(scope.get("method")), route_of(scope)
            more = {"context": self._carrier.extract(sent), "kind": self._trace.SpanKind.SERVER}
            with self._told(f"{method} {path}", **more) as span:
                span.set_attributes({"http.request.method": method, "http.route": path, "reprise.request": request_id(scope)})

                async def told(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        span.set_attribute("http.response.status_code", message["status"])
                    await send(message)

                await app(scope, receive, told)

        return traced

    # Jobs

    def ended(self, ended: FinishedAttempt) -> None:
        """Sends the spans of a finished attempt; the renderer measured the times of its stages."""
        if self._provider is None:
            return
        job = ended.lease.job
        context = None if job.traceparent is None else self._carrier.extract({"traceparent": job.traceparent})
        queued = max(0.0, (job.started_at or job.created_at) - job.created_at)
        span = self._tracer.start_span(
            "job", context=context, kind=self._trace.SpanKind.CONSUMER, start_time=_ns(ended.began - queued), attributes=_facts(ended)
        )
        within = self._trace.set_span_in_context(span)
        self._child(within, "queue", ended.began - queued, queued)
        at = ended.began
        for stage, seconds in _laid_out(ended.stages_ms):
            self._child(within, stage, at, seconds)
            at += seconds
        span.end(_ns(ended.ended))

    def _child(self, context: Any, name: str, at: float, seconds: float) -> None:
        self._tracer.start_span(name, context=context, start_time=_ns(at)).end(_ns(at + seconds))


def open_tracing(settings: Settings, name: str) -> Tracing | None:
    """The tracing of this process, None if not configured; call `open` when the process starts to work."""
    standard = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not settings.otlp_endpoint and not standard:
        return None
    return Tracing(settings.otlp_endpoint, name, settings.log_prompts)


def _facts(ended: FinishedAttempt) -> dict[str, SpanAttribute]:
    job = ended.lease.job
    facts: dict[str, SpanAttribute | None] = {
        "job": job.id, "attempt": ended.lease.attempt, "worker": ended.lease.worker, "priority": job.priority.value,
        "model": job.recipe.model, "size": job.recipe.size, "frames": job.recipe.frames, "steps": job.recipe.steps,
        "outcome": ended.outcome, "clip": ended.clip_id, "code": ended.code,
    }  # fmt: skip
    return {f"reprise.{name}": fact for name, fact in facts.items() if fact is not None}


def _laid_out(stages_ms: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for stage in _STAGES:
        if stage in stages_ms:
            yield stage, stages_ms[stage] / 1000


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
