"""The shared tier, the last one, for tenants that share: the shared pool. Its prompts and scores do not leave this file."""

from __future__ import annotations

import structlog

from cache.clip import Clip
from cache.matching.encoding.embedder import Embedding
from cache.matching.judge import LEAST_SIMILARITY
from cache.matching.lookup import NEIGHBOURS, Lookup
from cache.matching.vectors.codec import unpack
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.storage.clips.pool import Pool
from cache.storage.database.changes import clip_of_pooled
from cache.variant import SHARED, Partition, Spec, tenant_scope
from cache.verdict import Candidate, Exact, Miss, Near

log = structlog.get_logger(__name__)

_BATCH = 20  # clips considered in one round


class SharedTier:
    """`share_after` tenants must have asked for what a clip shows before it answers others; 0: only an admin lets it in."""

    def __init__(self, pool: Pool, index: Index, lookup: Lookup, *, share_after: int) -> None:
        self.pool, self._index, self._lookup = pool, index, lookup
        self._share_after = share_after

    async def find(
        self, spec: Spec, embedding: Embedding | None, max_age: float | None, max_wrong: float | None = None
    ) -> Exact | Near | None:
        """`spec` is the asker's own; the answer names a clip of another tenant's Scope."""
        clip = await self.pool.exact(shared_spec(spec).key, spec, max_age)
        if clip is not None:
            return Exact(clip)
        if embedding is None:
            return None
        neighbours = await self._index.search(Partition(SHARED, spec.recipe.key, embedding.version), embedding.vector, NEIGHBOURS)
        similarity = {clip_of_pooled(neighbour.clip_id): neighbour.similarity for neighbour in neighbours}
        clips = {clip.id: clip for clip in await self.pool.among(list(similarity), max_age) if clip.prompt is not None}
        if not clips:
            return None
        # Whoever wrote these words is nobody of the asker's own: they must say what was asked and no more.
        candidates = [Candidate(one.id, one.prompt or "", similarity[one.id]) for one in clips.values()]
        judged = await self._lookup.choose(spec, candidates, both_ways=True, max_wrong=max_wrong)
        if isinstance(judged, Miss):
            return None
        return Near(clips[judged.candidate.clip_id], judged.candidate.similarity, judged.confidence)

    async def consider(self) -> None:
        """One round beside the answers, never before one: how long an answer takes must not depend on what others asked."""
        for clip in await self.pool.unseen(_BATCH):
            await self.pool.consider(clip, shared_spec(_spec(clip)).key, await self._near(clip))
        if self._share_after:
            for clip_id in await self.pool.admit_wanted(self._share_after):
                log.info("clip added to the shared pool", clip=clip_id, tenants=self._share_after)

    async def _near(self, clip: Clip) -> str | None:
        """The candidate of another tenant that the judge takes for the same."""
        embedder = await self._lookup.version()
        if embedder is None:
            return None
        stored, asked = await self.pool.like(clip, embedder)
        if stored is None or not asked:
            return None
        mine = unpack(stored)
        scored = [Candidate(one.clip_id, one.prompt, float(mine @ unpack(one.vector))) for one in asked]
        best = sorted((one for one in scored if one.similarity >= LEAST_SIMILARITY), key=lambda one: -one.similarity)
        judged = await self._lookup.choose(_spec(clip), best[:NEIGHBOURS], both_ways=True)
        return None if isinstance(judged, Miss) else judged.candidate.clip_id


def shared_spec(spec: Spec) -> Spec:
    return Spec(SHARED, spec.prompt, spec.recipe)


def _spec(clip: Clip) -> Spec:
    return Spec(tenant_scope(clip.tenant), Prompt(clip.prompt or ""), clip.recipe)
