"""Requests as those who run the place look at them: across tenants, by time and verdict, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import literal_column, select

from cache.request import VerdictWord
from cache.storage.database import Database
from cache.storage.tables import JUDGED, requests

Spared = Literal["any", "yes", "nearness"]


@dataclass(frozen=True)
class Asked:
    """One row. `prompt` is None where it was erased or is not kept; whoever shows it asks may_read first. Times in Unix seconds."""

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
    error_code: str | None


@dataclass(frozen=True)
class Wanted:
    """`before` is an id: the page after that row. `spared`: those who saved a render; `nearness`: that only the judge could save."""

    since: float = 0.0
    until: float = 1e12
    verdict: VerdictWord | None = None
    spared: Spared = "any"
    before: str | None = None


class RequestRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: Wanted, limit: int) -> tuple[list[Asked], bool]:
        """One page, and whether more follow. Ids sort by their making."""
        query = select(requests).where(requests.c.created_at >= wanted.since, requests.c.created_at < wanted.until)
        if wanted.verdict is not None:
            query = query.where(requests.c.verdict == wanted.verdict)
        if wanted.spared == "yes":
            query = query.where(requests.c.gpu_seconds_saved > 0)
        if wanted.spared == "nearness":
            query = query.where(literal_column(f"({JUDGED})"), requests.c.asked_before.is_(False), requests.c.clip_id.is_not(None))
        if wanted.before is not None:
            query = query.where(requests.c.id < wanted.before)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(requests.c.id.desc()).limit(limit + 1))).all()
        found = [
            Asked(
                id=row.id,
                tenant=row.tenant,
                created_at=row.created_at,
                seconds=None if row.completed_at is None else max(0.0, row.completed_at - row.created_at),
                prompt=row.prompt,
                verdict=row.verdict,
                reason=row.reason,
                similarity=row.similarity,
                confidence=row.confidence,
                priority=row.priority,
                clip_id=row.clip_id,
                job_id=row.job_id,
                gpu_seconds_saved=row.gpu_seconds_saved,
                error_code=row.error_code,
            )
            for row in rows[:limit]
        ]
        return found, len(rows) > limit
