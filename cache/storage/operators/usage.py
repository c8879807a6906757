"""Usage by tenant and API key in a span of time: what was asked, answered from the cache, rendered and saved."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, select

from cache.storage.database.database import Database
from cache.storage.operators.tally import KEY, SUMS, sums_of_requests
from cache.storage.tables import keys, requests, tallies
from cache.verdict import VerdictWord


@dataclass(frozen=True)
class Usage:
    """The sums of one key, or of a tenant's requests without one. GPU times are seconds; `hits` are exact and near ones."""

    tenant: str
    key_id: str | None
    key_label: str | None
    requests: int
    hits: int
    joined: int
    failed: int
    gpu_seconds: float
    gpu_seconds_saved: float


async def usage_of(database: Database, since: float, until: float) -> list[Usage]:
    """By tenant and key. A request that was pruned counts by the start of its hour."""
    groups = (requests.c.tenant, KEY.label("key_id"), requests.c.verdict)
    rows = select(*groups, *sums_of_requests()).where(requests.c.created_at >= since, requests.c.created_at < until)
    there = (tallies.c.tenant, tallies.c.key_id, tallies.c.verdict)
    pruned = select(*there, *(func.sum(tallies.c[name]).label(name) for name in SUMS)).where(
        tallies.c.hour >= since, tallies.c.hour < until
    )
    both = rows.group_by("tenant", "key_id", "verdict").union_all(pruned.group_by(*there)).subquery().c

    def counted(*verdicts: VerdictWord) -> ColumnElement[int]:
        return func.sum(case((both.verdict.in_(verdicts), both["count"]), else_=0))

    sums = select(
        both.tenant,
        func.nullif(both.key_id, ""),
        func.min(keys.c.label),
        func.sum(both["count"]),
        counted("exact", "near"),
        counted("joined"),
        func.sum(both.failed),
        func.sum(both.made),
        func.sum(both.saved),
    )
    sums = sums.outerjoin(keys, keys.c.id == both.key_id).group_by(both.tenant, both.key_id).order_by(both.tenant, both.key_id)
    async with database.read() as connection:
        return [Usage(row[0], row[1], row[2], *map(int, row[3:7]), *map(float, row[7:])) for row in await connection.execute(sums)]
