"""The steps by which admins' labels moved the judge's table. The newest that was not undone holds; none is ever overwritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.database import Database
from cache.storage.rows import next_sequence
from cache.storage.tables import labels, now
from cache.storage.tables_for_operators import nudges

_MOST = 10_000  # labels that one step may rest on: the newest


@dataclass(frozen=True)
class Nudge:
    """`shift`: logits that this and all steps before it moved the shipped table by. `right` and `wrong`: the labels it rests on."""

    version: int
    shift: float
    right: int
    wrong: int
    created_at: float
    undone_at: float | None


class Nudges:
    """`calibration` is the digest of the shipped table: another table starts unmoved, and its labels are counted anew."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def held(self, calibration: str) -> Nudge | None:
        """The step that holds; None where the table stands as shipped."""
        async with self._database.read() as connection:
            return await _held(connection, calibration)

    async def history(self, calibration: str, limit: int = 50) -> list[Nudge]:
        """Newest first, undone ones too."""
        async with self._database.read() as connection:
            rows = await connection.execute(_steps(calibration).order_by(nudges.c.version.desc()).limit(limit))
            return [Nudge(*row) for row in rows]

    async def step(self, calibration: str, moved: Callable[[float, Sequence[tuple[float, bool]]], float]) -> Nudge | None:
        """One step if `moved` makes one of the shift that holds and the labels since the last step: what was promised of a
        near hit, and whether it was right. A label counts once, in one step, even if that was undone since.
        """
        async with self._database.write() as connection:
            await next_sequence(connection)  # two gateways that consider at once do so one after the other
            last = (await connection.execute(select(func.max(nudges.c.created_at)).where(nudges.c.calibration == calibration))).scalar_one()
            told = await _told(connection, 0.0 if last is None else last)
            held = await _held(connection, calibration)
            before = 0.0 if held is None else held.shift
            shift = moved(before, told)
            if shift == before:
                return None
            newest = (await connection.execute(select(func.max(nudges.c.version)))).scalar_one()
            version, right = (newest or 0) + 1, sum(1 for _, fits in told if fits)
            wrong = len(told) - right
            row = {"version": version, "calibration": calibration, "shift": shift, "right": right, "wrong": wrong}
            made = await connection.execute(insert(nudges).values(**row, created_at=now()).returning(nudges.c.created_at))
            return Nudge(version, shift, right, wrong, made.scalar_one(), None)

    async def undo(self, calibration: str) -> Nudge | None:
        """Takes back the step that holds; the one before it holds again. None where the table stands as shipped."""
        async with self._database.write() as connection:
            await next_sequence(connection)
            held = await _held(connection, calibration)
            if held is not None:
                await connection.execute(update(nudges).where(nudges.c.version == held.version).values(undone_at=now()))
            return held


def _steps(calibration: str) -> Select[Any]:
    columns = (nudges.c.version, nudges.c.shift, nudges.c.right, nudges.c.wrong, nudges.c.created_at, nudges.c.undone_at)
    return select(*columns).where(nudges.c.calibration == calibration)


async def _held(connection: AsyncConnection, calibration: str) -> Nudge | None:
    held = _steps(calibration).where(nudges.c.undone_at.is_(None)).order_by(nudges.c.version.desc()).limit(1)
    row = (await connection.execute(held)).first()
    return None if row is None else Nudge(*row)


async def _told(connection: AsyncConnection, since: float) -> list[tuple[float, bool]]:
    """The latest word of admins on each near hit that they spoke of after `since`."""
    ours = and_(labels.c.source == "admin", labels.c.verdict == "near", labels.c.confidence.is_not(None), labels.c.created_at > since)
    query = select(labels.c.request_id, labels.c.confidence, labels.c.right).where(ours)
    latest: dict[str, tuple[float, bool]] = {}
    for row in await connection.execute(query.order_by(labels.c.id.desc()).limit(_MOST)):
        latest.setdefault(row.request_id, (row.confidence, row.right))
    return list(latest.values())
