"""Keeps the clips within their room, and counts what more room would have hit. On the side: no answer waits for any of it."""

from __future__ import annotations

import asyncio
import time
from math import ceil

import numpy as np
import structlog

from cache.errors import Unavailable
from cache.eviction import Standing, choose, surplus
from cache.matching.coverage import WORTH_A_LOOK
from cache.matching.encoding.encoders import Loading
from cache.matching.lookup import Lookup
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import unit
from cache.prompt import Prompt
from cache.storage.database import Database
from cache.storage.eviction import Eviction, Nominee
from cache.storage.ghosts import Ghosts, Missed
from cache.storage.shelf import Shelf
from cache.variant import Film, Partition
from cache.verdict import Candidate, Miss

log = structlog.get_logger(__name__)

_LOCK = 0x52455631  # one gateway at a time
_POOL = 2_000  # clips that one round chooses among
_JUDGED = 50  # of them, those looked at for a near-duplicate: the least valuable
_LIKE = 4  # neighbours looked at for one
_ROUNDS = 20
_SETTLED = 10.0  # seconds after which a request's row is there, however it was answered
_MISSES = 50  # looked at in one round


class Capacity:
    """`room` in bytes, 0: no limit. `every` in seconds."""

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        lookup: Lookup,
        index: Index,
        encoders: Loading,
        *,
        room: int,
        ghosts: int,
        every: float = 5.0,
    ) -> None:
        self._database, self._shelf, self._lookup, self._index, self._encoders = database, shelf, lookup, index, encoders
        self.eviction, self.ghosts = Eviction(database, shelf, ghosts), Ghosts(database)
        self.room, self._every = room, every
        self._seen = self._told = -1  # changes up to which there was room, or to which it was said that there is none

    async def run(self) -> None:
        """Ends when cancelled; a failure is logged, and the next round tries again."""
        while True:
            for step in (self.make_room, self.look_back):
                try:
                    async with self._database.alone(_LOCK) as mine:
                        if mine:
                            await step()
                except Unavailable as error:
                    log.warning("capacity waits", step=step.__name__, reason=error.message)
                except Exception:
                    log.exception("capacity failed", step=step.__name__)
            await asyncio.sleep(self._every)

    async def make_room(self) -> int:
        """Evicts down to the low mark where the high one is passed; how many clips went."""
        if not self.room or (last := await self.eviction.changed(self._seen)) is None:
            return 0
        total = 0
        for _ in range(_ROUNDS):
            to_free = surplus(await self.eviction.used(), self.room)
            if not to_free:
                self._seen = last
                break
            nominees = await self.eviction.nominees(_POOL)
            gone = await self.eviction.evict(choose(await self._standings(nominees), to_free))
            total += len(gone)
            if not gone:
                if self._told != last:
                    log.warning("no clip may go now, and there is too little room", surplus=to_free)
                    self._told = last
                break
        if total:
            log.info("clips evicted", clips=total)
        return total

    async def _standings(self, nominees: list[Nominee]) -> list[Standing]:
        standings = [Standing(one.clip_id, one.asks, one.gpu_seconds, one.length) for one in nominees]
        if self._encoders.at_hand() is None:
            return standings
        least = sorted(range(len(nominees)), key=lambda at: standings[at].value)
        for at in [at for at in least if nominees[at].state == "live" and nominees[at].prompt is not None][:_JUDGED]:
            one = standings[at]
            cover = await self._cover(nominees[at])
            standings[at] = Standing(one.clip_id, one.asks, one.gpu_seconds, one.length, cover)
        return standings

    async def _cover(self, one: Nominee) -> str | None:
        """The clip that would answer in its place, as a lookup of its own words would find it if it were gone."""
        async with self._database.read() as connection:
            own = await self._shelf.by_id(connection, one.clip_id)
        if own is None or own.prompt is None:
            return None
        film = Film(own.scope, Prompt(own.prompt), own.recipe)
        embedding, _ = await self._lookup.embed(film)
        if embedding is None:
            return None
        found = await self._index.search(Partition(own.scope, own.recipe.key, embedding.version), embedding.vector, _LIKE)
        similarity = {other.clip_id: other.similarity for other in found if other.clip_id != own.id and other.similarity >= WORTH_A_LOOK}
        if not similarity:
            return None
        async with self._database.read() as connection:
            others = await self._shelf.by_ids(connection, similarity)
        at = time.time()
        fit = [Candidate(clip.id, clip.prompt, similarity[clip.id]) for clip in others if clip.answers(at) and clip.prompt is not None]
        judged = await self._lookup.choose(film, fit)
        return None if isinstance(judged, Miss) else judged[0].clip_id

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
        film = Film(miss.scope, Prompt(miss.prompt), miss.recipe)
        embedding, _ = await self._lookup.embed(film)
        if embedding is None:
            return None
        candidates = []
        for ghost in here:
            vector = unit(ghost.vector or b"")
            similarity = 0.0 if vector is None else float(np.dot(embedding.vector, vector))
            if similarity >= WORTH_A_LOOK:
                candidates.append(Candidate(ghost.clip_id, ghost.prompt or "", similarity))
        best = sorted(candidates, key=lambda one: -one.similarity)[:_LIKE]
        judged = await self._lookup.choose(film, best)
        return None if isinstance(judged, Miss) else judged[0].clip_id
