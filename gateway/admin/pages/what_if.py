"""The what-if page: past traffic replayed with another limit for wrong hits or another capacity."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from litestar import route
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup

from cache.errors import Invalid
from cache.matching.encoding.encoders import Loading
from cache.replay import ReplayOutcome, replay
from cache.storage.operators.recorded import Recorded, Recordings, Sureness
from gateway.admin import charts
from gateway.admin.figures import number, percent
from gateway.admin.page import json_variant, page
from gateway.http.reply import AnyRequest, Reply

LIMITS = (0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
ROOMS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # share of what all clips of the traffic need; the last holds all
_MOST = 10_000  # requests replayed: the newest
_FRESH = 30.0  # seconds that traffic once read is reused while a slider moves


@dataclass(frozen=True)
class WhatIfFigures:
    """Outcomes of the replay: `chosen` at the sliders, `present` at the current limit with capacity for all, `sweep` over all limits."""

    asks: int
    since: float | None
    unknown: int
    judged: bool  # whether the judge's calibration table was loaded
    whole: int  # bytes of all clips of the traffic
    limit_at: int
    room_at: int
    chosen: ReplayOutcome
    present: ReplayOutcome
    sweep: list[ReplayOutcome]


class WhatIf:
    def __init__(self, recordings: Recordings, encoders: Loading, max_wrong: float) -> None:
        self._recordings, self._encoders, self._max_wrong = recordings, encoders, max_wrong
        self._limits = tuple(sorted({*LIMITS, max_wrong}))
        self._kept: tuple[float, Recorded, bool] | None = None
        self._swept: dict[int, list[ReplayOutcome]] = {}  # by step of the capacity slider
        self._working = asyncio.Lock()

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/admin/what-if", http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/what-if/outcome", http_method=["GET"], status_code=200)(self.moved),
            route("/admin/api/what-if", http_method=["GET", "HEAD"], status_code=200)(self.told),
        ]

    async def look(self, request: AnyRequest) -> Reply:
        return page(request, "what_if.html", **self._shown(await self.facts(request)))

    async def moved(self, request: AnyRequest) -> Reply:
        return page(request, "what_if_outcome.html", **self._shown(await self.facts(request)))

    async def told(self, request: AnyRequest) -> Reply:
        facts = await self.facts(request)
        return json_variant(
            request,
            {
                "requests": facts.asks,
                "since": facts.since,
                "unknown_neighbours": facts.unknown,
                "judge_table": facts.judged,
                "chosen": outcome_json(facts.chosen),
                "present": outcome_json(facts.present),
                "sweep": [outcome_json(one) for one in facts.sweep],
            },
        )

    async def facts(self, request: AnyRequest) -> WhatIfFigures:
        limit_at = _step(request, "max_wrong", len(self._limits), self._limits.index(self._max_wrong))
        room_at = _step(request, "room", len(ROOMS), len(ROOMS) - 1)
        async with self._working:  # one replay at a time: it takes a core
            recorded, judged = await self._recorded()
            return await asyncio.to_thread(self._replayed, recorded, judged, limit_at, room_at)

    async def _recorded(self) -> tuple[Recorded, bool]:
        if self._kept is not None and time.monotonic() < self._kept[0]:
            return self._kept[1], self._kept[2]
        loaded = self._encoders.at_hand()
        table = loaded.calibration if loaded is not None else None
        sureness = Sureness((lambda own: own) if table is None else table.at_least_as_sure)
        recorded = await self._recordings.latest(_MOST, sureness)
        self._kept, self._swept = (time.monotonic() + _FRESH, recorded, table is not None), {}
        return recorded, table is not None

    def _replayed(self, recorded: Recorded, judged: bool, limit_at: int, room_at: int) -> WhatIfFigures:
        sizes = {past.spec: past.length for past in (*recorded.before.values(), *recorded.asks)}
        whole = sum(sizes.values())
        capacity = None if room_at == len(ROOMS) - 1 else max(1, round(whole * ROOMS[room_at]))

        for step, room in ((room_at, capacity), (len(ROOMS) - 1, None)):
            if step not in self._swept:
                self._swept[step] = [replay(recorded.asks, limit, room, before=recorded.before) for limit in self._limits]
        return WhatIfFigures(
            asks=len(recorded.asks),
            since=recorded.since,
            unknown=recorded.unknown,
            judged=judged,
            whole=whole,
            limit_at=limit_at,
            room_at=room_at,
            chosen=self._swept[room_at][limit_at],
            present=self._swept[len(ROOMS) - 1][self._limits.index(self._max_wrong)],
            sweep=self._swept[room_at],
        )

    def _shown(self, facts: WhatIfFigures) -> dict[str, Any]:
        names = [percent(limit) for limit in self._limits]
        rooms = [f"{percent(room, 0)}" for room in ROOMS[:-1]] + ["all"]
        return {
            "facts": facts,
            "limits": names,
            "rooms": rooms,
            "now_at": self._limits.index(self._max_wrong),
            "rate_chart": _chart(facts, names),
        }


def _chart(facts: WhatIfFigures, names: list[str]) -> Markup:
    hits = [None if one.hit_rate is None else one.hit_rate * 100 for one in facts.sweep]
    near = [None if one.asked == 0 else one.near / one.asked * 100 for one in facts.sweep]
    wrong = [None if one.asked == 0 else one.wrong / one.asked * 100 for one in facts.sweep]
    series = [
        charts.Series("exact", "all hits", hits),
        charts.Series("near", "near hits", near),
        charts.Series("failed", "wrong hits expected by the judge", wrong),
    ]
    return charts.line_chart("sweep", "Share of requests, by largest accepted probability of a wrong hit", names, series, shown=_percent)


def _percent(value: float | None) -> str:
    return number(value, 2) + (" %" if value is not None else "")


def _step(request: AnyRequest, name: str, steps: int, default: int) -> int:
    sent = request.query_params.get(name)
    if sent is None:
        return default
    if not sent.isdecimal() or len(sent) > 3 or int(sent) >= steps:
        raise Invalid(name, f"{name} is a step of its slider, from 0 to {steps - 1}")
    return int(sent)


def outcome_json(outcome: ReplayOutcome) -> dict[str, object]:
    return {
        "max_wrong": outcome.max_wrong,
        "capacity_bytes": outcome.capacity,
        "asked": outcome.asked,
        "exact": outcome.exact,
        "near": outcome.near,
        "joined": outcome.joined,
        "misses": outcome.misses,
        "unmade": outcome.unmade,
        "hit_rate": outcome.hit_rate,
        "expected_wrong": outcome.wrong,
        "evicted": outcome.evicted,
        "gpu_seconds_saved": outcome.saved,
        "gpu_seconds_spent": outcome.spent,
    }
