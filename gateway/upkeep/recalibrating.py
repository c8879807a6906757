"""The recalibration of the judge, by admins' labels and by the prior of this instance's traffic: every gateway uses the same step of the
table within seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import structlog

from cache.errors import StillLoading
from cache.matching.calibration import Calibration
from cache.matching.encoding.encoders import Loading
from cache.matching.prior import moved_by, stricter
from cache.matching.recalibration import Label, fingerprint, in_force, moved_shift
from cache.storage.operators.recorded import Sureness
from cache.storage.requests.judged_scores import JudgedScore
from cache.storage.requests.recalibrations import Recalibration, Recalibrations
from cache.supervision import Supervisor

log = structlog.get_logger(__name__)


class Recalibrator:
    """The calibration table of this gateway, kept at the step in force: it is read every `every` seconds. With near hits off there
    is no table and nothing to move.
    """

    def __init__(self, recalibrations: Recalibrations, encoders: Loading, *, every: float = 2.0, weighs_every: float = 600.0) -> None:
        """`weighs_every`: seconds between two looks at the prior of the traffic."""
        self._recalibrations, self._encoders, self._every, self._weighs_every = recalibrations, encoders, every, weighs_every
        self._shipped: Calibration | None = None

    def start(self, supervisor: Supervisor) -> None:
        supervisor.start("recalibration", self.run)

    async def run(self) -> None:
        """Follows the step in force until cancelled; ends if there is none. Raises EncoderFailed if the encoder cannot be loaded."""
        await self._table()
        weighed = 0.0
        while self._shipped is not None:
            await self.refresh()
            if time.monotonic() - weighed >= self._weighs_every:
                await self.weigh()
                weighed = time.monotonic()
            await asyncio.sleep(self._every)

    async def consider(self) -> Recalibration | None:
        """Makes one bounded step of the table if enough labels wait for it, else None. Call it after each label by an admin."""
        shipped = await self._table()
        if shipped is None:
            return None
        recalibration = await self._recalibrations.step(fingerprint(shipped), _step)
        if recalibration is not None:
            log.info(
                "calibration table moved by labels",
                version=recalibration.version,
                shift=recalibration.shift,
                right=recalibration.right,
                wrong=recalibration.wrong,
            )
            await self.refresh()
        return recalibration

    async def weigh(self) -> Recalibration | None:
        """Makes one bounded step toward the prior of this instance's traffic if enough candidates were judged since the last, else None."""
        shipped = await self._table()
        if shipped is None:
            return None
        recalibration = await self._recalibrations.weigh(fingerprint(shipped), partial(_weighed, shipped))
        if recalibration is not None:
            log.info(
                "calibration table moved by the prior of this traffic",
                version=recalibration.version,
                prior_shift=recalibration.prior_shift,
                scores=recalibration.scores,
            )
            await self.refresh()
        return recalibration

    async def prior(self) -> dict[str, float] | None:
        """The share of right answers among judged candidates, by the table as shipped and in force; None while near hits are off."""
        shipped = await self._table()
        if shipped is None:
            return None
        held = await self._recalibrations.held(fingerprint(shipped))
        used = shipped.judged or shipped.prior
        return {"shipped": used, "expected": moved_by([used], 0.0 if held is None else held.prior_shift)[0]}

    async def undo(self) -> Recalibration | None:
        """Undoes the step in force and returns it; None if the table is as shipped.

        Raises StillLoading until the table is loaded.
        """
        self._check()
        shipped = await self._table()
        if shipped is None:
            return None
        undone = await self._recalibrations.undo(fingerprint(shipped))
        if undone is not None:
            log.info("calibration step undone", version=undone.version, shift=undone.shift)
            await self.refresh()
        return undone

    async def history(self, limit: int = 50) -> list[Recalibration]:
        """The steps of the loaded table, newest first. Raises StillLoading until it is loaded."""
        self._check()
        shipped = await self._table()
        return [] if shipped is None else await self._recalibrations.history(fingerprint(shipped), limit)

    async def refresh(self) -> None:
        """Applies the step in force according to the rows."""
        shipped = await self._table()
        if shipped is None:
            return
        held = await self._recalibrations.held(fingerprint(shipped))
        table = shipped if held is None else in_force(shipped, held.shift, held.prior_shift)
        if table != (await self._encoders.loaded()).calibration:
            self._encoders.move(table)
            log.info("calibration table in use", table=table.version, step=None if held is None else held.version)

    @property
    def ready(self) -> bool:
        """True if the table is loaded, so that `history` and `undo` answer."""
        return self._encoders.at_hand() is not None

    def _check(self) -> None:
        if not self.ready:
            raise StillLoading(f"the judge's calibration table is not loaded yet: {self._encoders.state}")

    async def _table(self) -> Calibration | None:
        """The table as it was loaded, before any step."""
        if self._shipped is None:
            self._shipped = (await self._encoders.loaded()).calibration
        return self._shipped


def _weighed(shipped: Calibration, shift: float, prior_shift: float, scores: Sequence[JudgedScore]) -> float:
    """The prior's shift after the next step. Scores were told by the table in force; those of hits are of all that are as sure."""
    table = in_force(shipped, shift, prior_shift)
    own = []
    for one in scores:
        used = table.chinese if one.chinese and table.chinese is not None else table
        own.append(Sureness(used.at_least_as_sure).own(one.score) if one.served else one.score)
    return stricter(prior_shift, moved_by(own, -shift - prior_shift), shipped.judged or shipped.prior)


def _step(shift: float, told: Sequence[tuple[float, bool]]) -> float:
    return moved_shift(shift, [Label(confidence, right) for confidence, right in told])


def steps_json(history: Sequence[Recalibration]) -> list[dict[str, Any]]:
    """Steps, newest first, as pages, the API and the command show them. In force is the newest that was not undone."""
    held = next((step.version for step in history if step.undone_at is None), None)
    return [asdict(step) | {"in_force": step.version == held} for step in history]
