"""Rows of requests for operators: across tenants, by time and verdict, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, literal_column, select

from cache.storage.database.database import Database
from cache.storage.tables import JUDGED, requests
from cache.verdict import VerdictWord

Spared = Literal["any", "yes", "nearness", "assist"]


@dataclass(frozen=True)
class RequestRow:
    """A row. `prompt` is None if erased or not stored; check may_read before showing it. Times are Unix seconds. `seconds`: from the
    request to its answer; None while it is open, and of a hit until its time is written, within a second or two.
    """

    id: str
    tenant: str
    created_at: float
    seconds: float | None
    prompt: str | None
    verdict: VerdictWord
    reason: str | None
    similarity: float | None
    confidence: float | None
    priority: str
    clip_id: str | None
    job_id: str | None
    gpu_seconds_saved: float
    assist_saved: float
    error_code: str | None


@dataclass(frozen=True)
class RequestFilter:
    """A filter. `before`: an id, the page after that row. `spared`: requests that saved a render, `nearness`: by the judge alone, or
    `assist`: whose own render a donor shortened. `id`: this very request.
    """

    since: float = 0.0
    until: float = 1e12
    verdict: VerdictWord | None = None
    spared: Spared = "any"
    before: str | None = None
    id: str | None = None


class RequestRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: RequestFilter, limit: int) -> tuple[list[RequestRow], bool]:
        """One page, and whether more follow. Ids sort by creation time."""
        query = select(requests).where(requests.c.created_at >= wanted.since, requests.c.created_at < wanted.until)
        if wanted.verdict is not None:
            query = query.where(requests.c.verdict == wanted.verdict)
        if wanted.spared == "yes":
            query = query.where(requests.c.gpu_seconds_saved > 0)
        if wanted.spared == "nearness":
            query = query.where(literal_column(f"({JUDGED})"), requests.c.asked_before.is_(False), requests.c.clip_id.is_not(None))
        if wanted.spared == "assist":
            query = query.where(requests.c.assist_saved > 0)
        if wanted.id is not None:
            query = query.where(requests.c.id == wanted.id)
        if wanted.before is not None:
            query = query.where(requests.c.id < wanted.before)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(requests.c.id.desc()).limit(limit + 1))).all()
        found = [
            RequestRow(
                id=row.id,
                tenant=row.tenant,
                created_at=row.created_at,
                seconds=_took(row),
                prompt=row.prompt,
                verdict=row.verdict,
                reason=row.reason,
                similarity=row.similarity,
                confidence=row.confidence,
                priority=row.priority,
                clip_id=row.clip_id,
                job_id=row.job_id,
                gpu_seconds_saved=row.gpu_seconds_saved,
                assist_saved=row.assist_saved,
                error_code=row.error_code,
            )
            for row in rows[:limit]
        ]
        return found, len(rows) > limit


def _took(row: Row[Any]) -> float | None:
    """Seconds from request to answer, by the rule of tally.py."""
    if row.answer_ms is not None:
        return float(row.answer_ms / 1000.0)
    if row.completed_at is None or row.verdict in {"exact", "near"}:
        return None
    return float(max(0.0, row.completed_at - row.created_at))
