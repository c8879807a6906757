"""`reprise recalibration`: the steps by which labels and traffic moved the judge's calibration table, and the undo of the
latest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cache.errors import Conflict
from cache.matching.encoding.encoders import Loading
from cache.matching.encoding.loading import configured_encoders
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.requests.recalibrations import Recalibrations
from gateway.commands.running import RunningServer, told_by_running, url_of_running
from gateway.commands.serve import only_instance
from gateway.environment import check_cache
from gateway.upkeep.recalibrating import Recalibrator, steps_json
from migrations.upgrade import migrate

StepJson = dict[str, Any]


async def run_recalibration(settings: Settings, undo: bool, url: str, key: str) -> tuple[int | None, list[StepJson]]:
    """The number of the step that was undone, if one was to be, and all steps, newest first: through the running server if there
    is one, else on the database itself.

    Raises Conflict if there is no step to undo.
    """
    running: str | None = url or None
    if running is None:
        running = await asyncio.to_thread(url_of_running, settings)
    if running is None:
        return await _inside(settings, undo)
    server = RunningServer(running, key) if url else RunningServer(running, key, partial(told_by_running, settings))
    try:
        if undo:
            answer = await server.post("/admin/api/recalibration/undo", {})
            return answer["undone"], answer["steps"]
        return None, (await server.get("/admin/api/recalibration"))["steps"]
    finally:
        await server.close()


async def _inside(settings: Settings, undo: bool) -> tuple[int | None, list[StepJson]]:
    check_cache(settings)
    with only_instance(settings):
        database, encoders = Database(settings.database), Loading(lambda: configured_encoders(settings), settings.encoder_wait_seconds)
        recalibrator = Recalibrator(Recalibrations(database), encoders)
        try:
            await migrate(database)
            await encoders.loaded()  # steps belong to the table that these models have
            undone = await recalibrator.undo() if undo else None
            if undo and undone is None:
                raise Conflict("there is no step to undo: the calibration table is as shipped")
            return None if undone is None else undone.version, steps_json(await recalibrator.history())
        finally:
            await encoders.close()
            await database.close()


def step_lines(steps: Sequence[StepJson]) -> list[str]:
    if not steps:
        return ["There are no steps: the calibration table is as shipped."]
    found = [f"{'step':>5}{'labels':>8}{'traffic':>9}{'right':>7}{'wrong':>7}{'candidates':>12}  made (UTC)        state"]
    for step in steps:
        state = "in force" if step["in_force"] else "undone" if step["undone_at"] is not None else "replaced"
        made = datetime.fromtimestamp(step["created_at"], UTC).strftime("%Y-%m-%d %H:%M")
        shifts = f"{step['shift']:>+8.2f}{step['prior_shift']:>+9.2f}"
        found.append(f"{step['version']:>5}{shifts}{step['right']:>7}{step['wrong']:>7}{step['scores']:>12}  {made}  {state}")
    return found
