"""The running of plans: a few prompts at a time, at background priority, while no interactive miss waits in the queue.

All state is in rows, so a plan continues at any gateway. One gateway does it for all.
"""

from __future__ import annotations

import time

import structlog

from cache.errors import Busy, RepriseError, Unavailable
from cache.matching.lookup import Lookup, Search
from cache.matching.popular import Bounds
from cache.plan import Plan, PlanPrompt, PromptState
from cache.prompt import Prompt
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database, Transaction
from cache.storage.database.locks import Lock
from cache.storage.requests.erasure import Scrubbing, withdraw_unheld
from cache.storage.requests.plans import Plans
from cache.storage.requests.traffic import tenants_asking
from cache.supervision import Supervisor
from cache.variant import MINED, Spec, tenant_scope
from cache.verdict import Joined, Miss, Near
from gateway.answering.models import Models
from gateway.answering.settled import Settled, settled_clip, settled_job
from gateway.answering.submission import RenderRequest, Submission
from gateway.precompute.planner import Planner
from generator.job import Priority
from generator.queue.queue import Queue

log = structlog.get_logger(__name__)

_WINDOW = 8  # prompts of one plan that are rendered or wait for it
_PLANS = 20
_MINE = Bounds(budget=0, specs=2000, pairs=4000)


class PlanRuns:
    """Runs plans, one round per `every` seconds. With `mine_every` (seconds; None: never) it mines and starts plans of `budget` prompts."""

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        plans: Plans,
        planner: Planner,
        lookup: Lookup,
        submission: Submission,
        queue: Queue,
        models: Models,
        scrubbing: Scrubbing,
        *,
        keep_prompts: bool,
        mine_every: float | None,
        budget: int,
        every: float = 1.0,
    ) -> None:
        self._database, self._shelf, self._plans, self._planner, self._lookup = database, shelf, plans, planner, lookup
        self._submission, self._queue, self._models, self._scrubbing = submission, queue, models, scrubbing
        self._keep_prompts, self._mine_every, self._budget, self._every = keep_prompts, mine_every, budget, every
        self._not_before = 0.0
        self._looked_at = 0.0
        self._mined: dict[str, float] = {}  # when each tenant's requests were mined last, in Unix seconds

    def start(self, supervisor: Supervisor) -> None:
        supervisor.every(self._every, "plans", self.run_once)

    async def run_once(self) -> None:
        """Runs one round, unless another gateway is doing that."""
        async with self._database.alone(Lock.PLANS) as mine:
            if mine:
                await self.advance()
                await self._plans_by_itself()

    async def advance(self) -> None:
        """Advances every running plan by one step."""
        await self._plans.settle(_PLANS)
        for plan in await self._plans.running(_PLANS):
            ended = await self._take_in(plan)
            if plan.state != "running":
                continue
            open_now = plan.counts.asked - ended
            if not plan.counts.waiting and not open_now:
                await self._plans.finish(plan.id)
                log.info("plan done", plan=plan.id, made=plan.counts.made, hit=plan.counts.hit, failed=plan.counts.failed)
            elif plan.counts.waiting and open_now < _WINDOW and time.monotonic() >= self._not_before:
                await self._ask(plan, _WINDOW - open_now)

    async def _take_in(self, plan: Plan) -> int:
        """Records the outcomes of prompts whose job has ended; returns their number."""
        ended = await self._plans.ended(plan.id, 2 * _WINDOW)
        for one, clip_id, reason in ended:
            if clip_id is not None and one.prompt is None and self._keep_prompts:
                async with self._database.write() as connection:  # its words were erased while it was made
                    await withdraw_unheld(connection, self._shelf, [clip_id])
                await self._plans.mark(one, "failed", error="its words were erased")
            elif clip_id is not None:
                state: PromptState = "hit" if one.joined else "made"
                await self._plans.mark(one, state, keep_words=self._keep_prompts, clip_id=clip_id)
            else:
                await self._plans.mark(one, "failed", keep_words=self._keep_prompts, error=reason or "its job is gone")
        if ended and not self._keep_prompts:
            self._scrubbing.due()
        return len(ended)

    async def _ask(self, plan: Plan, room: int) -> None:
        async with self._database.read() as connection:
            if await self._queue.people_wait(connection):
                return
        for one in await self._plans.in_state(plan.id, "waiting", room):
            try:
                await self._ask_one(plan, one)
            except (Busy, Unavailable) as error:
                # Full queues and parts that still load pass: the plan says why it stands, and tries again.
                self._not_before = time.monotonic() + min(error.retry_after, 30.0)
                await self._plans.told(plan.id, error.message)
                return
            except RepriseError as error:
                await self._plans.mark(one, "failed", keep_words=self._keep_prompts, error=error.message)
        await self._plans.told(plan.id, None)
        if not self._keep_prompts:
            self._scrubbing.due()

    async def _ask_one(self, plan: Plan, one: PlanPrompt) -> None:
        if one.prompt is None:
            await self._plans.mark(one, "failed", error="its words were erased")
            return
        recipe = one.recipe
        if not any((served.name, served.revision, served.renderer) == (recipe.model, recipe.revision, recipe.renderer)
                   for served in self._models.served):  # fmt: skip
            if not self._models.served:
                raise Unavailable("no worker has announced its model yet")
            await self._plans.mark(one, "failed", keep_words=self._keep_prompts, error="its model is not served any more")
            return
        spec = Spec(tenant_scope(plan.tenant), Prompt(one.prompt), recipe)
        async with self._database.read() as connection:
            clip = await self._shelf.find_exact(connection, spec.key)
        if clip is not None:
            await self._plans.mark(one, "hit", keep_words=self._keep_prompts, clip_id=clip.id)
            return
        search: Search | None = None
        if self._keep_prompts:
            search = await self._lookup.near(spec, 0.0, time.time())
            if isinstance(search.verdict, Near):
                await self._plans.mark(one, "hit", clip_id=search.verdict.clip.id)
                return
            assert isinstance(search.verdict, Miss), "a search finds a near clip or none"
        asker = MINED if plan.source == "mined" else None
        wanted = RenderRequest(
            plan.tenant, spec, None, search, keep_words=self._keep_prompts, priority=Priority.BACKGROUND, asker=asker
        )  # fmt: skip

        async def commit(connection: Transaction, settled: Settled) -> bool:
            return await self._plans.claim(
                connection, one, settled_job(settled), isinstance(settled, Joined), made.id if (made := settled_clip(settled)) else None
            )

        await self._submission.settle(wanted, commit)

    async def _plans_by_itself(self) -> None:
        """A plan for every tenant whose last one is old enough, once nothing at all waits or renders."""
        if self._mine_every is None or time.monotonic() < self._looked_at + min(60.0, self._mine_every):
            return
        self._looked_at = time.monotonic()
        now = time.time()
        async with self._database.read() as connection:
            if not self._models.served or await self._queue.depth(connection):
                return
            tenants = await tenants_asking(connection, now - self._mine_every)
            last = {one: max(await self._plans.latest_mined(connection, one) or 0.0, self._mined.get(one, 0.0)) for one in tenants}
        for tenant in [one for one in tenants if last[one] + self._mine_every <= now]:
            self._mined[tenant] = now
            bounds = Bounds(self._budget, specs=_MINE.specs, pairs=_MINE.pairs)
            plan_id, mined = await self._planner.plan(tenant, bounds, start=True)
            if plan_id is not None:
                log.info("automatic plan started", plan=plan_id, prompts=len(mined.prompts), expected_hits=round(mined.expected_hits, 1))
