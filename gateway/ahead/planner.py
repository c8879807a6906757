"""Popular prompts: what the recorded requests say, and what to make of it ahead of time."""

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
from cache.matching.popular import Bounds, Outlook, Proposal, Proposed, Wanted, propose
from cache.plan import NewPrompt, PlanCover
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.storage.database import Database
from cache.storage.plans import Plans
from cache.storage.traffic import AskedFilm, at_hand, gpu_seconds, traffic
from cache.variant import Film, tenant_scope
from cache.verdict import Near
from gateway.models import Models

log = structlog.get_logger(__name__)

_MEMORY = 10  # half-lives that are looked back: what lies further counts next to nothing
_ROWS = 50_000  # films and hours that are read
_AT_ONCE = 8  # lookups
_RETRY = 10.0  # seconds


@dataclass(frozen=True)
class Mined:
    """`films` were asked for, of which `answered` are answered by the cache already; `pairs` were judged."""

    prompts: list[NewPrompt]
    films: int
    answered: int
    pairs: int

    @property
    def expected_hits(self) -> float:
        return sum(one.expected_hits for one in self.prompts)


class Planner:
    """`half_life` and `horizon` in seconds. One mining at a time: it keeps a core or two busy for seconds to minutes."""

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
        half_life: float,
        horizon: float,
    ) -> None:
        self._database, self._lookup, self._encoders, self._models, self._plans = database, lookup, encoders, models, plans
        self._near, self._both_ways, self._max_wrong = near, both_ways, max_wrong
        self._half_life, self._horizon = half_life, horizon
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
        """From this tenant's own requests alone, as every gateway wrote them down."""
        now = time.time()
        async with self._database.read() as connection:
            asked = await traffic(connection, tenant, now - _MEMORY * self._half_life, _ROWS)
        films = self._makeable(tenant, asked.films)
        async with self._database.read() as connection:
            made = await at_hand(connection, list(films))
        open_films = {key: film for key, film in films.items() if key not in made}
        encoders = await self._encoders.ready() if self._near else None
        answered = await self._answered(tenant, open_films, bounds.films, now) if encoders is not None else set()
        left = {key: film for key, film in open_films.items() if key not in answered}
        costs = await self._costs({film.recipe.key for film in left.values()})
        wanted = [Wanted(key, film.prompt, film.asks, costs[film.recipe.key], film.recipe.key) for key, film in left.items()]
        watched = 0.0 if asked.since is None else now - asked.since
        # What was seen for a shorter time than is looked ahead is not expected more than once again.
        outlook = Outlook(now, self._half_life, max(watched, self._horizon), self._horizon)
        proposed = await self._propose(wanted, encoders, outlook, replace(bounds, both_ways=self._both_ways))
        prompts = [_prompt(one, left) for one in proposed.proposals]
        return Mined(prompts, len(films), len(made) + len(answered), proposed.pairs)

    def _makeable(self, tenant: str, asked: list[AskedFilm]) -> dict[str, AskedFilm]:
        """By the key that each film has today: words stay popular when their model gets a new revision."""
        served = {model.name: model for model in self._models.served}
        films: dict[str, AskedFilm] = {}
        for film in asked:
            model = served.get(film.recipe.model)
            if model is None:
                continue
            recipe = replace(film.recipe, revision=model.revision, renderer=model.renderer)
            key = Film(tenant_scope(tenant), Prompt(film.prompt), recipe).key
            known = films.get(key)
            asks = film.asks if known is None else (*known.asks, *film.asks)
            films[key] = AskedFilm(key, film.prompt, recipe, asks)
        return films

    async def _answered(self, tenant: str, films: dict[str, AskedFilm], most: int, now: float) -> set[str]:
        """Those that a lookup would answer with a clip of other words."""
        popular = sorted(films.values(), key=lambda film: -sum(one.count for one in film.asks))[:most]
        found: set[str] = set()
        for start in range(0, len(popular), _AT_ONCE):
            some = popular[start : start + _AT_ONCE]
            searches = await asyncio.gather(
                *(self._lookup.near(Film(tenant_scope(tenant), Prompt(film.prompt), film.recipe), 0.0, now) for film in some)
            )
            found |= {film.film_key for film, search in zip(some, searches, strict=True) if isinstance(search.verdict, Near)}
        return found

    async def _costs(self, recipe_keys: set[str]) -> dict[str, float]:
        """GPU-seconds of one clip; where none was ever made, all cost the same."""
        async with self._database.read() as connection:
            usual = await gpu_seconds(connection, None)
            known = {key: await gpu_seconds(connection, key) for key in sorted(recipe_keys)}
        return {key: (usual if cost is None else cost) or 1.0 for key, cost in known.items()}

    async def _propose(self, wanted: list[Wanted], encoders: Encoders | None, outlook: Outlook, bounds: Bounds) -> Proposed:
        stop = threading.Event()
        try:
            return await asyncio.to_thread(_in_the_background, wanted, encoders, self._max_wrong, outlook, bounds, stop)
        finally:
            stop.set()  # whoever asked is gone: the thread ends after the portion at hand

    def prompt_of(self, tenant: str, prompt: str, recipe: Recipe) -> NewPrompt:
        """A prompt of a list, for this tenant."""
        return NewPrompt(prompt, Film(tenant_scope(tenant), Prompt(prompt), recipe).key, recipe)


def _in_the_background(
    wanted: list[Wanted], encoders: Encoders | None, max_wrong: float, outlook: Outlook, bounds: Bounds, stop: threading.Event
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


def _prompt(one: Proposal, films: dict[str, AskedFilm]) -> NewPrompt:
    covers = [PlanCover(one.wanted.key, one.wanted.prompt, one.wanted.count, 1.0)]
    covers += [PlanCover(other.wanted.key, other.wanted.prompt, other.wanted.count, other.confidence) for other in one.covers]
    film = films[one.wanted.key]
    return NewPrompt(film.prompt, one.wanted.key, film.recipe, one.expected_hits, one.wanted.gpu_seconds, tuple(covers))
