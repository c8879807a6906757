"""The recalibration panel of the near-hits page: the steps by which labels and this instance's traffic moved the judge's
table, and the undo of the latest."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler

from cache.errors import Conflict
from gateway.admin.fields import wants_json
from gateway.admin.page import json_variant, sent_to
from gateway.auth.access import caller_of
from gateway.http.reply import AnyRequest, Reply
from gateway.upkeep.recalibrating import Recalibrator, steps_json

log = structlog.get_logger(__name__)


class RecalibrationPanel:
    def __init__(self, recalibrator: Recalibrator) -> None:
        self._recalibrator = recalibrator

    def routes(self) -> list[HTTPRouteHandler]:
        undo = ["/admin/near-hits/recalibration/undo", "/admin/api/recalibration/undo"]
        return [
            route("/admin/api/recalibration", http_method=["GET", "HEAD"], status_code=200)(self.show),
            route(undo, http_method=["POST"], status_code=200)(self.undo),
        ]

    async def steps(self) -> list[dict[str, Any]] | None:
        """The steps, newest first, for the page, which must not wait for the encoder: None while the table is loading."""
        return steps_json(await self._recalibrator.history()) if self._recalibrator.ready else None

    async def prior(self) -> dict[str, float] | None:
        """The prior that the judge holds for this instance's candidates, for the page; None while the table is loading, and without one."""
        return await self._recalibrator.prior() if self._recalibrator.ready else None

    async def show(self, request: AnyRequest) -> Reply:
        steps = steps_json(await self._recalibrator.history())
        return json_variant(request, {"steps": steps, "prior": await self._recalibrator.prior()})

    async def undo(self, request: AnyRequest) -> Reply:
        undone = await self._recalibrator.undo()
        if undone is None:
            raise Conflict("there is no step to undo: the calibration table is as shipped")
        log.info("calibration step undone by an operator", version=undone.version, by=caller_of(request).key_id)
        if wants_json(request):
            return json_variant(request, {"undone": undone.version, "steps": steps_json(await self._recalibrator.history())})
        return sent_to("/admin/near-hits#recalibration")
