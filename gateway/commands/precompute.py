"""`reprise precompute FILE` and `reprise plan`: clips made ahead of time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cache.errors import RepriseError
from cache.settings import Settings
from gateway.commands.lines import show
from gateway.commands.plan_client import PlanClient, PlanJson, open_plan_client
from gateway.http.prompt_lists import Fault, ListRow

_CHUNK, _BYTES = 500, 500_000  # rows and characters of one plan
_LOOK = 0.5  # seconds


@dataclass
class PrecomputeCounts:
    made: int = 0
    hit: int = 0
    failed: int = 0
    faults: list[str] = field(default_factory=list)  # skipped lines, and prompts that could not be rendered

    def add(self, counts: Mapping[str, int]) -> None:
        self.made += counts["made"]
        self.hit += counts["hit"]
        self.failed += counts["failed"]


async def run_precompute(
    settings: Settings, name: str, rows: Sequence[ListRow], usual: Mapping[str, Any], tenant: str, url: str, key: str
) -> PrecomputeCounts:
    """Renders the list, one plan after another. If interrupted, it cancels the current plan; finished clips stay."""
    outcome = PrecomputeCounts()
    lines = TextColumn("{task.fields[made]} made · {task.fields[hit]} already there · {task.fields[failed]} failed")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), lines, TimeRemainingColumn())
    async with open_plan_client(settings, url, key, tenant, makes=True) as client:
        with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as progress:
            task = progress.add_task("prompts", total=len(rows), made=0, hit=0, failed=0)
            for chunk in _chunks(rows):
                plan, faults = await _take(client, chunk, usual)
                outcome.faults += [f"{name}:{fault.line}: {fault.message}" for fault in faults]
                progress.update(task, advance=len(faults))
                if plan is not None:
                    await _watch(client, plan, progress, task, outcome)
    return outcome


async def _take(client: PlanClient, chunk: list[ListRow], usual: Mapping[str, Any]) -> tuple[PlanJson | None, list[Fault]]:
    """Adds one plan. If interrupted, the server may have it already: it is cancelled as soon as its id is known."""
    taking = asyncio.ensure_future(client.take(chunk, usual))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        with suppress(RepriseError, TimeoutError):
            plan, _ = await asyncio.wait_for(taking, 10.0)
            if plan is not None:
                await asyncio.wait_for(client.cancel(plan["id"]), 10.0)
        raise


async def _watch(client: PlanClient, plan: PlanJson, progress: Progress, task: TaskID, outcome: PrecomputeCounts) -> None:
    began = progress.tasks[0].completed
    held_up: str | None = None
    this = asyncio.current_task()
    try:
        while True:
            if this is not None and this.cancelling():
                raise asyncio.CancelledError  # an answer came in the same moment, and the library swallowed the cancellation
            counts = plan["counts"]
            settled = counts["made"] + counts["hit"] + counts["failed"]
            progress.update(
                task,
                completed=began + settled,
                made=outcome.made + counts["made"],
                hit=outcome.hit + counts["hit"],
                failed=outcome.failed + counts["failed"],
                description=f"waiting: {plan['held_up_by']}"[:60] if plan["held_up_by"] else "prompts",
            )
            if plan["held_up_by"] != held_up:
                held_up = plan["held_up_by"]
                if held_up:
                    progress.console.print(Text(f"waiting: {held_up}"))
            if plan["state"] in {"done", "cancelled"}:
                break
            await asyncio.sleep(_LOOK)
            plan = await client.plan(plan["id"])
    except asyncio.CancelledError:
        with suppress(RepriseError):
            await asyncio.wait_for(client.cancel(plan["id"]), 10.0)
        raise
    outcome.add(plan["counts"])
    if plan["counts"]["failed"]:
        failed = [one for one in await client.prompts(plan["id"]) if one["state"] == "failed"]
        outcome.faults += [f"{printable(one['prompt'] or 'not stored')}: {one['error']}" for one in failed]


def _chunks(rows: Sequence[ListRow]) -> Iterator[list[ListRow]]:
    chunk: list[ListRow] = []
    length = 0
    for row in rows:
        size = len(str(row.shape)) * 2
        if chunk and (len(chunk) == _CHUNK or length + size > _BYTES):
            yield chunk
            chunk, length = [], 0
        chunk.append(row)
        length += size
    if chunk:
        yield chunk


def tell(outcome: PrecomputeCounts, passed_over: int) -> bool:
    """Prints the outcome; returns whether nothing failed."""
    show(outcome.faults)
    click.echo(
        f"{outcome.made} made, {outcome.hit} already there, {outcome.failed} failed"
        + (f", {passed_over} lines skipped" if passed_over else "")
    )
    return not outcome.faults and not passed_over


async def run_plan(settings: Settings, budget: int, gpu_seconds: float | None, tenant: str, url: str, key: str, start: bool) -> None:
    """Mines a plan, saves it, and prints what it would cover."""
    async with open_plan_client(settings, url, key, tenant, makes=False) as client:
        told = await client.mine(budget, gpu_seconds, start)
        found = told["plan"]
        prompts = [] if found is None else await client.prompts(found["id"])
    click.echo(
        f"{told['specs']} prompts were requested; existing clips answer {told['answered_already']}; {told['pairs_judged']} pairs judged"
    )
    if found is None:
        click.echo("Nothing is worth rendering ahead of time.")
        return
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False).print(_table(prompts))
    click.echo(
        f"{found['id']}: {len(prompts)} prompts, {found['gpu_seconds_left']:.0f} GPU-seconds, "
        f"{found['expected_hits']:.1f} hits expected within {found['horizon_seconds'] / 3600:g} h"
    )
    click.echo("The plan is running." if start else "Start it on the admin pages (/admin/plans).")


def _table(prompts: Sequence[PlanJson]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("rank", "expected", "GPU s"):
        table.add_column(heading, justify="right")
    table.add_column("prompt, and others that its clip would answer", overflow="fold")
    for one in prompts:
        words = Text(printable(one["prompt"] or "hidden"))
        for cover in one["covers"]:
            if cover["prompt"] != one["prompt"]:
                words.append(f"\n  {cover['asks']} x {printable(cover['prompt'] or 'hidden')}", style="dim")
        table.add_row(str(one["rank"]), f"{one['expected_hits']:.2f}", f"{one['gpu_seconds']:.1f}", words)
    return table


def printable(prompt: str) -> str:
    """A prompt that is safe to print: control characters could make a terminal do things."""
    return "".join(char if char.isprintable() else " " for char in prompt)[:300]
