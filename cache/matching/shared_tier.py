"""The last tier, for tenants that share: what the shared pool holds. Its prompts and scores go no further than this."""

from __future__ import annotations

import numpy as np
import structlog
from numpy.typing import NDArray

from cache.clip import Clip
from cache.matching.encoding.embedder import Embedding
from cache.matching.lookup import Lookup
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.storage.changes import clip_of_pooled
from cache.storage.pool import Pool
from cache.variant import SHARED, Film, Partition, tenant_scope
from cache.verdict import Candidate, Exact, Miss, Near

log = structlog.get_logger(__name__)

_WORTH_A_LOOK = 0.5  # cosine under which no judge was ever seen to accept
_BATCH = 20  # clips considered in one round


class SharedTier:
    """`share_after` tenants must have asked for what a clip shows before it answers others; 0: only an admin lets it in."""

    def __init__(self, pool: Pool, index: Index, lookup: Lookup, *, candidates: int, share_after: int) -> None:
        self.pool, self._index, self._lookup = pool, index, lookup
        self._candidates, self._share_after = candidates, share_after

    async def find(self, film: Film, embedding: Embedding | None, max_age: float | None) -> Exact | Near | None:
        """`film` is the asker's own; the answer names a clip of another tenant's Scope."""
        clip = await self.pool.exact(shared_film(film).key, max_age)
        if clip is not None:
            return Exact(clip)
        if embedding is None:
            return None
        neighbours = await self._index.search(Partition(SHARED, film.recipe.key, embedding.version), embedding.vector, self._candidates)
        similarity = {clip_of_pooled(neighbour.clip_id): neighbour.similarity for neighbour in neighbours}
        clips = {clip.id: clip for clip in await self.pool.among(list(similarity), max_age) if clip.prompt is not None}
        if not clips:
            return None
        # Whoever wrote these words is nobody of the asker's own: they must say what was asked and no more.
        candidates = [Candidate(one.id, one.prompt or "", similarity[one.id]) for one in clips.values()]
        judged = await self._lookup.choose(film, candidates, both_ways=True)
        if isinstance(judged, Miss):
            return None
        candidate, confidence, _ = judged
        return Near(clips[candidate.clip_id], candidate.similarity, confidence)

    async def consider(self) -> None:
        """One round beside the answers, never before one: how long an answer takes must not depend on what others asked."""
        for clip in await self.pool.unseen(_BATCH):
            await self.pool.consider(clip, shared_film(_film(clip)).key, await self._near(clip))
        if self._share_after:
            for clip_id in await self.pool.admit_wanted(self._share_after):
                log.info("clip joins the shared pool", clip=clip_id, tenants=self._share_after)

    async def _near(self, clip: Clip) -> str | None:
        """The candidate of another tenant that the judge takes for the same."""
        embedder = await self._lookup.version()
        if embedder is None:
            return None
        stored, asked = await self.pool.like(clip, embedder)
        if stored is None or not asked:
            return None
        mine = _vector(stored)
        scored = [Candidate(one.clip_id, one.prompt, float(mine @ _vector(one.vector))) for one in asked]
        best = sorted((one for one in scored if one.similarity >= _WORTH_A_LOOK), key=lambda one: -one.similarity)
        judged = await self._lookup.choose(_film(clip), best[: self._candidates], both_ways=True)
        return None if isinstance(judged, Miss) else judged[0].clip_id


def shared_film(film: Film) -> Film:
    return Film(SHARED, film.prompt, film.recipe)


def _film(clip: Clip) -> Film:
    return Film(tenant_scope(clip.tenant), Prompt(clip.prompt or ""), clip.recipe)


def _vector(stored: bytes) -> NDArray[np.float32]:
    return np.frombuffer(stored, "<f2").astype(np.float32)
