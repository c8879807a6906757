"""The capacity: it evicts clips beyond it, and counts what a bigger one would have hit. In the background: no answer waits for it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from math import ceil

import numpy as np
import structlog

from cache.eviction import ClipValue, choose_evicted, surplus
from cache.matching.encoding.encoders import Loading
from cache.matching.judge import LEAST_SIMILARITY
from cache.matching.lookup import Lookup
from cache.matching.vectors.codec import unit
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.storage.clips.eviction import Eviction, EvictionCandidate
from cache.storage.clips.ghosts import Ghosts, Missed
from cache.storage.clips.latents import Latents
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.storage.database.locks import Lock
from cache.supervision import Supervisor
from cache.variant import Partition, Spec
from cache.verdict import Candidate, Miss, Refusal

log = structlog.get_logger(__name__)

_POOL = 2_000  # clips that one round chooses among
_JUDGED = 50  # of them, those looked at for a near-duplicate: the least valuable
_LIKE = 4  # neighbours looked at for one
_ROUNDS = 20
_SETTLED = 10.0  # seconds after which a request's row is there, however it was answered
_MISSES = 50  # looked at in one round
_GHOSTS = 1000  # evicted clips remembered, to tell what a bigger cache would have hit


class Capacity:
    """The capacity of the cache. `room`: bytes, 0 for no limit; `every`: seconds."""

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        lookup: Lookup,
        index: Index,
        encoders: Loading,
        latents: Latents,
        *,
        room: int,
        every: float = 5.0,
    ) -> None:
        self._database, self._shelf, self._lookup, self._index, self._encoders = database, shelf, lookup, index, encoders
        self._latents = latents
        self.eviction, self.ghosts = Eviction(database, shelf, _GHOSTS), Ghosts(database)
        self.room, self._every = room, every
        self._seen = self._told = -1  # changes up to which there was room, or to which it was said that there is none

    def start(self, supervisor: Supervisor) -> None:
        supervisor.every(self._every, "capacity", lambda: self._alone(self.make_room))
        supervisor.every(self._every, "ghosts", lambda: self._alone(self.look_back))

    async def _alone(self, step: Callable[[], Awaitable[object]]) -> None:
        """Runs a round, in one gateway for all."""
        async with self._database.alone(Lock.CAPACITY) as mine:
            if mine:
                await step()

    async def make_room(self) -> int:
        """Evicts down to the low mark where the high one is passed, latents before clips; how many clips went."""
        if not self.room or (last := await self.eviction.changed(self._seen)) is None:
            return 0
        total = 0
        for _ in range(_ROUNDS):
            to_free = surplus(await self.eviction.used(), self.room)
            if not to_free:
                self._seen = last
                break
            to_free -= await self._latents.free(to_free)
            if to_free <= 0:
                continue
            nominees = await self.eviction.nominees(_POOL)
            gone = await self.eviction.evict(choose_evicted(await self._standings(nominees), to_free))
            total += len(gone)
            if not gone:
                if self._told != last:
                    log.warning("over capacity, and no clip may be evicted now", surplus=to_free)
                    self._told = last
                break
        if total:
            log.info("clips evicted", clips=total)
        return total

    async def _standings(self, nominees: list[EvictionCandidate]) -> list[ClipValue]:
        standings = [ClipValue(one.clip_id, one.asks, one.gpu_seconds, one.length) for one in nominees]
        if self._encoders.at_hand() is None:
            return standings
        least = sorted(range(len(nominees)), key=lambda at: standings[at].value)
        for at in [at for at in least if nominees[at].state == "live" and nominees[at].prompt is not None][:_JUDGED]:
            one = standings[at]
            cover = await self._cover(nominees[at])
            standings[at] = ClipValue(one.clip_id, one.asks, one.gpu_seconds, one.length, cover)
        return standings

    async def _cover(self, one: EvictionCandidate) -> str | None:
        """The clip that would answer in its place, as a lookup of its own words would find it if it were gone."""
        async with self._database.read() as connection:
            own = await self._shelf.by_id(connection, one.clip_id)
        if own is None or own.prompt is None:
            return None
        spec = Spec(own.scope, Prompt(own.prompt), own.recipe)
        embedding = await self._lookup.embed(spec)
        if isinstance(embedding, Refusal):
            return None
        found = await self._index.search(Partition(own.scope, own.recipe.key, embedding.version), embedding.vector, _LIKE)
        similarity = {
            other.clip_id: other.similarity for other in found if other.clip_id != own.id and other.similarity >= LEAST_SIMILARITY
        }
        if not similarity:
            return None
        async with self._database.read() as connection:
            others = await self._shelf.by_ids(connection, similarity)
        at = time.time()
        fit = [Candidate(clip.id, clip.prompt, similarity[clip.id]) for clip in others if clip.answers(at) and clip.prompt is not None]
        judged = await self._lookup.choose(spec, fit)
        return None if isinstance(judged, Miss) else judged.candidate.clip_id

    async def look_back(self) -> int:
        """Counts the misses since the last time that a ghost would have answered; how many."""
        oldest = await self.ghosts.oldest()
        if oldest is None:
            return 0
        until = int((time.time() - _SETTLED) * 1000)
        cursor = await self.ghosts.cursor(int(oldest * 1000))
        if until <= cursor:
            return 0
        misses = await self.ghosts.misses(max(cursor / 1000, oldest), until / 1000, _MISSES)
        if len(misses) == _MISSES:
            until = ceil(misses[-1].created_at * 1000)
        counted = [ghost for miss in misses if (ghost := await self._would_hit(miss)) is not None]
        if not misses and until - cursor < self._every * 10_000:
            return 0  # nothing to write down yet
        return len(counted) if await self.ghosts.count(counted, cursor, until) else 0

    async def _would_hit(self, miss: Missed) -> str | None:
        same = await self.ghosts.same(miss)
        if same is not None or miss.prompt is None:
            return same
        encoders = self._encoders.at_hand()
        if encoders is None:
            return None
        here = await self.ghosts.like(miss, encoders.embedder.version)
        if not here:
            return None
        spec = Spec(miss.scope, Prompt(miss.prompt), miss.recipe)
        embedding = await self._lookup.embed(spec)
        if isinstance(embedding, Refusal):
            return None
        candidates = []
        for ghost in here:
            vector = unit(ghost.vector or b"")
            similarity = 0.0 if vector is None else float(np.dot(embedding.vector, vector))
            if similarity >= LEAST_SIMILARITY:
                candidates.append(Candidate(ghost.clip_id, ghost.prompt or "", similarity))
        best = sorted(candidates, key=lambda one: -one.similarity)[:_LIKE]
        judged = await self._lookup.choose(spec, best)
        return None if isinstance(judged, Miss) else judged.candidate.clip_id
