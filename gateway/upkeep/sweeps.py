"""What a gateway does on the side: leases that ran out, clips past their time, and requests whose job came to nothing."""

from __future__ import annotations

import asyncio

import structlog

from cache.errors import RepriseError, Unavailable
from cache.matching.lookup import Lookup, Search
from cache.matching.shared_tier import SharedTier
from cache.prompt import Prompt
from cache.request import Request
from cache.storage.erasure import Scrubbing
from cache.storage.operators.tally import Tally
from cache.storage.requests import Requests
from cache.storage.shelf import Shelf
from cache.variant import Film
from cache.verdict import Miss
from gateway.submission import Submission, Wish
from gateway.upkeep.auditing import Auditing
from generator.job import Priority
from generator.queueing.leases import Leases
from generator.queueing.withdrawal import CANCELLED

log = structlog.get_logger(__name__)

_MOST = 100  # orphans adopted in one round


class Upkeep:
    """`every` and `grace` in seconds. Any number of gateways may do this at once: each step is a guarded write."""

    def __init__(
        self,
        leases: Leases,
        shelf: Shelf,
        requests: Requests,
        lookup: Lookup,
        submission: Submission,
        shared: SharedTier,
        scrubbing: Scrubbing,
        auditing: Auditing,
        tally: Tally,
        *,
        grace: float,
        every: float = 5.0,
    ) -> None:
        self._leases, self._shelf, self._requests = leases, shelf, requests
        self._lookup, self._submission, self._shared, self._scrubbing = lookup, submission, shared, scrubbing
        self._auditing, self._tally, self._grace, self._every = auditing, tally, grace, every

    async def run(self) -> None:
        """Ends when cancelled; a failure is logged, and the next round tries again."""
        steps = (
            self._expire,
            self._clear,
            self._adopt,
            self._shared.consider,
            self._auditing.run_once,
            self._prune,
            self._scrubbing.run_once,
        )
        while True:
            for step in steps:
                try:
                    await step()
                except Unavailable as error:
                    log.warning("upkeep waits", step=step.__name__, reason=error.message)
                except Exception:
                    log.exception("upkeep failed", step=step.__name__)
            await asyncio.sleep(self._every)

    async def _expire(self) -> None:
        expired = await self._leases.expire()
        for job in expired.queued:
            log.warning("lease ran out, job queued again", job=job)
        for job in expired.failed:
            log.error("job given up", job=job)
            self._scrubbing.due()

    async def _clear(self) -> None:
        await self._shelf.withdraw_expired()
        for clip in await self._shelf.collect(self._grace):
            log.info("clip removed", clip=clip)
            self._scrubbing.due()

    async def _prune(self) -> None:
        pruned = await self._tally.prune()
        if pruned:
            log.info("old requests are counted together from now on", requests=pruned)
            self._scrubbing.due()

    async def _adopt(self) -> None:
        for orphan in await self._requests.orphans(_MOST):
            if orphan.prompt is None:  # another request of these words erased them; without words nothing can be made
                await self._requests.give_up(orphan.id, CANCELLED, "its words were erased")
                continue
            try:
                if await self._submission.adopt(await self._wish(orphan, orphan.prompt), orphan):
                    log.info("request goes on alone: the job that it had joined ended without a clip", request=orphan.id)
            except Unavailable:
                raise
            except RepriseError as error:
                log.warning("request cannot go on yet", request=orphan.id, reason=error.message)

    async def _wish(self, orphan: Request, prompt: str) -> Wish:
        film = Film(orphan.scope, Prompt(prompt), orphan.recipe)
        embedding, _ = await self._lookup.embed(film)
        # Without a say of the near tier: it was near to a film that could not be made, and is tried by itself now.
        search = Search(Miss(), embedding, 0)
        return Wish(orphan.tenant, film, None, search, priority=Priority(orphan.priority), tags=orphan.tags, alone=True)
