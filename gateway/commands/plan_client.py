"""The two ways in which commands reach plans: through the running server, or in this process, which then opens the cache itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

import click

from cache.errors import Unavailable
from cache.matching.popular import Bounds
from cache.settings import Settings
from cache.storage.requests.plans import Plans
from gateway.admin.pages.plans import shape
from gateway.answering.ask import Caller
from gateway.answering.models import Models
from gateway.app import create_app
from gateway.commands.running import RunningServer, told_by_running, url_of_running
from gateway.commands.serve import only_instance
from gateway.environment import check_cache, is_new, place_of
from gateway.http.prompt_lists import Fault, ListRow, resolved
from gateway.precompute.planner import Planner

_PAGE = 100
_BEYOND = 99_999_999  # a rank that no prompt of a plan has
_MODEL_LOOKS = 150  # attempts, a fifth of a second apart, to see the model that a worker in another process announces

PlanJson = dict[str, Any]


class PlanClient(Protocol):
    """A port to plans and their prompts, in the shape of `/admin/api/plans`. Raises RepriseError where the server refuses a call."""

    async def take(self, rows: Sequence[ListRow], usual: Mapping[str, Any]) -> tuple[PlanJson | None, list[Fault]]:
        """Starts a plan of the rows that can be rendered (None if none can), and returns it with the faulty rows."""

    async def mine(self, budget: int, gpu_seconds: float | None, start: bool) -> PlanJson: ...

    async def plan(self, plan_id: str) -> PlanJson: ...

    async def prompts(self, plan_id: str) -> list[PlanJson]: ...

    async def cancel(self, plan_id: str) -> None: ...


@asynccontextmanager
async def open_plan_client(settings: Settings, url: str, key: str, tenant: str, *, makes: bool) -> AsyncIterator[PlanClient]:
    """Opens the client. `makes`: if this process opens the cache, it also renders.

    Raises Unavailable if no model is known, Forbidden or Invalid as the server answers.
    """
    running: str | None = url or None
    if running is None:
        running = await asyncio.to_thread(url_of_running, settings)
    if running is not None:
        server = RunningServer(running, key) if url else RunningServer(running, key, partial(told_by_running, settings))
        try:
            await server.meet()  # before a progress bar is drawn
            yield _Outside(server, tenant)
        finally:
            await server.close()
        return
    if not makes:
        check_cache(settings)
    elif settings.embedded:
        click.echo(f"no server runs on {place_of(settings)}: rendering here{', into a new cache' if is_new(settings) else ''}", err=True)
    with only_instance(settings):
        app = create_app(settings, works=makes)
        async with app.lifespan():
            await _model(app.state["models"])
            yield _Inside(app.state["plans"], app.state["planner"], app.state["models"], tenant or "local")


async def _model(models: Models) -> None:
    for _ in range(_MODEL_LOOKS):
        if models.served:
            return
        await asyncio.sleep(0.2)
    raise Unavailable("no worker has announced its model; start one with `reprise worker`")


class _Outside:
    def __init__(self, server: RunningServer, tenant: str) -> None:
        self._server, self._whose = server, {"tenant": tenant} if tenant else {}

    async def take(self, rows: Sequence[ListRow], usual: Mapping[str, Any]) -> tuple[PlanJson | None, list[Fault]]:
        body = {"prompts": [row.shape for row in rows], "recipe": dict(usual), "start": True, **self._whose}
        told = await self._server.post("/admin/api/plans", body)
        return told["plan"], [Fault(rows[fault["row"] - 1].line, fault["message"]) for fault in told["faults"]]

    async def mine(self, budget: int, gpu_seconds: float | None, start: bool) -> PlanJson:
        limit = {} if gpu_seconds is None else {"gpu_seconds": gpu_seconds}
        return await self._server.post("/admin/api/plans", {"budget": budget, "start": start, **limit, **self._whose})

    async def plan(self, plan_id: str) -> PlanJson:
        return await self._server.get(f"/admin/api/plans/{plan_id}", after=_BEYOND)

    async def prompts(self, plan_id: str) -> list[PlanJson]:
        found: list[PlanJson] = []
        after: int | None = 0
        while after is not None:
            told = await self._server.get(f"/admin/api/plans/{plan_id}", after=after)
            found += told["prompts"]
            after = told["after"]
        return found

    async def cancel(self, plan_id: str) -> None:
        await self._server.post(f"/admin/api/plans/{plan_id}/cancel", {})


class _Inside:
    """The client in this process. Whoever runs it may plan for any tenant."""

    def __init__(self, plans: Plans, planner: Planner, models: Models, tenant: str) -> None:
        self._plans, self._planner, self._models, self._caller = plans, planner, models, Caller(tenant, "admin")

    async def take(self, rows: Sequence[ListRow], usual: Mapping[str, Any]) -> tuple[PlanJson | None, list[Fault]]:
        prompts, faults = [], []
        for row in rows:
            found = resolved(row, usual, self._caller, self._models)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                prompts.append(self._planner.prompt_of(self._caller.tenant, *found))
        if not prompts:
            return None, faults
        plan_id = await self._plans.add(self._caller.tenant, "list", prompts, len(prompts), 0.0, start=True)
        return await self.plan(plan_id), faults

    async def mine(self, budget: int, gpu_seconds: float | None, start: bool) -> PlanJson:
        bounds = Bounds(budget, float("inf") if gpu_seconds is None else gpu_seconds)
        plan_id, mined = await self._planner.plan(self._caller.tenant, bounds, start=start)
        plan = None if plan_id is None else await self.plan(plan_id)
        return {"plan": plan, "specs": mined.specs, "answered_already": mined.answered, "pairs_judged": mined.pairs}

    async def plan(self, plan_id: str) -> PlanJson:
        return shape(await self._plans.by_id(plan_id))

    async def prompts(self, plan_id: str) -> list[PlanJson]:
        found: list[PlanJson] = []
        after = 0
        while page := await self._plans.prompts(plan_id, after, _PAGE):
            after = page[-1].rank
            for one in page:
                covers = [{"prompt": cover.prompt, "asks": cover.asks, "confidence": cover.confidence} for cover in one.covers]
                found.append(
                    {
                        "rank": one.rank, "prompt": one.prompt, "state": one.state, "expected_hits": one.expected_hits,
                        "gpu_seconds": one.gpu_seconds, "error": one.error, "covers": covers,
                    }
                )  # fmt: skip
        return found

    async def cancel(self, plan_id: str) -> None:
        await self._plans.cancel(plan_id)
