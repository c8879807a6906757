"""`reprise assist-report`: asks the running server to make past misses again from a donor, to be compared on the audits page."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from rich.table import Table
from rich.text import Text

from cache.errors import Unavailable
from cache.settings import Settings
from gateway.commands.running import RunningServer, told_by_running, url_of_running


async def run_assist_report(settings: Settings, pairs: int, url: str, key: str) -> tuple[str, list[dict[str, Any]]]:
    """The address of the page to compare on, and the pairs begun. Raises Unavailable where no server runs: somebody has to render."""
    running: str | None = url or await asyncio.to_thread(url_of_running, settings)
    if running is None:
        raise Unavailable("no server runs on this data folder; start one with `reprise serve`, or name it with --url")
    server = RunningServer(running, key) if url else RunningServer(running, key, partial(told_by_running, settings))
    try:
        answer = await server.post(f"/admin/api/assist-report?pairs={pairs}", {})
    finally:
        await server.close()
    return f"{server.url.rstrip('/')}{answer['compare']}", answer["pairs"]


def pairs_table(pairs: list[dict[str, Any]]) -> Table:
    found = Table("prompt", "difference to its donor", "sigma", "steps spared")
    for pair in pairs:
        spared = f"{pair['steps_skipped']} of {pair['steps']}"
        found.add_row(Text(pair["prompt"] or "(hidden)"), Text(pair["difference"]), f"{pair['sigma']:g}", spared)
    return found
