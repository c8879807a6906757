"""The submission of misses: a clip is rendered once, whoever asks for it and in whatever words.

The near tier's search and the judge run outside any lock. Under the lock of the log of changes (rows.next_sequence: every
submit and every job change takes it, in all processes) newer jobs are read again; they are judged first,
and only a prompt that matches none of them becomes a job. Two such prompts at the same time:

    A: looks, finds nothing     B: looks, finds nothing     A: locks, submits     B: locks, sees A's job, lets go
    B: judges A's job           B: locks, nothing newer, joins A's job
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar, assert_never

from cache.clip import Clip
from cache.ids import is_id
from cache.matching.lookup import Lookup, Search
from cache.matching.vectors.codec import pack
from cache.request import Request
from cache.spans import traceparent
from cache.storage.clips.pictures import BroughtPicture, place
from cache.storage.clips.shelf import Shelf
from cache.storage.database.changes import changes_since
from cache.storage.database.database import Database, Transaction
from cache.storage.database.rows import next_sequence
from cache.storage.requests.requests import Requests
from cache.variant import Spec, Variant
from cache.verdict import Candidate, Exact, Joined, Miss, Near
from gateway.answering.assisting import Assisting, DonorSearch
from gateway.answering.late_clips import MOST, near_enough
from gateway.answering.settled import Queued, Settled, claim, settled_clip
from generator.job import Priority
from generator.queue.dispatch import Dispatch
from generator.queue.queue import AlreadyMade, Queue
from generator.queue.rows import NewJob
from generator.queue.withdrawal import adopt_clip, adopt_orphan

_ROUNDS = 5  # after so many rounds of new jobs the miss is submitted, duplicate or not: an answer must come


@dataclass(frozen=True)
class RenderRequest:
    """A clip that no clip answers, and how it is wanted. `search` is None where the near tier has no say.

    `fresh`: render although a clip answers. `private`: no-store, shared with nobody. `alone`: only the same words may
    answer it. `max_age` in seconds; `max_wrong` is the limit of a near hit where it is stricter than the instance's.
    `keep_words`: the prompt may outlive its job. `donors`: where to look for one. `reserved`: what comes of one answers nobody,
    whatever the settings say. `asker`: whose words they are. `picture`: that of its Recipe, where it is not among the stored ones.
    """

    tenant: str
    spec: Spec
    pinned_seed: int | None = None
    search: Search | None = None
    fresh: bool = False
    private: bool = False
    alone: bool = False
    max_age: float | None = None
    max_wrong: float | None = None
    keep_words: bool = True
    priority: Priority = Priority.INTERACTIVE
    allow_smaller: bool = False
    tags: tuple[str, ...] = ()
    donors: DonorSearch = None
    reserved: bool = False
    asker: str | None = None
    picture: BroughtPicture | None = None

    @property
    def shared(self) -> bool:
        """True if jobs of other requests may answer it."""
        return not self.fresh and not self.private

    @property
    def near(self) -> bool:
        searched = self.search is not None and self.search.embedding is not None
        return searched and self.shared and not self.alone and self.pinned_seed is None


@dataclass(frozen=True)
class Submitted:
    """The request as it was committed, and its clip where one came up meanwhile."""

    request: Request
    clip: Clip | None


class AskedBefore:
    """Another request took the Idempotency-Key first and has the answer."""


@dataclass(frozen=True)
class _Match:
    """A newcomer that the judge accepts; `named` is a job's or a clip's id."""

    named: str
    similarity: float
    confidence: float


@dataclass(frozen=True)
class _Newcomers:
    candidates: list[Candidate]
    jobs_seen: int
    clips_seen: int


class _Unwanted(Exception):
    """Rolls back what nobody wants any more."""


_NOBODY = _Newcomers([], 0, 0)
Committed = TypeVar("Committed")


class Submission:
    def __init__(
        self, database: Database, shelf: Shelf, requests: Requests, lookup: Lookup, queue: Queue, dispatch: Dispatch, assisting: Assisting
    ) -> None:
        self._database, self._shelf, self._requests, self._assisting = database, shelf, requests, assisting
        self._lookup, self._queue, self._dispatch = lookup, queue, dispatch

    async def submit(
        self, wanted: RenderRequest, draft: Request, idempotency: tuple[str, str] | None, webhook_url: str | None = None
    ) -> Submitted | AskedBefore:
        """Settles and writes `draft` down in one transaction; `idempotency` is its key and the digest of its body."""

        async def commit(connection: Transaction, settled: Settled) -> Request | None:
            request = claim(draft, settled)
            if idempotency is not None and not await self._requests.remember(connection, request.tenant, *idempotency, request.id):
                return None
            await self._requests.insert(connection, request, webhook_url)
            return request

        settled, request = await self.settle(wanted, commit)
        return AskedBefore() if request is None else Submitted(request, settled_clip(settled))

    async def adopt(self, wanted: RenderRequest, orphan: Request) -> bool:
        """A request whose job, joined by nearness, came to nothing, becomes a miss of its own. False: it no longer waits."""

        async def commit(connection: Transaction, settled: Settled) -> bool:
            match settled:
                case Exact(clip) | Near(clip):
                    return await adopt_clip(connection, orphan.id, clip.id, clip.gpu_seconds)
                case Joined(job_id) | Queued(job_id):
                    return await adopt_orphan(connection, orphan.id, job_id, joined=isinstance(settled, Joined))
                case other:
                    assert_never(other)

        _, adopted = await self.settle(wanted, commit)
        return adopted

    async def settle(
        self, wanted: RenderRequest, commit: Callable[[Transaction, Settled], Awaitable[Committed]]
    ) -> tuple[Settled, Committed]:
        """Finds a clip or a job. `commit` records the claim in the same transaction, and its result is returned.
        If it is false, nobody wants it: the transaction is rolled back, or a job would be rendered for nobody.
        """
        jobs_seen, clips_seen = 0, wanted.search.seen if wanted.search is not None else 0
        match: _Match | None = None
        turn, newcomers = 0, _NOBODY
        done: tuple[Settled, Committed] | None = None
        while True:
            turn += 1
            with suppress(_Unwanted):
                async with self._database.write() as connection:
                    await next_sequence(connection)
                    newcomers = await self._newcomers(connection, wanted, jobs_seen, clips_seen) if wanted.near else _NOBODY
                    settled = await self._found(connection, wanted, match)
                    if settled is None and (turn == _ROUNDS or not newcomers.candidates):
                        settled = await self._new(connection, wanted)
                    if settled is not None:
                        done = settled, await commit(connection, settled)
                        if not done[1]:
                            raise _Unwanted
            if done is not None:
                if isinstance(done[0], Joined | Queued):
                    self._dispatch.wake()
                return done
            jobs_seen, clips_seen = newcomers.jobs_seen, newcomers.clips_seen
            match = await self._judge(wanted, newcomers)

    async def _newcomers(self, connection: Transaction, wanted: RenderRequest, jobs_seen: int, clips_seen: int) -> _Newcomers:
        """Open jobs and new clips of this Partition that stand near enough for the judge to look at."""
        assert wanted.search is not None and wanted.search.embedding is not None, "asked only where the near tier has a say"
        embedding, spec = wanted.search.embedding, wanted.spec
        coming = await self._queue.open_jobs(connection, spec.scope, spec.recipe.key, jobs_seen, MOST)
        made = await changes_since(connection, clips_seen, embedding.version, MOST)
        found: list[tuple[str, str | None, bytes | None]] = [
            (job.id, job.prompt, job.vector) for job in coming if job.embedder == embedding.version
        ]
        found += [
            (clip.clip_id, clip.prompt, clip.vector) for clip in made if (clip.scope, clip.recipe_key) == (spec.scope, spec.recipe.key)
        ]
        return _Newcomers(
            near_enough(embedding, found),
            max([jobs_seen, *(job.place for job in coming)]),
            max([clips_seen, *(clip.sequence for clip in made)]),
        )

    async def _judge(self, wanted: RenderRequest, newcomers: _Newcomers) -> _Match | None:
        found = await self._lookup.choose(wanted.spec, newcomers.candidates, max_wrong=wanted.max_wrong)
        if isinstance(found, Miss):
            return None
        return _Match(found.candidate.clip_id, found.candidate.similarity, found.confidence)

    async def _found(self, connection: Transaction, wanted: RenderRequest, match: _Match | None) -> Settled | None:
        """The second look, now that nobody else can move: the same clip made or in the making, else the match."""
        spec = wanted.spec
        if not wanted.shared:
            return None
        variant_key = None if wanted.pinned_seed is None else Variant(spec, pinned_seed=wanted.pinned_seed).key
        clip = await self._shelf.find_exact(connection, spec.key, variant_key, wanted.max_age)
        if clip is not None:
            return Exact(clip)
        if wanted.pinned_seed is None:
            for job in await self._queue.open_of_spec(connection, spec.key):
                if await self._queue.join(connection, job.id, wanted.priority):
                    return Joined(job.id)
        return None if match is None else await self._join(connection, wanted, match)

    async def _join(self, connection: Transaction, wanted: RenderRequest, match: _Match) -> Settled | None:
        if is_id("job", match.named):
            if await self._queue.join(connection, match.named, wanted.priority):
                return Joined(match.named, match.similarity, match.confidence)
            return None  # it ended since; a clip that it made is among the newcomers now
        clip = await self._shelf.by_id(connection, match.named)
        if clip is None or not clip.answers(time.time()):
            return None
        return Near(clip, match.similarity, match.confidence)

    async def _new(self, connection: Transaction, wanted: RenderRequest) -> Settled:
        spec, embedding = wanted.spec, wanted.search.embedding if wanted.search is not None else None
        if spec.recipe.picture:
            await place(connection, spec.scope, spec.recipe.picture, wanted.picture)
        if wanted.pinned_seed is not None:
            variant = Variant(spec, pinned_seed=wanted.pinned_seed)
        else:
            take, limits = await self._queue.next_take(connection, spec.key), (wanted.max_age, wanted.max_wrong)
            variant = Variant(spec, take=take, start=await self._assisting.start(connection, spec, wanted.donors, *limits))
        new = NewJob(
            wanted.tenant,
            variant,
            wanted.priority,
            wanted.tags,
            joinable=not wanted.private,
            keep_words=wanted.keep_words,
            fresh=not wanted.shared or wanted.max_age is not None,
            allow_smaller=wanted.allow_smaller,
            reserved=self._assisting.reserved(variant.start, wanted.reserved),
            asker=wanted.asker,
            embedder=None if embedding is None else embedding.version,
            vector=None if embedding is None else pack(embedding.vector),
            traceparent=traceparent(),
        )
        submitted = await self._queue.submit(connection, new)
        if isinstance(submitted, AlreadyMade):
            if (clip := await self._shelf.by_id(connection, submitted.clip_id)) is not None:
                return Exact(clip)
            # The existing clip was not written by our workers, and is not served.
            submitted = await self._queue.submit(connection, replace(new, fresh=True))
            assert not isinstance(submitted, AlreadyMade), "no clip answers what is wanted fresh"
        return Joined(submitted.job_id) if submitted.joined else Queued(submitted.job_id)
