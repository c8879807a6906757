"""The planner: it finds popular prompts in the recorded requests and chooses which to render ahead of time."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from cache.errors import Busy
from cache.matching.encoding.encoders import Encoders, Loading
from cache.matching.lookup import Lookup
from cache.matching.popular import Bounds, Outlook, Proposal, Proposed, WantedSpec, propose
from cache.plan import NewPrompt, PlanCover
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.storage.database.database import Database
from cache.storage.requests.plans import Plans
from cache.storage.requests.traffic import AskedSpec, at_hand, gpu_seconds, traffic
from cache.variant import Spec, tenant_scope
from cache.verdict import Near
from gateway.answering.models import Models

log = structlog.get_logger(__name__)

_HALF_LIFE = 72 * 3600.0  # seconds after which an ask counts half
_MEMORY = 10  # half-lives to look back: older requests count next to nothing
_ROWS = 50_000  # Specs and hours that are read
_AT_ONCE = 8  # lookups
_RETRY = 10.0  # seconds


@dataclass(frozen=True)
class Mined:
    """The outcome of mining. `specs`: different prompts requested; `answered`: those that existing clips answer; `pairs`: pairs judged."""

    prompts: list[NewPrompt]
    specs: int
    answered: int
    pairs: int

    @property
    def expected_hits(self) -> float:
        return sum(one.expected_hits for one in self.prompts)


class Planner:
    """The planner. `horizon`: seconds. One mining at a time: it keeps a core or two busy for seconds to minutes."""

    def __init__(
        self,
        database: Database,
        lookup: Lookup,
        encoders: Loading,
        models: Models,
        plans: Plans,
        *,
        near: bool,
        both_ways: bool,
        max_wrong: float,
        horizon: float,
    ) -> None:
        self._database, self._lookup, self._encoders, self._models, self._plans = database, lookup, encoders, models, plans
        self._near, self._both_ways, self._max_wrong = near, both_ways, max_wrong
        self._horizon = horizon
        self._mining = asyncio.Lock()

    async def plan(self, tenant: str, bounds: Bounds, *, start: bool) -> tuple[str | None, Mined]:
        """Mines a plan and keeps it; None where there is nothing to make. Busy while another is mined."""
        if self._mining.locked():
            raise Busy("another plan is being mined", _RETRY)
        async with self._mining:
            mined = await self.mine(tenant, bounds)
        if not mined.prompts:
            return None, mined
        return await self._plans.add(tenant, "mined", mined.prompts, bounds.budget, self._horizon, start=start), mined

    async def mine(self, tenant: str, bounds: Bounds) -> Mined:
        """Mines a plan from this tenant's own requests, recorded by all gateways."""
        now = time.time()
        async with self._database.read() as connection:
            asked = await traffic(connection, tenant, now - _MEMORY * _HALF_LIFE, _ROWS)
        specs = self._makeable(tenant, asked.specs)
        async with self._database.read() as connection:
            made = await at_hand(connection, list(specs))
        open_specs = {key: spec for key, spec in specs.items() if key not in made}
        encoders = await self._encoders.ready() if self._near else None
        answered = await self._answered(tenant, open_specs, bounds.specs, now) if encoders is not None else set()
        left = {key: spec for key, spec in open_specs.items() if key not in answered}
        costs = await self._costs({spec.recipe.key for spec in left.values()})
        wanted = [WantedSpec(key, spec.prompt, spec.asks, costs[spec.recipe.key], spec.recipe.key) for key, spec in left.items()]
        watched = 0.0 if asked.since is None else now - asked.since
        # What was seen for a shorter time than is looked ahead is not expected more than once again.
        outlook = Outlook(now, _HALF_LIFE, max(watched, self._horizon), self._horizon)
        proposed = await self._propose(wanted, encoders, outlook, replace(bounds, both_ways=self._both_ways))
        prompts = [_prompt(one, left) for one in proposed.proposals]
        return Mined(prompts, len(specs), len(made) + len(answered), proposed.pairs)

    def _makeable(self, tenant: str, asked: list[AskedSpec]) -> dict[str, AskedSpec]:
        """The Specs that can be rendered, by their current keys: prompts stay popular when their model gets a new revision."""
        served = {model.name: model for model in self._models.served}
        specs: dict[str, AskedSpec] = {}
        for spec in asked:
            model = served.get(spec.recipe.model)
            if model is None:
                continue
            recipe = replace(spec.recipe, revision=model.revision, renderer=model.renderer)
            key = Spec(tenant_scope(tenant), Prompt(spec.prompt), recipe).key
            known = specs.get(key)
            asks = spec.asks if known is None else (*known.asks, *spec.asks)
            specs[key] = AskedSpec(key, spec.prompt, recipe, asks)
        return specs

    async def _answered(self, tenant: str, specs: dict[str, AskedSpec], most: int, now: float) -> set[str]:
        """The Specs that a look-up would answer with a near hit."""
        popular = sorted(specs.values(), key=lambda spec: -sum(one.count for one in spec.asks))[:most]
        found: set[str] = set()
        for start in range(0, len(popular), _AT_ONCE):
            some = popular[start : start + _AT_ONCE]
            searches = await asyncio.gather(
                *(self._lookup.near(Spec(tenant_scope(tenant), Prompt(spec.prompt), spec.recipe), 0.0, now) for spec in some)
            )
            found |= {spec.spec_key for spec, search in zip(some, searches, strict=True) if isinstance(search.verdict, Near)}
        return found

    async def _costs(self, recipe_keys: set[str]) -> dict[str, float]:
        """GPU-seconds of one clip; where none was ever made, all cost the same."""
        async with self._database.read() as connection:
            usual = await gpu_seconds(connection, None)
            known = {key: await gpu_seconds(connection, key) for key in sorted(recipe_keys)}
        return {key: (usual if cost is None else cost) or 1.0 for key, cost in known.items()}

    async def _propose(self, wanted: list[WantedSpec], encoders: Encoders | None, outlook: Outlook, bounds: Bounds) -> Proposed:
        stop = threading.Event()
        try:
            return await asyncio.to_thread(_in_the_background, wanted, encoders, self._max_wrong, outlook, bounds, stop)
        finally:
            stop.set()  # the caller is gone: the thread ends after the current portion

    def prompt_of(self, tenant: str, prompt: str, recipe: Recipe) -> NewPrompt:
        """A prompt of a list, for this tenant."""
        return NewPrompt(prompt, Spec(tenant_scope(tenant), Prompt(prompt), recipe).key, recipe)


def _in_the_background(
    wanted: list[WantedSpec], encoders: Encoders | None, max_wrong: float, outlook: Outlook, bounds: Bounds, stop: threading.Event
) -> Proposed:
    """Requests go first. On Linux priority is per thread; this one is of a pool, so it is given back."""
    if sys.platform != "linux":
        return propose(wanted, encoders, max_wrong, outlook, bounds, stop)
    thread = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, thread)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, before + 10)
    try:
        return propose(wanted, encoders, max_wrong, outlook, bounds, stop)
    finally:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, before)


def _prompt(one: Proposal, specs: dict[str, AskedSpec]) -> NewPrompt:
    covers = [PlanCover(one.wanted.key, one.wanted.prompt, one.wanted.count, 1.0)]
    covers += [PlanCover(other.wanted.key, other.wanted.prompt, other.wanted.count, other.confidence) for other in one.covers]
    spec = specs[one.wanted.key]
    return NewPrompt(spec.prompt, one.wanted.key, spec.recipe, one.expected_hits, one.wanted.gpu_seconds, tuple(covers))
