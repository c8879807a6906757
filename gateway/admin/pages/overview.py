"""The overview page: what the cache saves, and how often its hits are right."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from litestar import route
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup

from cache.errors import Invalid
from cache.precision import HitPrecision
from cache.storage.fleet.model_states import ModelState, ModelStates
from cache.storage.fleet.workers import Workers, WorkerStatus
from cache.storage.operators.statistics import VERDICTS, VIEWS, Slot, Statistics, Stock, TimeWindow, sum_of_slots
from gateway.admin import charts
from gateway.admin.figures import duration, number
from gateway.admin.page import json_variant, page
from gateway.answering.models import Models
from gateway.http.reply import AnyRequest, Reply

_COSTS = 10.0  # an overview is cached for this many times as long as it took to count, so that polls cannot load a busy database
_LONGEST = 30.0  # seconds that one is cached at most


@dataclass(frozen=True)
class OverviewFigures:
    """The numbers of one overview. `window` is the sum of `slots`, `before` as long a time before it; `ever` all requests of all time,
    `hour` the last sixty minutes.
    """

    at: float
    view: TimeWindow
    slots: list[Slot]
    window: Slot
    before: Slot
    hour: Slot
    ever: Slot
    stock: Stock
    workers: list[WorkerStatus]
    models: list[ModelState]
    default_model: str | None
    audited: HitPrecision
    clients: HitPrecision
    assisted: HitPrecision
    price: float | None  # of one GPU-hour
    capacity: int | None  # bytes

    def money(self, gpu_seconds: float) -> float | None:
        return None if self.price is None else gpu_seconds / 3600 * self.price

    @property
    def rate_change(self) -> float | None:
        """The change of the hit rate against the window before, in percentage points."""
        now, then = self.window.hit_rate, self.before.hit_rate
        return None if now is None or then is None else (now - then) * 100

    @property
    def saved_change(self) -> float | None:
        """The change of the GPU time saved against the window before, as a share of it."""
        return None if self.before.saved <= 0 else self.window.saved / self.before.saved - 1


class Overview:
    def __init__(
        self, statistics: Statistics, workers: Workers, states: ModelStates, models: Models, price: float, capacity_gb: float
    ) -> None:
        self._statistics, self._workers, self._states, self._models = statistics, workers, states, models
        self._price, self._capacity = price or None, int(capacity_gb * 1e9) or None
        self._kept: dict[TimeWindow, tuple[OverviewFigures, float]] = {}
        self._counting = asyncio.Lock()

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/admin", http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/overview/live", http_method=["GET"], status_code=200)(self.live),
            route("/admin/api/overview", http_method=["GET", "HEAD"], status_code=200)(self.told),
        ]

    async def look(self, request: AnyRequest) -> Reply:
        facts = await self.facts(view_of(request))
        return page(request, "overview.html", **_shown(facts))

    async def live(self, request: AnyRequest) -> Reply:
        facts = await self.facts(view_of(request))
        return page(request, "overview_live.html", **_shown(facts))

    async def told(self, request: AnyRequest) -> Reply:
        return json_variant(request, figures_json(await self.facts(view_of(request))))

    async def facts(self, view: TimeWindow) -> OverviewFigures:
        async with self._counting:
            kept = self._kept.get(view)
            if kept is not None and time.monotonic() < kept[1]:
                return kept[0]
            began = time.monotonic()
            facts = await self._count(view)
            took = time.monotonic() - began
            self._kept[view] = (facts, time.monotonic() + (min(_LONGEST, took * _COSTS) if took > 0.1 else 0.0))
            return facts

    async def _count(self, view: TimeWindow) -> OverviewFigures:
        at = time.time()
        slots = await self._statistics.slots(view, at)
        window = sum_of_slots(slots)
        return OverviewFigures(
            at=at,
            view=view,
            slots=slots,
            window=window,
            before=await self._statistics.since(window.start - window.seconds, window.start),
            hour=await self._statistics.since(at - 3600),
            ever=await self._statistics.since(0.0),
            stock=await self._statistics.stock(),
            workers=await self._workers.list(),
            models=await self._states.list(),
            default_model=self._models.served[0].name if self._models.served else None,
            audited=await self._statistics.precision(),
            clients=await self._statistics.precision(("client",)),
            assisted=await self._statistics.assisted(),
            price=self._price,
            capacity=self._capacity,
        )


def view_of(request: AnyRequest) -> TimeWindow:
    view = request.query_params.get("view", "hour")
    if view not in VIEWS:
        raise Invalid("view", f"view is one of {', '.join(VIEWS)}")
    return cast(TimeWindow, view)


def label(slot: Slot, view: TimeWindow) -> str:
    at = datetime.fromtimestamp(slot.start, UTC)
    return at.strftime("%d %b %H:00") if view == "hour" else at.strftime("%d %b" if view == "day" else "week of %d %b")


def rows_behind(slot: Slot, verdict: str = "") -> str:
    only = f"&verdict={verdict}" if verdict else ""
    return f"/admin/requests?since={slot.start:.0f}&until={slot.start + slot.seconds:.0f}{only}"


def verdict_chart(facts: OverviewFigures) -> Markup:
    names = [label(slot, facts.view) for slot in facts.slots]
    series = [charts.Series(verdict, verdict, [slot.verdicts[verdict].count for slot in facts.slots]) for verdict in VERDICTS]
    links = [rows_behind(slot) for slot in facts.slots]
    return charts.stacked("verdicts", f"Requests by verdict, by {facts.view}", names, series, links=links)


def rate_chart(facts: OverviewFigures) -> Markup:
    names = [label(slot, facts.view) for slot in facts.slots]
    rates = [None if slot.hit_rate is None else slot.hit_rate * 100 for slot in facts.slots]
    return charts.line_chart(
        "rate", f"Hit rate in percent, by {facts.view}", names, [charts.Series("exact", "hit rate", rates)], shown=in_percent
    )


def in_percent(value: float | None) -> str:
    return number(value, 1) + (" %" if value is not None else "")


def rate_spark(facts: OverviewFigures) -> Markup:
    rates = [None if slot.hit_rate is None else slot.hit_rate * 100 for slot in facts.slots]
    return charts.spark("rate-spark", f"Hit rate, by {facts.view}", rates, shown=in_percent)


def saved_spark(facts: OverviewFigures) -> Markup:
    """GPU time saved, summed up over the window: a line that never falls."""
    total, sums = 0.0, []
    for slot in facts.slots:
        total += slot.saved
        sums.append(total)
    return charts.spark("saved-spark", f"GPU time saved, summed up by {facts.view}", sums, shown=duration)


def time_chart(facts: OverviewFigures) -> Markup:
    names = [label(slot, facts.view) for slot in facts.slots]
    everyone = [_together(slot) for slot in facts.slots]
    series = [
        charts.Series("one", "median (p50)", [count.took(0.5) for count in everyone]),
        charts.Series("two", "95th percentile (p95)", [count.took(0.95) for count in everyone]),
    ]
    return charts.line_chart("times", f"Answer time of all verdicts, by {facts.view}", names, series, shown=duration)


def _together(slot: Slot) -> Any:
    total = type(slot.verdicts["exact"])()
    for count in slot.verdicts.values():
        total.add(count)
    return total


def _shown(facts: OverviewFigures) -> dict[str, Any]:
    return {
        "facts": facts,
        "views": list(VIEWS),
        "verdicts": VERDICTS,
        "rate_spark": rate_spark(facts),
        "saved_spark": saved_spark(facts),
        # A chart of nothing would draw axes from 0 to 1.
        "verdict_chart": verdict_chart(facts) if facts.window.asked else None,
        "rate_chart": rate_chart(facts) if facts.window.asked else None,
        "time_chart": time_chart(facts) if _together(facts.window).took(0.5) is not None else None,
        "rows_behind": rows_behind,
        "empty": not any(count.count for kinds in (facts.ever.verdicts, facts.ever.background) for count in kinds.values()),
    }


def figures_json(facts: OverviewFigures) -> dict[str, object]:
    """The same figures as JSON."""

    def of(slot: Slot) -> dict[str, object]:
        return {
            "start": slot.start,
            "seconds": slot.seconds,
            "asked": slot.asked,
            "hit_rate": slot.hit_rate,
            "gpu_seconds_saved": slot.saved,
            "gpu_seconds_saved_over_exact_only": slot.nearness_saved,
            "money_saved": facts.money(slot.saved),
            "assisted": slot.assisted,
            "assist_gpu_seconds_saved": slot.assist_saved,
            "assist_money_saved": facts.money(slot.assist_saved),
            "verdicts": {
                verdict: {
                    "count": count.count,
                    "background": slot.background[verdict].count,
                    "failed": count.failed,
                    "p50_seconds": count.took(0.5),
                    "p95_seconds": count.took(0.95),
                }
                for verdict, count in slot.verdicts.items()
            },
        }

    return {
        "at": facts.at,
        "view": facts.view,
        "slots": [of(slot) for slot in facts.slots],
        "window": of(facts.window),
        "window_before": of(facts.before),
        "last_hour": of(facts.hour),
        "ever": of(facts.ever),
        "stock": facts.stock,
        "capacity_bytes": facts.capacity,
        "workers": facts.workers,
        "models": facts.models,
        "default_model": facts.default_model,
        "precision": {"audited": facts.audited, "clients": facts.clients, "assisted": facts.assisted},
        "gpu_price_per_hour": facts.price,
    }
