"""The assist report: misses of the past are made again from the donor that they would have had, beside the clip that they got.

People compare both on the audits page and label whether the assisted one fits: that tells an operator whether `REPRISE_ASSIST=near` is
good enough for a model that nobody measured. It makes no request, and what it makes is reserved until somebody accepts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cache.assist import Start, begin_at, ladder
from cache.errors import QueueFull
from cache.matching.donors.choice import near_start
from cache.matching.donors.curves import DonorTable
from cache.matching.lookup import Lookup
from cache.prompt import Prompt
from cache.request import Request
from cache.storage.clips.donors import near_donor, was_assisted
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database, Transaction
from cache.storage.operators.assist_candidates import AssistCandidates
from cache.storage.operators.audits import Audits
from cache.variant import Spec
from cache.verdict import Refusal
from gateway.answering.models import Models
from gateway.answering.settled import Settled, settled_job
from gateway.answering.submission import RenderRequest, Submission
from generator.job import Priority


@dataclass(frozen=True)
class ReportedPair:
    """A miss that is being made again from a donor, `steps_skipped` of `steps` spared."""

    request: Request
    start: Start
    reason: str
    steps_skipped: int


class AssistReport:
    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        lookup: Lookup,
        submission: Submission,
        models: Models,
        audits: Audits,
        table: DonorTable,
        max_wrong: float,
    ) -> None:
        self._database, self._shelf, self._lookup, self._submission = database, shelf, lookup, submission
        self._models, self._audits, self._table, self._max_wrong = models, audits, table, max_wrong
        self._candidates = AssistCandidates(database)

    async def begin(self, count: int) -> list[ReportedPair]:
        """Submits at most `count`, in the background; fewer where fewer have a donor, or the queue is full."""
        begun: list[ReportedPair] = []
        for request in await self._candidates.newest():
            if len(begun) == count:
                break
            if not self._models.renders(request.recipe):
                continue
            pair = await self._pair(request)
            if pair is None:
                continue
            try:
                await self._submit(pair)
            except QueueFull:
                break
            begun.append(pair)
        return begun

    async def _pair(self, request: Request) -> ReportedPair | None:
        named = {refusal.clip_id for refusal in request.refused if refusal.clip_id is not None}
        async with self._database.read() as connection:
            if await was_assisted(connection, request.spec_key):
                return None
            words = {clip.id: clip.prompt for clip in await self._shelf.by_ids(connection, named) if clip.scope == request.scope}
            refused = [replace(refusal, prompt=words.get(refusal.clip_id or "")) for refusal in request.refused]
            start = near_start(request.recipe, self._table, request.prompt or "", refused, self._max_wrong)
            if start is None or await near_donor(connection, request.scope, start.donor) is None:
                return None
        skipped = begin_at(ladder(request.recipe.steps, request.recipe.flow_shift), start.sigma)
        return ReportedPair(request, start, _reason(start, refused), skipped)

    async def _submit(self, pair: ReportedPair) -> None:
        request = pair.request

        async def commit(connection: Transaction, settled: Settled) -> bool:
            return await self._audits.begin(connection, request, settled_job(settled))

        spec = Spec(request.scope, Prompt(request.prompt or ""), request.recipe)
        search = await self._lookup.unsearched(spec)
        wanted = RenderRequest(
            request.tenant, spec, None, search, fresh=True, alone=True, priority=Priority.BACKGROUND, donors=pair.start, reserved=True,
            asker=request.asker,
        )  # fmt: skip
        await self._submission.settle(wanted, commit)


def _reason(start: Start, refused: Iterable[Refusal]) -> str:
    return next(refusal.reason for refusal in refused if refusal.clip_id == start.donor)
