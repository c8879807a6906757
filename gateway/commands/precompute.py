"""`reprise precompute FILE` and `reprise plan`: clips before anybody asks for them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from gateway.ahead.plan_lists import Fault, ListRow
from gateway.commands.plan_desk import Desk, Shape, open_desk

_CHUNK, _BYTES = 500, 500_000  # rows and characters of one plan
_LOOK = 0.5  # seconds
_SHOWN = 20  # faults and failures printed


@dataclass
class Outcome:
    made: int = 0
    hit: int = 0
    failed: int = 0
    faults: list[str] = field(default_factory=list)  # lines that were passed over, and prompts that could not be made

    def add(self, counts: Mapping[str, int]) -> None:
        self.made += counts["made"]
        self.hit += counts["hit"]
        self.failed += counts["failed"]


async def precompute(
    settings: Settings, name: str, rows: Sequence[ListRow], usual: Mapping[str, Any], tenant: str, url: str, key: str
) -> Outcome:
    """Plan by plan, each watched to its end. Cut off, the plan at hand is cancelled; what is made stays made."""
    outcome = Outcome()
    lines = TextColumn("{task.fields[made]} made · {task.fields[hit]} hit already · {task.fields[failed]} failed")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), lines, TimeRemainingColumn())
    async with open_desk(settings, url, key, tenant, makes=True) as desk:
        with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as progress:
            task = progress.add_task("prompts", total=len(rows), made=0, hit=0, failed=0)
            for chunk in _chunks(rows):
                plan, faults = await _take(desk, chunk, usual)
                outcome.faults += [f"{name}:{fault.line}: {fault.message}" for fault in faults]
                progress.update(task, advance=len(faults))
                if plan is not None:
                    await _watch(desk, plan, progress, task, outcome)
    return outcome


async def _take(desk: Desk, chunk: list[ListRow], usual: Mapping[str, Any]) -> tuple[Shape | None, list[Fault]]:
    """Cut off, the server may have it already: it is cancelled as soon as its id is known."""
    taking = asyncio.ensure_future(desk.take(chunk, usual))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        with suppress(RepriseError, TimeoutError):
            plan, _ = await asyncio.wait_for(taking, 10.0)
            if plan is not None:
                await asyncio.wait_for(desk.cancel(plan["id"]), 10.0)
        raise


async def _watch(desk: Desk, plan: Shape, progress: Progress, task: TaskID, outcome: Outcome) -> None:
    began = progress.tasks[0].completed
    held_up: str | None = None
    this = asyncio.current_task()
    try:
        while True:
            if this is not None and this.cancelling():
                raise asyncio.CancelledError  # an answer came at the very moment, and the library kept it to itself
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
            plan = await desk.plan(plan["id"])
    except asyncio.CancelledError:
        with suppress(RepriseError):
            await asyncio.wait_for(desk.cancel(plan["id"]), 10.0)
        raise
    outcome.add(plan["counts"])
    if plan["counts"]["failed"]:
        failed = [one for one in await desk.prompts(plan["id"]) if one["state"] == "failed"]
        outcome.faults += [f"{printable(one['prompt'] or 'not kept')}: {one['error']}" for one in failed]


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


def tell(outcome: Outcome, passed_over: int) -> bool:
    """Prints what came of it; whether all is well."""
    show(outcome.faults)
    click.echo(
        f"{outcome.made} made, {outcome.hit} hit already, {outcome.failed} failed"
        + (f", {passed_over} lines passed over" if passed_over else "")
    )
    return not outcome.faults and not passed_over


def show(faults: Iterable[str]) -> None:
    listed = list(faults)
    for fault in listed[:_SHOWN]:
        click.echo(fault, err=True)
    if len(listed) > _SHOWN:
        click.echo(f"… and {len(listed) - _SHOWN} more", err=True)


async def plan(settings: Settings, budget: int, gpu_seconds: float | None, tenant: str, url: str, key: str, start: bool) -> None:
    """Mines a plan, keeps it, and prints what it would cover."""
    async with open_desk(settings, url, key, tenant, makes=False) as desk:
        told = await desk.mine(budget, gpu_seconds, start)
        found = told["plan"]
        prompts = [] if found is None else await desk.prompts(found["id"])
    click.echo(
        f"{told['films']} films were asked for, {told['answered_already']} of them are answered; {told['pairs_judged']} pairs judged"
    )
    if found is None:
        click.echo("Nothing is worth making ahead of time.")
        return
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False).print(_table(prompts))
    click.echo(
        f"{found['id']}: prompts {len(prompts)}, GPU-seconds {found['gpu_seconds_left']:.0f}, "
        f"hits expected within {found['horizon_seconds'] / 3600:g} h {found['expected_hits']:.1f}"
    )
    click.echo("It is running." if start else "Start it on the admin page (/admin/plans).")


def _table(prompts: Sequence[Shape]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("rank", "expected", "GPU s"):
        table.add_column(heading, justify="right")
    table.add_column("prompt, and what else it would answer", overflow="fold")
    for one in prompts:
        words = Text(printable(one["prompt"] or "hidden"))
        for cover in one["covers"]:
            if cover["prompt"] != one["prompt"]:
                words.append(f"\n  {cover['asks']} x {printable(cover['prompt'] or 'hidden')}", style="dim")
        table.add_row(str(one["rank"]), f"{one['expected_hits']:.2f}", f"{one['gpu_seconds']:.1f}", words)
    return table


def printable(prompt: str) -> str:
    """Words for a terminal: control characters could make it do things."""
    return "".join(char if char.isprintable() else " " for char in prompt)[:300]
