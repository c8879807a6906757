"""The start of an assist report, for `reprise assist-report`; the pairs are compared on the audits page."""

from __future__ import annotations

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler

from cache.errors import Invalid
from gateway.admin.fields import prompt_json, query_fields
from gateway.admin.page import json_variant
from gateway.auth.access import caller_of
from gateway.http.reply import AnyRequest, Reply
from gateway.upkeep.assist_report import AssistReport, ReportedPair

log = structlog.get_logger(__name__)

MOST_PAIRS = 200


class AssistReportPage:
    def __init__(self, report: AssistReport) -> None:
        self._report = report

    def routes(self) -> list[HTTPRouteHandler]:
        return [route("/admin/api/assist-report", http_method=["POST"], status_code=200)(self.begin)]

    async def begin(self, request: AnyRequest) -> Reply:
        sent = query_fields(request).get("pairs", "20")
        if not sent.isdecimal() or not sent.isascii() or not 1 <= int(sent[:6]) <= MOST_PAIRS:
            raise Invalid("pairs", f"pairs is a whole number from 1 to {MOST_PAIRS}")
        pairs = await self._report.begin(int(sent))
        log.info("assist report begun", pairs=len(pairs), by=caller_of(request).key_id)
        return json_variant(request, {"pairs": [_shape(request, pair) for pair in pairs], "compare": "/admin/near-hits?kind=audit"})


def _shape(request: AnyRequest, pair: ReportedPair) -> dict[str, object]:
    asked = pair.request
    return {
        "request": asked.id,
        "tenant": asked.tenant,
        "prompt": prompt_json(request, asked.tenant, asked.prompt),
        "clip": asked.clip_id,
        "from": pair.start.donor,
        "difference": pair.reason,
        "sigma": pair.start.sigma,
        "steps_skipped": pair.steps_skipped,
        "steps": asked.recipe.steps,
    }
