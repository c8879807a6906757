"""The miss path: one film is made once, whoever asks for it and in whatever words.

The near tier's search and the judge run outside any lock. Under the lock of the log of changes (rows.next_sequence: every
submit and every move of a job takes it, in all processes) whatever came since is read again; newcomers are judged first,
and only a prompt that matches none of them becomes a job. Two such prompts at once:

    A: looks, finds nothing     B: looks, finds nothing     A: locks, submits     B: locks, sees A's job, lets go
    B: judges A's job           B: locks, nothing newer, joins A's job
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cache.clip import Clip
from cache.ids import is_id
from cache.matching.lookup import Lookup, Search
from cache.request import Request, VerdictWord
from cache.spans import traceparent
from cache.storage.changes import changes_since
from cache.storage.database import Database, Transaction
from cache.storage.requests import Requests
from cache.storage.rows import next_sequence
from cache.storage.shelf import Shelf
from cache.variant import Film, Variant
from cache.verdict import Candidate, Miss
from generator.job import Priority
from generator.queueing.dispatch import Dispatch
from generator.queueing.queue import AlreadyMade, Queue
from generator.queueing.queue_rows import NewJob
from generator.queueing.withdrawal import adopt, adopt_clip

_ROUNDS = 5  # after so many newcomers in a row the miss is made, duplicate or not: an answer must come
_MOST = 1000  # newcomers looked at
_WORTH_A_LOOK = 0.5  # cosine under which no judge was ever seen to accept


@dataclass(frozen=True)
class Wish:
    """A film that no clip answers, and how it is wanted. `search` is None where the near tier has no say.

    `fresh`: render although a clip answers. `private`: no-store, shared with nobody. `alone`: only the same words may
    answer it. `max_age` in seconds. `keep_words`: the prompt may outlive its job.
    """

    tenant: str
    film: Film
    pinned_seed: int | None = None
    search: Search | None = None
    fresh: bool = False
    private: bool = False
    alone: bool = False
    max_age: float | None = None
    keep_words: bool = True
    priority: Priority = Priority.INTERACTIVE
    allow_smaller: bool = False
    tags: tuple[str, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether what is being made for others may answer it."""
        return not self.fresh and not self.private

    @property
    def near(self) -> bool:
        searched = self.search is not None and self.search.embedding is not None
        return searched and self.shared and not self.alone and self.pinned_seed is None


@dataclass(frozen=True)
class Settled:
    """What became of a wish: a clip after all, or a job, new or joined; by nearness if `similarity` is set."""

    clip: Clip | None = None
    job_id: str | None = None
    joined: bool = False
    similarity: float | None = None
    confidence: float | None = None


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
    def __init__(self, database: Database, shelf: Shelf, requests: Requests, lookup: Lookup, queue: Queue, dispatch: Dispatch) -> None:
        self._database, self._shelf, self._requests = database, shelf, requests
        self._lookup, self._queue, self._dispatch = lookup, queue, dispatch

    async def submit(self, wish: Wish, draft: Request, idempotency: tuple[str, str] | None) -> tuple[Request, Clip | None] | None:
        """The request as committed, with its clip if one came up meanwhile. None: its Idempotency-Key was taken first."""

        async def commit(connection: Transaction, settled: Settled) -> Request | None:
            request = _claim(draft, settled)
            if idempotency is not None and not await self._requests.remember(connection, request.tenant, *idempotency, request.id):
                return None
            await self._requests.insert(connection, request)
            return request

        settled, request = await self.settle(wish, commit)
        return None if request is None else (request, settled.clip)

    async def adopt(self, wish: Wish, orphan: Request) -> bool:
        """A request whose job, joined by nearness, came to nothing, becomes a miss of its own. False: it no longer waits."""

        async def commit(connection: Transaction, settled: Settled) -> bool:
            if settled.clip is not None:
                return await adopt_clip(connection, orphan.id, settled.clip.id, settled.clip.gpu_seconds)
            assert settled.job_id is not None, "a wish that no clip answers has a job"
            return await adopt(connection, orphan.id, settled.job_id, joined=settled.joined)

        _, adopted = await self.settle(wish, commit)
        return adopted

    async def settle(self, wish: Wish, commit: Callable[[Transaction, Settled], Awaitable[Committed]]) -> tuple[Settled, Committed]:
        """`commit` writes down who wants it, in the transaction that found a clip or a job for it; what that returns comes back.
        Where that is false nobody does: nothing of the transaction stays, or a job would be rendered for nobody.
        """
        jobs_seen, clips_seen = 0, wish.search.seen if wish.search is not None else 0
        match: _Match | None = None
        turn, newcomers = 0, _NOBODY
        done: tuple[Settled, Committed] | None = None
        while True:
            turn += 1
            with suppress(_Unwanted):
                async with self._database.write() as connection:
                    await next_sequence(connection)
                    newcomers = await self._newcomers(connection, wish, jobs_seen, clips_seen) if wish.near else _NOBODY
                    settled = await self._found(connection, wish, match)
                    if settled is None and (turn == _ROUNDS or not newcomers.candidates):
                        settled = await self._new(connection, wish)
                    if settled is not None:
                        done = settled, await commit(connection, settled)
                        if not done[1]:
                            raise _Unwanted
            if done is not None:
                if done[0].job_id is not None:
                    self._dispatch.wake()
                return done
            jobs_seen, clips_seen = newcomers.jobs_seen, newcomers.clips_seen
            match = await self._judge(wish, newcomers)

    async def _newcomers(self, connection: Transaction, wish: Wish, jobs_seen: int, clips_seen: int) -> _Newcomers:
        """Open jobs and new clips of this Partition that stand near enough for the judge to look at."""
        assert wish.search is not None and wish.search.embedding is not None, "asked only where the near tier has a say"
        embedding, film = wish.search.embedding, wish.film
        coming = await self._queue.open_jobs(connection, film.scope, film.recipe.key, jobs_seen, _MOST)
        made = await changes_since(connection, clips_seen, embedding.version, _MOST)
        found = [(job.id, job.prompt, job.vector) for job in coming if job.embedder == embedding.version]
        found += [
            (clip.clip_id, clip.prompt or "", clip.vector)
            for clip in made
            if (clip.scope, clip.recipe_key) == (film.scope, film.recipe.key)
        ]
        candidates = [
            Candidate(named, prompt, similarity)
            for named, prompt, vector in found
            if vector is not None and prompt and (similarity := _cosine(embedding.vector, vector)) >= _WORTH_A_LOOK
        ]
        return _Newcomers(
            candidates, max([jobs_seen, *(job.place for job in coming)]), max([clips_seen, *(clip.sequence for clip in made)])
        )

    async def _judge(self, wish: Wish, newcomers: _Newcomers) -> _Match | None:
        found = await self._lookup.choose(wish.film, newcomers.candidates)
        if isinstance(found, Miss):
            return None
        candidate, confidence, _ = found
        return _Match(candidate.clip_id, candidate.similarity, confidence)

    async def _found(self, connection: Transaction, wish: Wish, match: _Match | None) -> Settled | None:
        """The second look, now that nobody else can move: the same film made or in the making, else the match."""
        film = wish.film
        if not wish.shared:
            return None
        variant_key = None if wish.pinned_seed is None else Variant(film, pinned_seed=wish.pinned_seed).key
        clip = await self._shelf.find_exact(connection, film.key, variant_key, wish.max_age)
        if clip is not None:
            return Settled(clip=clip)
        if wish.pinned_seed is None:
            for job in await self._queue.open_of_film(connection, film.key):
                if await self._queue.join(connection, job.id, wish.priority):
                    return Settled(job_id=job.id, joined=True)
        return None if match is None else await self._join(connection, wish, match)

    async def _join(self, connection: Transaction, wish: Wish, match: _Match) -> Settled | None:
        if is_id("job", match.named):
            if await self._queue.join(connection, match.named, wish.priority):
                return Settled(None, match.named, True, match.similarity, match.confidence)
            return None  # it ended since; a clip that it made is among the newcomers now
        clip = await self._shelf.by_id(connection, match.named)
        if clip is None or not clip.answers(time.time()):
            return None
        return Settled(clip, None, False, match.similarity, match.confidence)

    async def _new(self, connection: Transaction, wish: Wish) -> Settled:
        film, embedding = wish.film, wish.search.embedding if wish.search is not None else None
        if wish.pinned_seed is not None:
            variant = Variant(film, pinned_seed=wish.pinned_seed)
        else:
            variant = Variant(film, take=await self._queue.next_take(connection, film.key))
        new = NewJob(
            wish.tenant,
            variant,
            wish.priority,
            wish.tags,
            joinable=not wish.private,
            keep_words=wish.keep_words,
            fresh=not wish.shared or wish.max_age is not None,
            allow_smaller=wish.allow_smaller,
            embedder=None if embedding is None else embedding.version,
            vector=None if embedding is None else embedding.vector.astype("<f2").tobytes(),
            traceparent=traceparent(),
        )
        submitted = await self._queue.submit(connection, new)
        if isinstance(submitted, AlreadyMade):
            if (clip := await self._shelf.by_id(connection, submitted.clip_id)) is not None:
                return Settled(clip=clip)
            # What is there does not come from our renderers, and is served to nobody.
            submitted = await self._queue.submit(connection, replace(new, fresh=True))
            assert not isinstance(submitted, AlreadyMade), "no clip answers what is wanted fresh"
        return Settled(job_id=submitted.job_id, joined=submitted.joined)


def _cosine(vector: NDArray[np.float32], stored: bytes) -> float:
    return float(vector @ np.frombuffer(stored, "<f2").astype(np.float32))


def _claim(draft: Request, settled: Settled) -> Request:
    """The draft holds the lookup's verdict (miss or bypass); what was settled under the lock may be better."""
    claimed = replace(draft, similarity=settled.similarity, confidence=settled.confidence)
    if settled.clip is None:
        return replace(claimed, verdict="joined" if settled.joined else draft.verdict, job_id=settled.job_id)
    verdict: VerdictWord = "exact" if settled.similarity is None else "near"
    return replace(
        claimed,
        verdict=verdict,
        reason=None,
        clip_id=settled.clip.id,
        take=settled.clip.take,
        completed_at=time.time(),
        gpu_seconds_saved=settled.clip.gpu_seconds,
    )
