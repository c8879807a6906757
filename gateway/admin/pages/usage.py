"""The usage page: what each tenant and key asked, and what that cost and saved; as a table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import route
from litestar.handlers import HTTPRouteHandler

from cache.errors import Invalid
from cache.storage.database.database import Database
from cache.storage.operators.usage import Usage, usage_of
from gateway.admin.fields import address, query_fields
from gateway.admin.page import json_variant, page
from gateway.http.reply import AnyRequest, Reply

_CSV = b"text/csv; charset=utf-8"


@dataclass(frozen=True)
class UsageSpan:
    """Whole days in UTC, both included."""

    since: datetime
    until: datetime

    @property
    def seconds(self) -> tuple[float, float]:
        """From the first second of it to the first after it, as Unix seconds."""
        return self.since.timestamp(), (self.until + timedelta(days=1)).timestamp()

    @property
    def days(self) -> tuple[str, str]:
        return f"{self.since:%Y-%m-%d}", f"{self.until:%Y-%m-%d}"


class UsagePage:
    """`price`: of a GPU-hour; None shows no money."""

    def __init__(self, database: Database, price: float | None) -> None:
        self._database, self._price = database, price

    def routes(self) -> list[HTTPRouteHandler]:
        reading: Any = ["GET", "HEAD"]
        return [
            route("/admin/usage", http_method=reading, status_code=200)(self.look),
            route("/admin/api/usage", http_method=reading, status_code=200)(self.plain),
            route("/admin/api/usage.csv", http_method=reading, status_code=200)(self.table),
        ]

    async def look(self, request: AnyRequest) -> Reply:
        span = span_of(query_fields(request))
        since, until = span.days
        found = await usage_of(self._database, *span.seconds)
        return page(
            request,
            "usage.html",
            rows=found,
            since=since,
            until=until,
            price=self._price,
            json_url=address("/admin/api/usage", since=since, until=until),
            csv_url=address("/admin/api/usage.csv", since=since, until=until),
        )

    async def plain(self, request: AnyRequest) -> Reply:
        span = span_of(query_fields(request))
        found = await usage_of(self._database, *span.seconds)
        return json_variant(request, {"since": span.days[0], "until": span.days[1], "usage": [asdict(one) for one in found]})

    async def table(self, request: AnyRequest) -> Reply:
        found = await usage_of(self._database, *span_of(query_fields(request)).seconds)
        written = io.StringIO()
        rows = csv.writer(written)
        rows.writerow([field.name for field in fields(Usage)])
        rows.writerows([_harmless(value) for value in asdict(one).values()] for one in found)
        named = (b"content-disposition", b'attachment; filename="usage.csv"')
        return Reply(written.getvalue().encode(), headers=[named], head=request.method == "HEAD", content_type=_CSV)


def span_of(given: Mapping[str, str]) -> UsageSpan:
    """The days `since` and `until`, by default this month so far. Raises Invalid, naming the field."""
    today = datetime.fromtimestamp(time.time(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    span = UsageSpan(_day(given, "since", today.replace(day=1)), _day(given, "until", today))
    if span.until < span.since:
        raise Invalid("until", "until is before since")
    return span


def _day(given: Mapping[str, str], name: str, usual: datetime) -> datetime:
    if name not in given:
        return usual
    try:
        return datetime.strptime(given[name], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(name, f"{name} is a day such as 2026-11-29") from None


def _harmless(value: object) -> object:
    """A text that a spreadsheet would compute is quoted, as OWASP advises: a key's label is anybody's text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
