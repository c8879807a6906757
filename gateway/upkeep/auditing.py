"""Shadow audits: a share of near hits is rendered again while the workers are idle, for a person to compare (decision 0005).

The new clip becomes the prompt's own and answers it from then on. Earlier requests keep their clip.
"""

from __future__ import annotations

import structlog

from cache.errors import NotFound, PictureGone
from cache.matching.lookup import Lookup
from cache.prompt import Prompt
from cache.request import Request
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database, Transaction
from cache.storage.operators.audits import Audit, Audits
from cache.storage.requests.requests import Requests
from cache.variant import Spec
from gateway.answering.models import Models
from gateway.answering.settled import Settled, settled_clip, settled_job
from gateway.answering.submission import RenderRequest, Submission
from generator.job import Priority
from generator.queue.queue import Queue

log = structlog.get_logger(__name__)

_FIRST, _LATER = 86_400.0, 300.0  # seconds back that a look reaches: at the start, and from then on
_ROUNDS = 100  # between looks for rows of requests that are gone


class Auditing:
    """The audits. `share`: of near hits, from 0 (none) to 1. One at a time: the next starts when no job is open."""

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        requests: Requests,
        lookup: Lookup,
        submission: Submission,
        queue: Queue,
        models: Models,
        share: float,
    ) -> None:
        self._database, self._shelf, self._requests, self._lookup = database, shelf, requests, lookup
        self._submission, self._queue, self._models, self._share = submission, queue, models, share
        self.audits = Audits(database, shelf)
        self._reach = _FIRST
        self._round = 0

    async def run_once(self) -> None:
        """Runs one round. Audits started before the share was set to 0 still get their clips."""
        await self.audits.settle()
        if self._round % _ROUNDS == 0:
            await self.audits.prune()
        self._round += 1
        if not self._share:
            return
        await self.audits.choose(self._share, self._reach)
        self._reach = _LATER
        if await self._idle() and (audit := await self.audits.next()) is not None:
            await self._ask(audit)

    async def _idle(self) -> bool:
        async with self._database.read() as connection:
            return bool(self._models.served) and await self._queue.depth(connection) == 0

    async def _ask(self, audit: Audit) -> None:
        try:
            request = await self._requests.by_id(audit.tenant, audit.request_id)
        except NotFound:
            request = None
        if request is None or request.prompt is None or not self._models.renders(request.recipe) or not await self._serves(audit):
            await self.audits.give_up(audit.request_id)
            return

        async def commit(connection: Transaction, settled: Settled) -> bool:
            return await self.audits.claim(
                connection, audit.request_id, settled_job(settled), made.id if (made := settled_clip(settled)) else None
            )

        try:
            _, claimed = await self._submission.settle(await self._wanted(request, request.prompt), commit)
        except PictureGone:
            await self.audits.give_up(audit.request_id)
            return
        if claimed:
            log.info("audit of a near hit started", request=audit.request_id)

    async def _serves(self, audit: Audit) -> bool:
        """True if the served clip still exists, to compare with."""
        async with self._database.read() as connection:
            clip = await self._shelf.by_id(connection, audit.served_clip_id)
        return clip is not None and clip.state != "withdrawn"

    async def _wanted(self, request: Request, prompt: str) -> RenderRequest:
        spec = Spec(request.scope, Prompt(prompt), request.recipe)
        search = await self._lookup.unsearched(spec)
        return RenderRequest(request.tenant, spec, None, search, priority=Priority.BACKGROUND, alone=True, asker=request.asker)
