"""The inspection of a prompt: the clip that would be served, and why not the others; the same look-up as a request's, recording nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cache.clip import Clip
from cache.matching.judge import Accepted, Rejected
from cache.matching.lookup import ASKED, Lookup
from cache.matching.rules.differences import differences
from cache.matching.rules.facts import Fact
from cache.matching.rules.slots import read
from cache.matching.shared_tier import SharedTier
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.variant import Spec
from cache.verdict import Candidate, Exact, Miss, Near


@dataclass(frozen=True)
class Considered:
    """One neighbour. `confidence` is what the judge would promise, or of a refused pair its own probability (0: by rule).
    `reason` is None where the clip would do. `differences` are all that the rules see, `facts` what the clip's prompt pins.
    """

    clip: Clip
    similarity: float
    confidence: float
    reason: str | None
    differences: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Inspected:
    """`verdict` is what a request would be answered with now; `pooled` what the shared pool holds, if it were asked.
    `unread` says why the encoder cannot read the prompt. `took_ms` is the time of it all.
    """

    verdict: Exact | Near | Miss
    considered: tuple[Considered, ...]
    facts: tuple[Fact, ...]
    pooled: Exact | Near | None
    unread: str | None
    took_ms: float

    @property
    def served(self) -> Clip | None:
        found = self.pooled if isinstance(self.verdict, Miss) and self.pooled is not None else self.verdict
        return None if isinstance(found, Miss) else found.clip

    def fate(self, one: Considered) -> str:
        """The fate of this neighbour, in words."""
        if self.served is not None and one.clip.id == self.served.id:
            return "would be served"
        if one.reason is not None:
            return "refused"
        # Those in front of it that no rule refuses are read by the verifier, which reads so many and no more.
        read_before = sum(1 for other in self.considered[: self.considered.index(one)] if other.reason is None or other.confidence > 0)
        if self.served is None and read_before >= ASKED:
            return f"would do, but the verifier reads only {ASKED} pairs"
        return "would do, but another comes first"


class Inspection:
    def __init__(self, database: Database, shelf: Shelf, lookup: Lookup, shared: SharedTier) -> None:
        self._database, self._shelf, self._lookup, self._shared = database, shelf, lookup, shared

    async def inspect(self, spec: Spec, *, shares: bool = False) -> Inspected:
        """`shares`: as for a tenant that the shared pool may answer."""
        began, at = time.perf_counter(), time.time()
        async with self._database.read() as connection:
            exact = await self._shelf.find_exact(connection, spec.key)
        search = await self._lookup.near(spec, 0.0, at)
        considered: list[Considered] = []
        if search.embedding is not None:
            for clip, similarity in await self._lookup.neighbours(spec, search.embedding, 0.0, at):
                considered.append(await self._consider(spec, clip, similarity))
        verdict = search.verdict if exact is None else Exact(exact)
        unread = search.verdict.refused[0].reason if search.embedding is None and search.verdict.refused else None
        pooled = await self._shared.find(spec, search.embedding, None) if shares and isinstance(verdict, Miss) else None
        took = (time.perf_counter() - began) * 1000
        return Inspected(verdict, tuple(considered), read(spec.prompt.text).facts, pooled, unread, took)

    async def _consider(self, spec: Spec, clip: Clip, similarity: float) -> Considered:
        cached = clip.prompt or ""
        judgement: Accepted | Rejected = await self._lookup.weigh(spec, Candidate(clip.id, cached, similarity))
        there = read(cached)
        return Considered(
            clip,
            similarity,
            judgement.confidence,
            judgement.reason if isinstance(judgement, Rejected) else None,
            tuple(differences(read(spec.prompt.text), there)),
            there.facts,
        )
