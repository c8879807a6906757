"""`/metrics` for Prometheus. The door to prometheus_client, which is imported by the first scrape.

Counts are plain numbers kept by their owners; numbers of the database are read at a scrape, at most once a second however
many ask. Labels come from our own short lists of words: never a tenant, an id or a prompt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Method

from cache.durations import BOUNDS, Durations
from cache.errors import RepriseError
from cache.matching.exact import ExactMemory
from cache.storage.operators.gauges import Gauges, Judged, QueueGauges
from gateway.answering.byte_cache import ByteCache
from gateway.api.health import Health
from gateway.auth.access import admin_of
from gateway.http.reply import Reply
from gateway.telemetry.counts import AnswerCounts
from generator.renders import OUTCOMES, Renders

log = structlog.get_logger(__name__)

_FRESH = 1.0  # seconds that what was read is told again
_SLOW_FRESH = 30.0  # the same for what takes reading whole tables
_PATIENCE = 2.0  # seconds that the database has
_READ: list[Method] = ["GET", "HEAD"]
_REASONS = ("evicted", "expired", "erased", "corrupt")

Family = Any  # of prometheus_client, which is not imported here


class Indexed(Protocol):
    """The numbers of a gateway's index. `behind`: seconds for which it has not held all rows."""

    @property
    def clips(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def behind(self) -> float: ...


@dataclass(frozen=True)
class Sources:
    """The sources of the metrics. A worker process has only `renders`; a gateway that does not render has all but that."""

    renders: Renders | None = None
    counts: AnswerCounts | None = None
    memory: ExactMemory | None = None
    cached: ByteCache | None = None
    index: Indexed | None = None
    withdrawn: Mapping[str, int] | None = None
    ready: Callable[[], Awaitable[Mapping[str, bool]]] | None = None
    gauges: Gauges | None = None


@dataclass
class _Read:
    standing: QueueGauges | None = None
    judged: Judged | None = None
    ready: Mapping[str, bool] | None = None


class Metrics:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._read = _Read()
        self._read_at = self._judged_at = float("-inf")
        self._turn = asyncio.Lock()
        self._registry: Any = None

    def routes(self, token: str = "") -> list[HTTPRouteHandler]:
        """The route, for admins and callers with `token`."""
        return [route("/metrics", http_method=_READ, status_code=200, opt={"token": token})(self.scrape)]

    async def scrape(self, request: Request[Any, Any, Any]) -> Reply:
        admin_of(request)
        body, content_type = await self.text(request.headers.get("accept", ""))
        headers = [(b"cache-control", b"no-store")]
        return Reply(body, headers=headers, head=request.method == "HEAD", content_type=content_type.encode("ascii"))

    async def text(self, accept: str = "") -> tuple[bytes, str]:
        """The scrape and its content type, as `accept` wants it."""
        async with self._turn:
            await self._look()
        return await asyncio.to_thread(self.written, accept)

    def written(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics as text, from the numbers collected. May run in any thread."""
        from prometheus_client import (  # noqa: PLC0415  # 60 ms that only who is scraped pays
            GC_COLLECTOR,
            CollectorRegistry,
            ProcessCollector,
            exposition,
        )

        if self._registry is None:
            registry = CollectorRegistry()
            registry.register(self)
            registry.register(GC_COLLECTOR)
            ProcessCollector(registry=registry)
            self._registry = registry
        encoder, content_type = exposition.choose_encoder(accept)
        return encoder(self._registry), content_type

    async def _look(self) -> None:
        """Reads the database's numbers; they are left out if it is away, which `reprise_up` shows."""
        at, sources = time.monotonic(), self._sources
        if at - self._read_at < _FRESH:
            return
        if sources.ready is not None:
            self._read.ready = await sources.ready()
        if sources.gauges is not None:
            self._read.standing = await _told(sources.gauges.standing())
            if at - self._judged_at >= _SLOW_FRESH:
                self._read.judged, self._judged_at = await _told(sources.gauges.judged()), at
        self._read_at = time.monotonic()

    def collect(self) -> Iterator[Family]:
        """The metrics, as prometheus_client requires."""
        sources = self._sources
        if sources.counts is not None:
            yield from _of_answers(sources.counts)
        if sources.renders is not None:
            yield from _of_renders(sources.renders)
        yield from _of_caches(sources)
        if sources.index is not None:
            yield from _of_index(sources.index, self._read.standing)
        if self._read.standing is not None:
            yield from _of_queue(self._read.standing)
        if self._read.judged is not None:
            yield from _of_judged(self._read.judged)
        if self._read.ready is not None:
            yield _gauge("up", "1 where the part answers.", ("part",), {(part,): float(up) for part, up in self._read.ready.items()})


async def _told(asked: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await asked
    except (RepriseError, TimeoutError):
        return None


def readiness(health: Health) -> Callable[[], Awaitable[Mapping[str, bool]]]:
    async def look() -> Mapping[str, bool]:
        return {name: note is None for name, note in (await health.look()).items()}

    return look


Values = Mapping[Any, float]  # by the words of its labels


def _gauge(name: str, told: str, labels: tuple[str, ...], values: Values) -> Family:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    return _filled(GaugeMetricFamily(f"reprise_{name}", told, labels=labels), values)


def _counter(name: str, told: str, labels: tuple[str, ...], values: Values) -> Family:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    return _filled(CounterMetricFamily(f"reprise_{name}", told, labels=labels), values)


def _filled(family: Family, values: Values) -> Family:
    for words, value in values.items():
        family.add_metric(words, value)
    return family


def _histogram(name: str, told: str, label: str, values: Mapping[str, Durations]) -> Family:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    family = HistogramMetricFamily(f"reprise_{name}", told, labels=(label,))
    for word, durations in values.items():
        so_far, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), list(durations.counts), strict=True):
            so_far += count
            buckets.append((bound, so_far))
        family.add_metric((word,), buckets, durations.total)
    return family


def _of_answers(counts: AnswerCounts) -> Iterator[Family]:
    verdicts = dict(counts.verdicts)
    yield _counter("verdicts", "Requests answered.", ("verdict",), {(word,): seen.count for word, seen in verdicts.items()})
    yield _histogram("answer_seconds", "From a request's arrival to its answer.", "verdict", verdicts)
    yield _counter("gpu_seconds_saved", "Of GPU that hits spared.", (), {(): counts.gpu_seconds_saved})
    answers = {(method, path, str(status)): float(count) for (method, path, status), count in counts.answers.copy().items()}
    yield _counter("http_requests", "HTTP requests answered.", ("method", "route", "status"), answers)


def _of_renders(renders: Renders) -> Iterator[Family]:
    outcomes = {(str(outcome),): float(renders.outcomes[outcome]) for outcome in OUTCOMES}
    yield _counter("renders", "Attempts at a job that ended here.", ("outcome",), outcomes)
    yield _counter("gpu_seconds", "Of GPU that clips made here took.", (), {(): renders.gpu_seconds})
    yield _histogram("stage_seconds", "Of each stage of a clip made here.", "stage", dict(renders.stages))
    yield _gauge("render_peak_bytes", "The most device memory that a render here took.", (), {(): float(renders.peak_bytes)})
    yield _gauge("renders_running", "Jobs that this process holds a lease of.", (), {(): float(renders.running)})


def _of_caches(sources: Sources) -> Iterator[Family]:
    memory, cached = sources.memory, sources.cached
    if memory is not None:
        found = {("hit",): float(memory.hits), ("miss",): float(memory.misses)}
        yield _counter("exact_memory", "Look-ups of an exact key in memory.", ("result",), found)
        yield _gauge("exact_memory_clips", "Exact keys in memory.", (), {(): float(len(memory))})
    if cached is not None:
        found = {("hit",): float(cached.hits), ("miss",): float(cached.misses)}
        yield _counter("byte_cache", "Videos asked of the memory for bytes.", ("result",), found)
        yield _gauge("byte_cache_bytes", "Bytes of videos in memory.", (), {(): float(cached.length)})
    if sources.withdrawn is not None:
        gone = {(reason,): 0.0 for reason in (*_REASONS, "other")}
        for reason, count in dict(sources.withdrawn).items():
            word = next((known for known in _REASONS if reason.startswith(known)), "other")
            gone[word,] += count
        yield _counter("clips_withdrawn", "Clips that this process took out of service.", ("reason",), gone)


def _of_index(index: Indexed, standing: QueueGauges | None) -> Iterator[Family]:
    yield _gauge("index_clips", "Clips that a search can find.", (), {(): float(index.clips)})
    yield _gauge("index_bytes", "Memory of the index, estimated.", (), {(): float(index.nbytes)})
    yield _gauge("index_lag_seconds", "For how long the index has not held all rows.", (), {(): index.behind})
    if standing is not None:
        lag = float(max(0, standing.sequence - index.sequence))
        yield _gauge("index_lag_changes", "Changes of the log that the index has not read yet.", (), {(): lag})


def _of_queue(standing: QueueGauges) -> Iterator[Family]:
    every = [(state, priority) for state in ("queued", "leased") for priority in ("interactive", "background")]
    yield _gauge("jobs", "Open jobs of the whole instance.", ("state", "priority"), {at: float(standing.jobs.get(at, 0)) for at in every})
    oldest = {(priority,): standing.oldest.get(priority, 0.0) for priority in ("interactive", "background")}
    yield _gauge("queue_oldest_seconds", "For how long the oldest queued job has waited.", ("priority",), oldest)
    workers = {("alive",): float(standing.alive), ("busy",): float(standing.busy)}
    yield _gauge("workers", "Workers of the whole instance.", ("state",), workers)


def _of_judged(judged: Judged) -> Iterator[Family]:
    said = {(source, "right" if right else "wrong"): float(count) for (source, right), count in judged.labels.items()}
    yield _gauge("labels", "What was said of answers.", ("source", "said"), said)
    states = {(state,): float(count) for state, count in judged.audits.items()}
    yield _gauge("audits", "Near hits that were rendered anew to be compared.", ("state",), states)
