"""Recalibrations: the steps by which admins' labels, or the scores of an instance's traffic, moved the judge's table. In force is the
newest not undone; none is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database.database import Database
from cache.storage.database.rows import next_sequence
from cache.storage.requests.judged_scores import JudgedScore, judged_scores
from cache.storage.tables import labels, now, recalibrations

_MOST = 10_000  # labels per step: the newest


@dataclass(frozen=True)
class Recalibration:
    """A step. `shift`: the total shift of the shipped table by labels after it, in logits; `prior_shift`: that by the prior of this
    instance's traffic. `right` and `wrong`: the labels it rests on; `scores`: the judged candidates.
    """

    version: int
    shift: float
    right: int
    wrong: int
    prior_shift: float
    scores: int
    created_at: float
    undone_at: float | None


class Recalibrations:
    """The steps at rest. `calibration`: the digest of the shipped table; another table starts unmoved, with its own labels."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def held(self, calibration: str) -> Recalibration | None:
        """The step in force; None if the table is as shipped."""
        async with self._database.read() as connection:
            return await _held(connection, calibration)

    async def history(self, calibration: str, limit: int = 50) -> list[Recalibration]:
        """All steps, newest first, including undone ones."""
        async with self._database.read() as connection:
            rows = await connection.execute(_steps(calibration).order_by(recalibrations.c.version.desc()).limit(limit))
            return [Recalibration(*row) for row in rows]

    async def step(self, calibration: str, moved: Callable[[float, Sequence[tuple[float, bool]]], float]) -> Recalibration | None:
        """Adds a step if `moved` changes the shift in force, given the labels since the last step: the confidence expected for a
        near hit, and whether it was right. A label counts once, in one step, even if that step is undone later.
        """
        async with self._database.write() as connection:
            await next_sequence(connection)  # two gateways that consider at once do so one after the other
            labelled = recalibrations.c.right + recalibrations.c.wrong > 0
            told = await _told(connection, await _latest(connection, recalibrations.c.calibration == calibration, labelled))
            held = await _held(connection, calibration)
            before = 0.0 if held is None else held.shift
            shift = moved(before, told)
            if shift == before:
                return None
            right = sum(1 for _, fits in told if fits)
            prior_shift = 0.0 if held is None else held.prior_shift
            return await _made(
                connection, calibration, shift=shift, right=right, wrong=len(told) - right, prior_shift=prior_shift, scores=0
            )

    async def weigh(self, calibration: str, weighed: Callable[[float, float, Sequence[JudgedScore]], float]) -> Recalibration | None:
        """Adds a step if `weighed` changes the prior's shift in force, given the shifts in force, by labels and by the prior, and the
        scores that the judge gave under them.
        """
        async with self._database.write() as connection:
            await next_sequence(connection)
            since = await _latest(connection, recalibrations.c.calibration == calibration)
            held = await _held(connection, calibration)
            shift, before = (0.0, 0.0) if held is None else (held.shift, held.prior_shift)
            scores = await judged_scores(connection, since)
            after = weighed(shift, before, scores)
            if after == before:
                return None
            return await _made(connection, calibration, shift=shift, right=0, wrong=0, prior_shift=after, scores=len(scores))

    async def undo(self, calibration: str) -> Recalibration | None:
        """Undoes the step in force and returns it; the one before it is in force again. None if the table is as shipped."""
        async with self._database.write() as connection:
            await next_sequence(connection)
            held = await _held(connection, calibration)
            if held is not None:
                await connection.execute(update(recalibrations).where(recalibrations.c.version == held.version).values(undone_at=now()))
            return held


async def _latest(connection: AsyncConnection, *which: ColumnElement[bool]) -> float:
    """The time when the last of these steps was made, or undone; 0 without any."""
    made, undone = func.max(recalibrations.c.created_at), func.max(recalibrations.c.undone_at)
    row = (await connection.execute(select(made, undone).where(*which))).one()
    return max(row[0] or 0.0, row[1] or 0.0)


async def _made(connection: AsyncConnection, calibration: str, **facts: float) -> Recalibration:
    newest = (await connection.execute(select(func.max(recalibrations.c.version)))).scalar_one()
    row = {"version": (newest or 0) + 1, "calibration": calibration, "created_at": now(), **facts}
    await connection.execute(insert(recalibrations).values(**row))
    held = await _held(connection, calibration)
    assert held is not None, "the step just made"
    return held


def _steps(calibration: str) -> Select[Any]:
    columns = (
        recalibrations.c.version,
        recalibrations.c.shift,
        recalibrations.c.right,
        recalibrations.c.wrong,
        recalibrations.c.prior_shift,
        recalibrations.c.scores,
        recalibrations.c.created_at,
        recalibrations.c.undone_at,
    )
    return select(*columns).where(recalibrations.c.calibration == calibration)


async def _held(connection: AsyncConnection, calibration: str) -> Recalibration | None:
    held = _steps(calibration).where(recalibrations.c.undone_at.is_(None)).order_by(recalibrations.c.version.desc()).limit(1)
    row = (await connection.execute(held)).first()
    return None if row is None else Recalibration(*row)


async def _told(connection: AsyncConnection, since: float) -> list[tuple[float, bool]]:
    """The latest admin label on each near hit labelled after `since`."""
    ours = and_(labels.c.source == "admin", labels.c.verdict == "near", labels.c.confidence.is_not(None), labels.c.created_at > since)
    query = select(labels.c.request_id, labels.c.confidence, labels.c.right).where(ours)
    latest: dict[str, tuple[float, bool]] = {}
    for row in await connection.execute(query.order_by(labels.c.id.desc()).limit(_MOST)):
        latest.setdefault(row.request_id, (row.confidence, row.right))
    return list(latest.values())
