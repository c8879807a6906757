"""Sweeps: expired leases, clips past their time, and requests whose job ended without a clip."""

from __future__ import annotations

import structlog

from cache.errors import PictureGone, RepriseError, Unavailable
from cache.matching.lookup import Lookup
from cache.matching.shared_tier import SharedTier
from cache.prompt import Prompt
from cache.request import Request
from cache.storage.clips.shelf import Shelf
from cache.storage.operators.tally import Tally
from cache.storage.requests.erasure import Scrubbing
from cache.storage.requests.requests import Requests
from cache.supervision import Supervisor
from cache.variant import Spec
from gateway.answering.submission import RenderRequest, Submission
from gateway.upkeep.auditing import Auditing
from generator.job import Priority
from generator.queue.leases import Leases
from generator.queue.withdrawal import CANCELLED

log = structlog.get_logger(__name__)

_MOST = 100  # orphans adopted in one round


class Upkeep:
    """The sweeps. `every`, `grace`: seconds. Several gateways may run them at once: each step is a guarded write."""

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

    def start(self, supervisor: Supervisor) -> None:
        steps = {
            "expired leases": self._expire,
            "clips out of service": self._clear,
            "orphaned requests": self._adopt,
            "pictures": self._shelf.pictures.sweep,
            "shared pool": self._shared.consider,
            "audits": self._auditing.run_once,
            "old requests": self._prune,
            "erasure": self._scrubbing.run_once,
        }
        for name, step in steps.items():
            supervisor.every(self._every, name, step)

    async def _expire(self) -> None:
        expired = await self._leases.expire()
        for job in expired.queued:
            log.warning("lease expired, job requeued", job=job)
        for job in expired.failed:
            log.error("job failed: out of attempts", job=job)
            self._scrubbing.due()

    async def _clear(self) -> None:
        await self._shelf.withdraw_expired()
        for clip in await self._shelf.collect(self._grace):
            log.info("clip deleted", clip=clip)
            self._scrubbing.due()

    async def _prune(self) -> None:
        pruned = await self._tally.prune()
        if pruned:
            log.info("old requests rolled up", requests=pruned)
            self._scrubbing.due()

    async def _adopt(self) -> None:
        for orphan in await self._requests.orphans(_MOST):
            if orphan.prompt is None:  # another request of these words erased them; without words nothing can be made
                await self._requests.give_up(orphan.id, CANCELLED, "its words were erased")
                continue
            try:
                if await self._submission.adopt(await self._wanted(orphan, orphan.prompt), orphan):
                    log.info("joined job ended without a clip, request becomes a miss", request=orphan.id)
            except PictureGone as error:
                await self._requests.give_up(orphan.id, error.code, error.message)
            except Unavailable:
                raise
            except RepriseError as error:
                log.warning("request cannot be resubmitted yet", request=orphan.id, reason=error.message)

    async def _wanted(self, orphan: Request, prompt: str) -> RenderRequest:
        spec = Spec(orphan.scope, Prompt(prompt), orphan.recipe)
        # Without the near tier: it was near to a clip that could not be rendered, and is now rendered itself.
        search = await self._lookup.unsearched(spec)
        return RenderRequest(
            orphan.tenant, spec, None, search, priority=Priority(orphan.priority), tags=orphan.tags, alone=True, asker=orphan.asker
        )
