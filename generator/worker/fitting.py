"""Rendering within the memory: in a batch where that pays, in tiles or smaller where memory is short.

Nothing starts that was seen not to fit. Out of memory all the same, a batch is halved; a single clip, which the renderer has
by then decoded in tiles as well, steps down where its job allows that, and fails where it does not.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import structlog

from cache.errors import BadDonor, OutOfMemory, RenderStopped, Unavailable
from cache.recipe import Recipe
from generator.queue.leases import Leases
from generator.queue.starts import Starts
from generator.renderer import Progress, Rendered, Renderer, RenderOrder
from generator.worker.attempt import Attempt
from generator.worker.batching import Paces
from generator.worker.memory import Fit, Load, fit, load_of, smaller
from generator.worker.memory_peaks import MemoryPeaks

log = structlog.get_logger(__name__)

AttemptResult = tuple[Attempt, Rendered | Exception]


class _AllFlags:
    """A batch stops once nobody wants any of it."""

    def __init__(self, flags: Sequence[threading.Event]) -> None:
        self._flags = flags

    def is_set(self) -> bool:
        return all(flag.is_set() for flag in self._flags)

    def set(self) -> None:
        for flag in self._flags:
            flag.set()


class Fitting:
    """The fitting of renders. `peaks` stores the memory peaks; without it, only this process knows them."""

    def __init__(self, renderer: Renderer, leases: Leases, peaks: MemoryPeaks | None, starts: Starts) -> None:
        self._renderer, self._leases, self._kept, self._starts = renderer, leases, peaks, starts
        self._peaks: dict[Load, int] = {}
        self._paces = Paces()
        self._recipes: dict[str, Recipe] = {}

    async def learn(self) -> None:
        """Reads the memory peaks of earlier workers, once the model is loaded."""
        room = self._renderer.room
        if self._kept is not None and room is not None:
            with suppress(Unavailable):
                self._peaks |= await self._kept.read(room.device, self._renderer.served.revision)

    def at_once(self, recipe_key: str) -> int:
        """The number of background jobs of this Recipe to lease together."""
        recipe = self._recipes.get(recipe_key)
        count = self._paces.best(recipe_key, self._renderer.longest_batch)
        plan = None if recipe is None else self._plan(recipe, count)
        return 1 if plan is None else plan.batch

    async def render(self, attempts: list[Attempt]) -> list[AttemptResult]:
        """Renders attempts of one Recipe; one outcome for each."""
        outcomes = list[AttemptResult]()
        waiting = deque(await self._by_start(attempts, outcomes))
        while waiting:
            group = waiting.popleft()
            plan = self._plan(group[0].job.recipe, len(group))
            if plan is not None and plan.batch < len(group):
                waiting.extendleft([group[plan.batch :], group[: plan.batch]])
                continue
            try:
                if plan is None:
                    raise OutOfMemory(_too_large(group[0].job.recipe))
                made = await self._made(group, tiled=plan.tiled)
            except BadDonor as error:
                waiting.extendleft([[attempt] for attempt in group if await self._cold(attempt, error, outcomes)])
            except OutOfMemory as error:
                if len(group) > 1 and plan is not None:
                    half = (len(group) + 1) // 2
                    waiting.extendleft([group[half:], group[:half]])
                    continue
                for attempt in group:
                    ended = await self._step_down(attempt, error)
                    if ended is None:
                        waiting.append([attempt])
                    else:
                        outcomes.append((attempt, ended))
            except Exception as error:
                outcomes += [(attempt, error) for attempt in group]
            else:
                outcomes += zip(group, made, strict=True)
        return outcomes

    async def _by_start(self, attempts: list[Attempt], outcomes: list[AttemptResult]) -> list[list[Attempt]]:
        """Groups that can be made together: all from noise, or all from donors that are noised alike."""
        groups: dict[float | None, list[Attempt]] = {}
        for attempt in attempts:
            try:
                attempt.picture = await self._starts.picture(attempt.job)
                attempt.lease, attempt.donor = await self._starts.of(attempt.lease)
            except Exception as error:
                outcomes.append((attempt, error))
                continue
            groups.setdefault(None if attempt.donor is None else attempt.donor.sigma, []).append(attempt)
        return list(groups.values())

    async def _cold(self, attempt: Attempt, error: BadDonor, outcomes: list[AttemptResult]) -> bool:
        """Makes it a render from noise; False where that ended it."""
        attempt.donor = None
        try:
            attempt.lease = await self._starts.cold(attempt.lease, error.message)
        except Exception as fault:
            outcomes.append((attempt, fault))
            return False
        return True

    def _plan(self, recipe: Recipe, count: int) -> Fit | None:
        room = self._renderer.room
        return Fit(count) if room is None else fit(recipe, count, self._peaks, room.limit)

    async def _made(self, group: list[Attempt], *, tiled: bool) -> list[Rendered]:
        loop, recipe = asyncio.get_running_loop(), group[0].job.recipe

        def note(progress: Progress) -> None:
            for attempt in group:
                attempt.beat.note(progress)

        def on_progress(progress: Progress) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(note, progress)

        orders = [
            RenderOrder(one.job.prompt, one.job.recipe, one.job.seed, one.donor, tiled, one.job.take is None, one.picture) for one in group
        ]
        try:
            made = await self._renderer.render(orders, on_progress, _AllFlags([attempt.flag for attempt in group]))
        except OutOfMemory:
            # The renderer has decoded in tiles before it gave up.
            await self._did_not_fit(load_of(recipe, len(group), tiled=True))
            raise
        if not tiled and any(clip.tiled for clip in made):
            await self._did_not_fit(load_of(recipe, len(group)))
        tiled = tiled or any(clip.tiled for clip in made)
        if made[0].peak_bytes is not None:
            await self._keep(load_of(recipe, len(group), tiled=tiled), made[0].peak_bytes)
        self._recipes[recipe.key] = recipe
        if len(self._recipes) > 1000:
            del self._recipes[next(iter(self._recipes))]
        if group[0].donor is None:  # else it says nothing of whole renders
            self._paces.note(recipe.key, len(group), made[0].gpu_seconds)
        return made

    async def _did_not_fit(self, load: Load) -> None:
        room = self._renderer.room
        if room is not None:
            log.warning("render did not fit into memory", limit_gb=round(room.limit / 1e9, 1), **vars(load))
            await self._keep(load, room.limit + 1)

    async def _keep(self, load: Load, taken: int) -> None:
        room = self._renderer.room
        if taken <= self._peaks.get(load, 0):
            return
        self._peaks[load] = taken
        if self._kept is not None and room is not None:
            with suppress(Unavailable):
                await self._kept.keep(room.device, self._renderer.served.revision, load, taken)

    async def _step_down(self, attempt: Attempt, error: OutOfMemory) -> Exception | None:
        """Steps an attempt down; None if it continues with a smaller clip, else its end."""
        job = attempt.job
        for recipe in smaller(self._renderer.served.row, job.recipe) if job.allow_smaller else ():
            if self._plan(recipe, 1) is None:
                continue
            if attempt.flag.is_set():
                return RenderStopped("told to stop")
            note = f"made as {_named(recipe)}: {_named(job.recipe)} did not fit into memory"
            try:
                lease = await self._leases.step_down(attempt.lease, recipe, note)
            except Exception as fault:
                return fault  # whatever it is, it ends the job and not the worker
            if lease is None:
                break  # a person waits for it by now: only what was asked for will do
            log.info("rendering a smaller clip", size=recipe.size, frames=recipe.frames, reason=error.message)
            attempt.lease, attempt.donor = lease, None
            return None
        return OutOfMemory(_too_large(job.recipe))


def _too_large(recipe: Recipe) -> str:
    return f"{_named(recipe)} does not fit into this device's memory"


def _named(recipe: Recipe) -> str:
    return f"{recipe.size} of {recipe.frames} frames"
