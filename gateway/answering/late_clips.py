"""Late clips: committed, but not in this gateway's index yet. Whoever may not render must not miss them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from cache.matching.encoding.embedder import Embedding
from cache.matching.judge import LEAST_SIMILARITY
from cache.matching.lookup import Lookup, Search
from cache.matching.vectors.codec import unpack
from cache.storage.clips.shelf import Shelf
from cache.storage.database.changes import changes_since
from cache.storage.database.database import Database
from cache.variant import Spec
from cache.verdict import Candidate, Miss, Near

MOST = 1000  # new clips read


class LateClips:
    def __init__(self, database: Database, shelf: Shelf, lookup: Lookup) -> None:
        self._database, self._shelf, self._lookup = database, shelf, lookup

    async def find(self, spec: Spec, search: Search, oldest: float, max_wrong: float | None) -> Near | None:
        """The best clip committed since `search` looked that the judge accepts, made at `oldest` (Unix seconds) or later. A miss that
        may render needs none of this: submission.py reads the newest rows under its lock.
        """
        if search.embedding is None:
            return None
        async with self._database.read() as connection:
            made = await changes_since(connection, search.seen, search.embedding.version, MOST)
        own = ((one.clip_id, one.prompt, one.vector) for one in made if (one.scope, one.recipe_key) == (spec.scope, spec.recipe.key))
        chosen = await self._lookup.choose(spec, near_enough(search.embedding, own), max_wrong=max_wrong)
        if isinstance(chosen, Miss):
            return None
        async with self._database.read() as connection:
            clip = await self._shelf.by_id(connection, chosen.candidate.clip_id)
        if clip is None or not clip.answers(time.time()) or clip.created_at < oldest:
            return None
        return Near(clip, chosen.candidate.similarity, chosen.confidence, chosen.refused)


def near_enough(embedding: Embedding, found: Iterable[tuple[str, str | None, bytes | None]]) -> list[Candidate]:
    """Those of `found` (id, prompt, vector) that the judge looks at."""
    return [
        Candidate(named, prompt, similarity)
        for named, prompt, vector in found
        if vector is not None and prompt and (similarity := float(embedding.vector @ unpack(vector))) >= LEAST_SIMILARITY
    ]
