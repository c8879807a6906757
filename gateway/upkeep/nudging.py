"""The judge's table in this gateway, as admins' labels have moved it: the same step in every gateway, seconds after it was made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from cache.errors import Unavailable
from cache.matching.calibration import Calibration
from cache.matching.encoding.encoders import Loading
from cache.matching.nudge import Label, fingerprint, moved, shifted
from cache.storage.nudges import Nudge, Nudges

log = structlog.get_logger(__name__)


class Nudging:
    """Reads every `every` seconds which step holds. Where near hits are off there is no table, and nothing to move."""

    def __init__(self, nudges: Nudges, encoders: Loading, *, every: float = 2.0) -> None:
        self._nudges, self._encoders, self._every = nudges, encoders, every
        self._shipped: Calibration | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._table()
        except Exception:  # why it could not be loaded is logged where it matters
            return
        while self._shipped is not None:
            try:
                await self.refresh()
            except Unavailable as error:
                log.warning("the table of the judge may be behind", reason=error.message)
            await asyncio.sleep(self._every)

    async def consider(self) -> Nudge | None:
        """To be called after an admin's label: one bounded step of the table where enough of them wait, else None."""
        shipped = await self._table()
        if shipped is None:
            return None
        nudge = await self._nudges.step(fingerprint(shipped), _step)
        if nudge is not None:
            log.info("table moved by labels", version=nudge.version, shift=nudge.shift, right=nudge.right, wrong=nudge.wrong)
            await self.refresh()
        return nudge

    async def undo(self) -> Nudge | None:
        """Takes back the step that holds, and returns it; None where the table stands as shipped."""
        shipped = await self._table()
        if shipped is None:
            return None
        undone = await self._nudges.undo(fingerprint(shipped))
        if undone is not None:
            log.info("step of the table undone", version=undone.version, shift=undone.shift)
            await self.refresh()
        return undone

    async def history(self, limit: int = 50) -> list[Nudge]:
        """The steps of the table that is loaded, newest first."""
        shipped = await self._table()
        return [] if shipped is None else await self._nudges.history(fingerprint(shipped), limit)

    async def refresh(self) -> None:
        """The table as the rows have it now."""
        shipped = await self._table()
        if shipped is None:
            return
        held = await self._nudges.held(fingerprint(shipped))
        table = shifted(shipped, 0.0 if held is None else held.shift)
        if table != (await self._encoders.loaded()).calibration:
            self._encoders.move(table)
            log.info("table in use", table=table.version, step=None if held is None else held.version)

    async def _table(self) -> Calibration | None:
        """As it was loaded, before any step."""
        if self._shipped is None:
            self._shipped = (await self._encoders.loaded()).calibration
        return self._shipped


def _step(shift: float, told: Sequence[tuple[float, bool]]) -> float:
    return moved(shift, [Label(confidence, right) for confidence, right in told])
