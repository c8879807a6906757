"""The requests page: the requests behind a number of the overview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, cast, get_args
from urllib.parse import urlencode

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler

from cache.errors import Invalid
from cache.ids import is_id
from cache.storage.database.database import Database
from cache.storage.operators.request_rows import RequestFilter, RequestRows, Spared
from cache.verdict import VerdictWord
from gateway.admin.door import may_read, readable, reader_of
from gateway.admin.page import json_variant, page
from gateway.http.reply import Reply

_SHOWN = 50  # rows of one page
_NAMES = tuple(field.name for field in fields(RequestFilter))


class RequestsPage:
    def __init__(self, database: Database) -> None:
        self._rows = RequestRows(database)

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/admin/requests", http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/api/requests", http_method=["GET", "HEAD"], status_code=200)(self.told),
        ]

    async def look(self, request: Request[Any, Any, Any]) -> Reply:
        wanted = wanted_of(request.query_params)
        rows, more = await self._rows.page(wanted, _SHOWN)
        shown = [(row, readable(request, row.tenant, row.prompt), may_read(reader_of(request), row.tenant)) for row in rows]
        older = f"/admin/requests?{_query(replace(wanted, before=rows[-1].id))}" if more else None
        facts: dict[str, Any] = {"rows": shown, "wanted": wanted, "older": older, "json_url": f"/admin/api/requests?{_query(wanted)}"}
        return page(request, "requests.html", verdicts=get_args(VerdictWord), **facts)

    async def told(self, request: Request[Any, Any, Any]) -> Reply:
        rows, more = await self._rows.page(wanted_of(request.query_params), _SHOWN)
        reader = reader_of(request)
        told = [asdict(row) | ({} if may_read(reader, row.tenant) else {"prompt": None, "hidden": True}) for row in rows]
        return json_variant(request, {"requests": told, "has_more": more, "next": rows[-1].id if more else None})


def wanted_of(query: Mapping[str, str]) -> RequestFilter:
    """The filter in `query`. Raises Invalid, naming the field, for a bad time, verdict or id, or an unknown one."""
    for name in query:
        if name not in _NAMES:
            raise Invalid(name[:64], f"unknown field {name[:64]!r}; known: {', '.join(_NAMES)}", "unknown_parameter")
    verdict, spared, before = query.get("verdict") or None, query.get("spared") or "any", query.get("before") or None
    if verdict is not None and verdict not in get_args(VerdictWord):
        raise Invalid("verdict", f"a verdict is one of {', '.join(get_args(VerdictWord))}")
    if spared not in get_args(Spared):
        raise Invalid("spared", f"spared is one of {', '.join(get_args(Spared))}")
    wanted = query.get("id") or None
    for name, given in (("before", before), ("id", wanted)):
        if given is not None and not is_id("video", given):
            raise Invalid(name, "this is not the id of a request")
    return RequestFilter(
        _time(query, "since", 0.0), _time(query, "until", 1e12), cast(VerdictWord | None, verdict), cast(Spared, spared), before, wanted
    )


def _time(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(query.get(name) or default)
    except ValueError:
        raise Invalid(name, f"{name} is a time in Unix seconds") from None
    if not 0 <= value <= 1e12:  # refuses NaN, too
        raise Invalid(name, f"{name} is a time in Unix seconds")
    return value


def _query(wanted: RequestFilter) -> str:
    return urlencode(
        {name: f"{value:.0f}" if isinstance(value, float) else value for name, value in asdict(wanted).items() if value is not None}
    )
