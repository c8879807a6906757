"""The look-up of one prompt over the tiers: the exact key first, then neighbours that the judge accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import assert_never

from cache.clip import Clip
from cache.errors import EncoderFailed, StillLoading
from cache.matching.donors.choice import near_start
from cache.matching.donors.curves import DonorTable
from cache.matching.encoding.embedder import Embedding
from cache.matching.encoding.encoders import Encoders, Loading
from cache.matching.exact import ExactMemory
from cache.matching.judge import Accepted, Rejected, before_verifier, judge
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.spans import span
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.storage.requests.lookup_queries import LookupQueries, LookupRows
from cache.variant import Partition, Spec
from cache.verdict import Candidate, Miss, Near, Refusal

SHOWN = 3  # refusals that an answer lists
ASKED = 2  # pairs that the verifier reads for one lookup: the best, and the next only if that was refused
# A prompt being encoded: its vector, or why it has none.
Reading = asyncio.Task[Embedding | Refusal]
# Neighbours fetched from the index for one look; the judge reads few of them, the nearest first.
NEIGHBOURS = 10

_BY_A_PERSON = Rejected("a person said that this clip does not fit", 0.0)


@dataclass(frozen=True)
class Search:
    """The findings of the near tier. `embedding` is None where it could not read the prompt, `seen` the last change it knew."""

    verdict: Near | Miss
    embedding: Embedding | None
    seen: int


@dataclass(frozen=True)
class Strictness:
    """The certainty that a near hit must have. `both_ways`: the clip must show no more than was asked, either."""

    max_wrong: float
    both_ways: bool = False

    def at_least(self, max_wrong: float | None, both_ways: bool = False) -> Strictness:
        return Strictness(self.max_wrong if max_wrong is None else min(self.max_wrong, max_wrong), self.both_ways or both_ways)


@dataclass(frozen=True)
class Chosen:
    """The candidate that the judge accepts, and those refused before it."""

    candidate: Candidate
    confidence: float
    refused: tuple[Refusal, ...]


class Lookup:
    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        queries: LookupQueries,
        index: Index,
        caught_up: asyncio.Event,
        encoders: Loading,
        *,
        wait: float,
        near: bool,
        max_wrong: float,
        both_ways: bool = False,
        donors: DonorTable | None = None,
        memory: ExactMemory | None = None,
    ) -> None:
        """`caught_up` is set once `index` holds what was there at the start, which is waited for `wait` seconds at most.
        `memory` holds candidates by their id, too; whoever hears of changes makes it forget. `donors`: by which table a miss may name one.
        """
        self._database, self._shelf, self._queries = database, shelf, queries
        self._index, self._caught_up, self._wait, self._encoders = index, caught_up, wait, encoders
        self._near, self._strictness, self._donors = near, Strictness(max_wrong, both_ways), donors
        self._memory = ExactMemory(0) if memory is None else memory

    async def embed(self, spec: Spec) -> Embedding | Refusal:
        """The prompt's vector, or why it has none. Waits for the encoder to load; raises StillLoading. One that cannot be loaded makes
        no clip impossible: it is made without a vector, and gets one later.
        """
        try:
            encoders = await self._encoders.ready()
        except EncoderFailed:
            return Refusal("near hits are off: the encoder could not be loaded")
        unread = encoders.embedder.refuses(spec.prompt.text)
        return Refusal(unread) if unread is not None else await encoders.embedder.embed(spec.prompt.text)

    async def unsearched(self, spec: Spec, reading: Reading | None = None) -> Search:
        """No look at neighbours, but the clip to be made will want its vector."""
        read = await (self.embed(spec) if reading is None else reading)
        return Search(Miss(), None if isinstance(read, Refusal) else read, 0)

    async def version(self) -> str | None:
        """The version of the encoder that vectors are made by; None where the near tier is off."""
        return (await self._encoders.ready()).embedder.version if self._near else None

    @asynccontextmanager
    async def reading(self, spec: Spec) -> AsyncIterator[Reading | None]:
        """The prompt is encoded while the block looks elsewhere, and dropped where the block never asks for it. None where
        the encoder is not at hand: who may not need it must not wait for it.
        """
        if not self._near or self._encoders.at_hand() is None:
            yield None
            return
        task = asyncio.create_task(self.embed(spec))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # whoever asked was told

    async def rows(self, spec: Spec, variant_key: str | None = None) -> LookupRows:
        """See LookupQueries.at."""
        return await self._queries.at(spec, variant_key)

    async def refused(self, spec: Spec, rows: LookupRows) -> tuple[Refusal, ...]:
        """The clips of these very words that a person refused for them; the Spec's next take is rendered instead."""
        if not rows.refused:
            return ()
        async with self._database.read() as connection:
            found = await self._shelf.by_ids(connection, rows.refused)
        own = [clip for clip in found if clip.spec_key == spec.key and clip.state == "live"]
        return tuple(_refusal(Candidate(clip.id, clip.prompt or "", 1.0), _BY_A_PERSON) for clip in own)

    async def near(
        self,
        spec: Spec,
        oldest: float,
        now: float,
        rows: LookupRows | None = None,
        reading: Reading | None = None,
        max_wrong: float | None = None,
    ) -> Search:
        """The best neighbour that the judge accepts, made at `oldest` (Unix seconds) or later. `rows` and `reading` are the
        Spec's own, where they were begun before.
        """
        rows = rows or await self.rows(spec)
        own = await self.refused(spec, rows)
        with span("embed"):
            read = await (self.embed(spec) if reading is None else reading)
        if isinstance(read, Refusal):
            return Search(Miss((*own, read)), None, self._index.sequence)
        embedding = read
        if not self._near:
            return Search(Miss(own), embedding, self._index.sequence)
        await self._filled()
        seen = self._index.sequence
        with span("search"):
            found = await self.neighbours(spec, embedding, oldest, now)
        clips = {clip.id: clip for clip, _ in found}
        with span("judge"):
            candidates = [Candidate(clip.id, clip.prompt or "", similarity) for clip, similarity in found]
            strict = self._strictness.at_least(max_wrong)
            chosen = await self._choose(spec, candidates, rows.refused, strict)
        match chosen:
            case Miss(refused):
                donor = None
                if self._donors is not None:
                    donor = near_start(spec.recipe, self._donors, spec.prompt.text, refused, strict.max_wrong)
                return Search(Miss(_with(own, refused), donor), embedding, seen)
            case Chosen(candidate, confidence, refused):
                return Search(Near(clips[candidate.clip_id], candidate.similarity, confidence, _with(own, refused)), embedding, seen)
            case other:
                assert_never(other)

    async def neighbours(self, spec: Spec, embedding: Embedding, oldest: float, now: float) -> list[tuple[Clip, float]]:
        """Clips of the Spec's Partition that may answer, with their similarity, the most alike first."""
        partition = Partition(spec.scope, spec.recipe.key, embedding.version)
        near = await self._index.search(partition, embedding.vector, NEIGHBOURS)
        similarity = {neighbour.clip_id: neighbour.similarity for neighbour in near}
        clips = await self._clips(spec, list(similarity), oldest, now)
        return sorted(((clip, similarity[clip.id]) for clip in clips), key=lambda found: -found[1])

    async def _filled(self) -> None:
        """Raises StillLoading: in an index that is not read yet nothing is near, and everything would be rendered again."""
        try:
            async with asyncio.timeout(self._wait):
                await self._caught_up.wait()
        except TimeoutError:
            raise StillLoading("the index is still being read", retry_after=self._wait) from None

    async def weigh(self, spec: Spec, candidate: Candidate) -> Accepted | Rejected:
        """The verdict of `choose` on this candidate, were it the first one that it looks at."""
        encoders = await self._encoders.ready()
        if candidate.clip_id in (await self.rows(spec)).refused:
            return _BY_A_PERSON
        strict = self._strictness
        early = before_verifier(spec.prompt.text, candidate.prompt, candidate.similarity, encoders.calibration, strict.max_wrong)
        return await self._judge(encoders, spec, candidate, strict) if early is None else early

    async def choose(
        self, spec: Spec, candidates: Iterable[Candidate], both_ways: bool = False, max_wrong: float | None = None
    ) -> Chosen | Miss:
        """The first candidate, by similarity, that the judge accepts; none where the near tier is off.

        `both_ways`: it must say no more than was asked, either, so that nobody's words can smuggle a clip of their own in.
        `max_wrong` makes this instance's limit stricter, never looser.
        """
        if not self._near:
            return Miss()
        strict = self._strictness.at_least(max_wrong, both_ways)
        return await self._choose(spec, candidates, (await self.rows(spec)).refused, strict)

    async def _choose(self, spec: Spec, candidates: Iterable[Candidate], wrong: frozenset[str], strict: Strictness) -> Chosen | Miss:
        encoders = await self._encoders.ready()
        refused: list[Refusal] = []
        asked = 0
        for candidate in sorted(candidates, key=lambda one: -one.similarity):
            if candidate.clip_id in wrong:
                refused.append(_refusal(candidate, _BY_A_PERSON))
                continue
            early = before_verifier(spec.prompt.text, candidate.prompt, candidate.similarity, encoders.calibration, strict.max_wrong)
            if early is not None:
                refused.append(_refusal(candidate, early))
                continue
            if asked == ASKED:
                break
            asked += 1
            judgement = await self._judge(encoders, spec, candidate, strict)
            if isinstance(judgement, Accepted):
                return Chosen(candidate, judgement.confidence, tuple(refused[:SHOWN]))
            refused.append(_refusal(candidate, judgement))
        return Miss(tuple(refused[:SHOWN]))

    async def _judge(self, encoders: Encoders, spec: Spec, candidate: Candidate, strict: Strictness) -> Accepted | Rejected:
        judgement = await self._one_way(encoders, spec, candidate, strict)
        if isinstance(judgement, Rejected) or not strict.both_ways:
            return judgement
        turned = replace(spec, prompt=Prompt(candidate.prompt)), replace(candidate, prompt=spec.prompt.text)
        back = await self._one_way(encoders, *turned, strict)
        return judgement if isinstance(back, Accepted) else Rejected(f"the clip shows more: {back.reason}", back.confidence)

    async def _one_way(self, encoders: Encoders, spec: Spec, candidate: Candidate, strict: Strictness) -> Accepted | Rejected:
        entailment = None
        if encoders.verifier is not None:
            unread = encoders.verifier.refuses(spec.prompt.text, candidate.prompt)
            if unread is not None:
                return Rejected(unread, 0.0)
            entailment = await encoders.verifier.score(spec.prompt.text, candidate.prompt)
        return judge(spec.prompt.text, candidate.prompt, candidate.similarity, entailment, encoders.calibration, strict.max_wrong)

    async def _clips(self, spec: Spec, ids: list[str], oldest: float, now: float) -> list[Clip]:
        """The rows decide, not the index, which may lag: only clips that still answer, and whose words are kept.
        What was read stays at hand until it changes; the commit of a hit holds it against its row once more.
        """
        held = {clip_id: self._memory.at_hand(clip_id) for clip_id in ids}
        found = [clip for clip in held.values() if clip is not None]
        if unread := [clip_id for clip_id, clip in held.items() if clip is None]:
            seen = self._index.sequence
            async with self._database.read() as connection:
                read = await self._shelf.by_ids(connection, unread)
            found += read
            if self._index.sequence == seen:  # else one may have changed since, and be forgotten already
                for clip in read:
                    self._memory.put(clip.id, clip)
        fit = (clip for clip in found if clip.answers(now) and clip.created_at >= oldest and clip.prompt is not None)
        return [clip for clip in fit if (clip.scope, clip.recipe.key) == (spec.scope, spec.recipe.key)]


def _refusal(candidate: Candidate, refused: Rejected) -> Refusal:
    return Refusal(refused.reason, candidate.similarity, refused.confidence, candidate.clip_id, candidate.prompt)


def _with(own: tuple[Refusal, ...], refused: tuple[Refusal, ...]) -> tuple[Refusal, ...]:
    """`refused` with those of the same words first, whether or not the index knew them."""
    named = {one.clip_id for one in own}
    return (*own, *(one for one in refused if one.clip_id not in named))[:SHOWN]


def hidden(refusal: Refusal) -> Refusal:
    """The refusal as it is written down with a request: never another's words, which stand in the clip's own row and may leave
    it. Its id is for operators; clients are told neither.
    """
    return replace(refusal, prompt=None)
