"""The scores that the judge gave to the candidates of past requests: the nearest of each that its verifier read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.prompt import is_chinese
from cache.storage.tables import requests

_MOST = 2_000  # requests that are looked at: the newest
_LAG = 10.0  # seconds after a step in which another gateway may still have judged by the table before it


@dataclass(frozen=True)
class JudgedScore:
    """`served`: then `score` is the share of right answers among pairs at least as sure, as a hit tells it; else the pair's own
    probability. `chinese`: by the table for Chinese, as far as the stored prompt says.
    """

    score: float
    served: bool
    chinese: bool


async def judged_scores(connection: AsyncConnection, since: float) -> list[JudgedScore]:
    """One for each Spec asked for after `since` (Unix seconds), as it was judged last. What a rule refused has no score."""
    columns = (requests.c.spec_key, requests.c.prompt, requests.c.verdict, requests.c.confidence, requests.c.refused)
    judged = or_(requests.c.verdict == "miss", requests.c.confidence.is_not(None))
    query = select(*columns).where(requests.c.created_at > since + (_LAG if since else 0.0), judged)
    found: dict[str, JudgedScore | None] = {}
    for row in await connection.execute(query.order_by(requests.c.id.desc()).limit(_MOST)):
        if row.spec_key in found:
            continue
        chinese = is_chinese(row.prompt or "")
        first = next((one["confidence"] for one in row.refused if one.get("clip_id") and one.get("confidence")), None)
        if first is not None:
            found[row.spec_key] = JudgedScore(first, False, chinese)
        elif row.verdict != "miss" and row.confidence is not None:
            found[row.spec_key] = JudgedScore(row.confidence, True, chinese)
        else:
            found[row.spec_key] = None
    return [score for score in found.values() if score is not None]
