"""The webhooks page: which calls were made, which wait for another attempt, and what went wrong."""

from __future__ import annotations

from dataclasses import asdict

from litestar import route
from litestar.handlers import HTTPRouteHandler

from cache.errors import Invalid
from cache.ids import is_id
from cache.storage.requests.webhooks import WebhookRow, Webhooks
from gateway.admin.door import may_read, reader_of
from gateway.admin.page import json_variant, page
from gateway.http.reply import AnyRequest, Reply

_SHOWN = 50  # rows of one page


class WebhooksPage:
    """A tenant's URL is shown to admins of that tenant only: it may hold a secret."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/admin/webhooks", http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/api/webhooks", http_method=["GET", "HEAD"], status_code=200)(self.told),
        ]

    async def look(self, request: AnyRequest) -> Reply:
        rows, more = await self._webhooks.page(_before(request), _SHOWN)
        shown = [(row, _url(request, row)) for row in rows]
        older = f"/admin/webhooks?before={rows[-1].request_id}" if more else None
        return page(request, "webhooks.html", rows=shown, older=older)

    async def told(self, request: AnyRequest) -> Reply:
        rows, more = await self._webhooks.page(_before(request), _SHOWN)
        told = [{**asdict(row), "url": _url(request, row)} for row in rows]
        return json_variant(request, {"webhooks": told, "has_more": more, "next": rows[-1].request_id if more else None})


def _before(request: AnyRequest) -> str | None:
    before: str | None = request.query_params.get("before") or None
    if before is not None and not is_id("video", before):
        raise Invalid("before", "this is not the id of a request")
    return before


def _url(request: AnyRequest, row: WebhookRow) -> str | None:
    return row.url if may_read(reader_of(request), row.tenant) else None
