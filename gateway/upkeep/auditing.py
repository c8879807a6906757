"""Shadow audits: a share of near hits is rendered anew when nobody waits, for a person to compare. See docs/decisions/.

The film becomes the prompt's own: from then on these words are answered with it. Whoever was served before keeps what they got.
"""

from __future__ import annotations

import structlog

from cache.errors import NotFound
from cache.matching.lookup import Lookup, Search
from cache.prompt import Prompt
from cache.request import Request
from cache.storage.database import Database, Transaction
from cache.storage.operators.audits import Audit, Audits
from cache.storage.requests import Requests
from cache.storage.shelf import Shelf
from cache.variant import Film
from cache.verdict import Miss
from gateway.models import Models
from gateway.submission import Settled, Submission, Wish
from generator.job import Priority
from generator.queueing.queue import Queue

log = structlog.get_logger(__name__)

_FIRST, _LATER = 86_400.0, 300.0  # seconds back that a look reaches: at the start, and from then on
_ROUNDS = 100  # between looks for rows of requests that are gone


class Auditing:
    """`share` of near hits, from 0 (none) to 1. One at a time: the next begins when nothing else is open."""

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
        """Of those begun before the share was set to nothing the films still come."""
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
        if request is None or request.prompt is None or not self._renders(request) or not await self._serves(audit):
            await self.audits.give_up(audit.request_id)
            return

        async def commit(connection: Transaction, settled: Settled) -> bool:
            made = None if settled.clip is None else settled.clip.id
            return await self.audits.claim(connection, audit.request_id, settled.job_id, made)

        _, claimed = await self._submission.settle(await self._wish(request, request.prompt), commit)
        if claimed:
            log.info("audit of a near hit begins", request=audit.request_id)

    def _renders(self, request: Request) -> bool:
        """Whether a worker would take it: Recipes of a revision that is gone are made by nobody."""
        recipe = request.recipe
        return any((served.name, served.revision, served.renderer) == (recipe.model, recipe.revision, recipe.renderer)
                   for served in self._models.served)  # fmt: skip

    async def _serves(self, audit: Audit) -> bool:
        """What was served must still be there, or there is nothing to compare with."""
        async with self._database.read() as connection:
            clip = await self._shelf.by_id(connection, audit.served_clip_id)
        return clip is not None and clip.state != "withdrawn"

    async def _wish(self, request: Request, prompt: str) -> Wish:
        film = Film(request.scope, Prompt(prompt), request.recipe)
        embedding, _ = await self._lookup.embed(film)
        search = Search(Miss(), embedding, 0)
        return Wish(request.tenant, film, None, search, priority=Priority.BACKGROUND, alone=True)
