"""What the cache saves, and whether its hits are right, at a glance."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup

from cache.errors import Invalid
from cache.precision import Precision
from cache.storage.operators.statistics import VERDICTS, VIEWS, Slot, Statistics, Stock, View, whole
from cache.storage.workers import Hand, Workers
from gateway.admin import charts
from gateway.admin.figures import duration, number
from gateway.admin.page import page, twin
from gateway.http.reply import Reply

_COSTS = 10.0  # an overview is kept for so many times as long as it took to count: polls cannot fill a busy database
_LONGEST = 30.0  # seconds that one is kept at most

Asked = Request[Any, Any, Any]


@dataclass(frozen=True)
class Facts:
    """One look. `window` is the sum of `slots`, `ever` all that was ever asked, `hour` the last sixty minutes."""

    at: float
    view: View
    slots: list[Slot]
    window: Slot
    hour: Slot
    ever: Slot
    stock: Stock
    workers: list[Hand]
    audited: Precision
    clients: Precision
    price: float | None  # of one GPU-hour
    capacity: int | None  # bytes

    def money(self, gpu_seconds: float) -> float | None:
        return None if self.price is None else gpu_seconds / 3600 * self.price


class Overview:
    def __init__(self, statistics: Statistics, workers: Workers, price: float, capacity_gb: float) -> None:
        self._statistics, self._workers = statistics, workers
        self._price, self._capacity = price or None, int(capacity_gb * 1e9) or None
        self._kept: dict[View, tuple[Facts, float]] = {}
        self._counting = asyncio.Lock()

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/admin", http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/overview/live", http_method=["GET"], status_code=200)(self.live),
            route("/admin/api/overview", http_method=["GET", "HEAD"], status_code=200)(self.told),
        ]

    async def look(self, request: Asked) -> Reply:
        facts = await self.facts(view_of(request))
        return page(request, "overview.html", **_shown(facts))

    async def live(self, request: Asked) -> Reply:
        facts = await self.facts(view_of(request))
        return page(request, "overview_live.html", **_shown(facts))

    async def told(self, request: Asked) -> Reply:
        return twin(request, plain(await self.facts(view_of(request))))

    async def facts(self, view: View) -> Facts:
        async with self._counting:
            kept = self._kept.get(view)
            if kept is not None and time.monotonic() < kept[1]:
                return kept[0]
            began = time.monotonic()
            facts = await self._count(view)
            took = time.monotonic() - began
            self._kept[view] = (facts, time.monotonic() + (min(_LONGEST, took * _COSTS) if took > 0.1 else 0.0))
            return facts

    async def _count(self, view: View) -> Facts:
        at = time.time()
        slots = await self._statistics.slots(view, at)
        return Facts(
            at=at,
            view=view,
            slots=slots,
            window=whole(slots),
            hour=await self._statistics.since(at - 3600),
            ever=await self._statistics.since(0.0),
            stock=await self._statistics.stock(),
            workers=await self._workers.list(),
            audited=await self._statistics.precision(),
            clients=await self._statistics.precision(("client",)),
            price=self._price,
            capacity=self._capacity,
        )


def view_of(request: Asked) -> View:
    view = request.query_params.get("view", "hour")
    if view not in VIEWS:
        raise Invalid("view", f"view is one of {', '.join(VIEWS)}")
    return cast(View, view)


def label(slot: Slot, view: View) -> str:
    at = datetime.fromtimestamp(slot.start, UTC)
    return at.strftime("%d %b %H:00") if view == "hour" else at.strftime("%d %b" if view == "day" else "week of %d %b")


def rows_behind(slot: Slot, verdict: str = "") -> str:
    only = f"&verdict={verdict}" if verdict else ""
    return f"/admin/requests?since={slot.start:.0f}&until={slot.start + slot.seconds:.0f}{only}"


def verdict_chart(facts: Facts) -> Markup:
    names = [label(slot, facts.view) for slot in facts.slots]
    series = [charts.Series(verdict, verdict, [slot.verdicts[verdict].count for slot in facts.slots]) for verdict in VERDICTS]
    links = [rows_behind(slot) for slot in facts.slots]
    return charts.stacked("verdicts", f"Requests by verdict, by {facts.view}", names, series, links=links)


def rate_chart(facts: Facts) -> Markup:
    names = [label(slot, facts.view) for slot in facts.slots]
    rates = [None if slot.hit_rate is None else slot.hit_rate * 100 for slot in facts.slots]
    return charts.lines("rate", f"Hit rate in percent, by {facts.view}", names, [charts.Series("exact", "hit rate", rates)], shown=percent)


def percent(value: float | None) -> str:
    return number(value, 1) + (" %" if value is not None else "")


def time_chart(facts: Facts) -> Markup:
    names = [label(slot, facts.view) for slot in facts.slots]
    everyone = [_together(slot) for slot in facts.slots]
    series = [
        charts.Series("one", "half within (p50)", [count.took(0.5) for count in everyone]),
        charts.Series("two", "95 % within (p95)", [count.took(0.95) for count in everyone]),
    ]
    return charts.lines("times", f"Answer time of all verdicts, by {facts.view}", names, series, shown=duration)


def _together(slot: Slot) -> Any:
    total = type(slot.verdicts["exact"])()
    for count in slot.verdicts.values():
        total.add(count)
    return total


def _shown(facts: Facts) -> dict[str, Any]:
    return {
        "facts": facts,
        "views": list(VIEWS),
        "verdicts": VERDICTS,
        "verdict_chart": verdict_chart(facts),
        "rate_chart": rate_chart(facts),
        "time_chart": time_chart(facts),
        "rows_behind": rows_behind,
        "empty": not any(count.count for kinds in (facts.ever.verdicts, facts.ever.background) for count in kinds.values()),
    }


def plain(facts: Facts) -> dict[str, object]:
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
        "last_hour": of(facts.hour),
        "ever": of(facts.ever),
        "stock": facts.stock,
        "capacity_bytes": facts.capacity,
        "workers": facts.workers,
        "precision": {"audited": facts.audited, "clients": facts.clients},
        "gpu_price_per_hour": facts.price,
    }
