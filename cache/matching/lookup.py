"""The walk over the tiers for one prompt: exact words first, then neighbours that the judge accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from cache.clip import Clip
from cache.errors import StillLoading
from cache.matching.encoding.embedder import Embedding
from cache.matching.encoding.encoders import Encoders, Loading
from cache.matching.exact import ExactMemory
from cache.matching.judge import Refused, Served, before_verifier, judge
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.spans import span
from cache.storage.database import Database
from cache.storage.glances import Glance, Glances
from cache.storage.shelf import Shelf
from cache.variant import Film, Partition
from cache.verdict import Candidate, Miss, Near, Refusal

SHOWN = 3  # refusals that an answer lists
ASKED = 2  # pairs that the verifier reads for one lookup: the best, and the next only if that was refused
# A prompt being encoded: its vector, or why it has none.
Reading = asyncio.Task[tuple[Embedding | None, Refusal | None]]
_BY_A_PERSON = Refused("a person said that this clip does not fit", 0.0)


@dataclass(frozen=True)
class Search:
    """What the near tier found. `embedding` is None where it could not read the prompt, `seen` the last change it knew."""

    verdict: Near | Miss
    embedding: Embedding | None
    seen: int


class Lookup:
    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        glances: Glances,
        index: Index,
        caught_up: asyncio.Event,
        encoders: Loading,
        *,
        wait: float,
        near: bool,
        candidates: int,
        max_wrong: float,
        both_ways: bool = False,
        memory: ExactMemory | None = None,
    ) -> None:
        """`caught_up` is set once `index` holds what was there at the start, which is waited for `wait` seconds at most.
        `memory` holds candidates by their id, too; whoever hears of changes makes it forget.
        """
        self._database, self._shelf, self._glances = database, shelf, glances
        self._index, self._caught_up, self._wait, self._encoders = index, caught_up, wait, encoders
        self._near, self._candidates, self._max_wrong = near, candidates, max_wrong
        self._both_ways = both_ways
        self._memory = ExactMemory(0) if memory is None else memory

    async def embed(self, film: Film) -> tuple[Embedding | None, Refusal | None]:
        """The prompt's vector, or why it has none. Waits for the encoder to load."""
        encoders = await self._encoders.ready()
        unread = encoders.embedder.refuses(film.prompt.text)
        if unread is not None:
            return None, Refusal(unread)
        return await encoders.embedder.embed(film.prompt.text), None

    async def version(self) -> str | None:
        """Of the encoder that vectors are made by; None where the near tier is off."""
        return (await self._encoders.ready()).embedder.version if self._near else None

    @asynccontextmanager
    async def reading(self, film: Film) -> AsyncIterator[Reading | None]:
        """The prompt is encoded while the block looks elsewhere, and dropped where the block never asks for it. None where
        the encoder is not at hand: who may not need it must not wait for it.
        """
        if not self._near or self._encoders.at_hand() is None:
            yield None
            return
        task = asyncio.create_task(self.embed(film))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # whoever asked was told

    async def glance(self, film: Film, variant_key: str | None = None) -> Glance:
        """See Glances.at."""
        return await self._glances.at(film, variant_key)

    async def near(self, film: Film, oldest: float, now: float, glance: Glance | None = None, reading: Reading | None = None) -> Search:
        """The best neighbour that the judge accepts, made at `oldest` (Unix seconds) or later. `glance` and `reading` are the
        film's own, where they were begun before.
        """
        glance = glance or await self.glance(film)
        with span("embed"):
            embedding, unread = await self.embed(film) if reading is None else await reading
        if embedding is None or not self._near:
            return Search(Miss((unread,) if unread else ()), embedding, self._index.sequence)
        await self._filled()
        seen = self._index.sequence
        with span("search"):
            found = await self.neighbours(film, embedding, oldest, now)
        clips = {clip.id: clip for clip, _ in found}
        with span("judge"):
            candidates = [Candidate(clip.id, clip.prompt or "", similarity) for clip, similarity in found]
            verdict = await self._choose(film, candidates, glance.refused, both_ways=False)
        if isinstance(verdict, Miss):
            return Search(verdict, embedding, seen)
        candidate, confidence, refused = verdict
        return Search(Near(clips[candidate.clip_id], candidate.similarity, confidence, refused), embedding, seen)

    async def neighbours(self, film: Film, embedding: Embedding, oldest: float, now: float) -> list[tuple[Clip, float]]:
        """Clips of the film's Partition that may answer, with their similarity, the most alike first."""
        partition = Partition(film.scope, film.recipe.key, embedding.version)
        near = await self._index.search(partition, embedding.vector, self._candidates)
        similarity = {neighbour.clip_id: neighbour.similarity for neighbour in near}
        clips = await self._clips(film, list(similarity), oldest, now)
        return sorted(((clip, similarity[clip.id]) for clip in clips), key=lambda found: -found[1])

    async def _filled(self) -> None:
        """Raises StillLoading: in an index that is not read yet nothing is near, and everything would be rendered again."""
        try:
            async with asyncio.timeout(self._wait):
                await self._caught_up.wait()
        except TimeoutError:
            raise StillLoading("the index is still being read", retry_after=self._wait) from None

    async def weigh(self, film: Film, candidate: Candidate) -> Served | Refused:
        """What `choose` thinks of this candidate, were it the first one that it looks at."""
        encoders = await self._encoders.ready()
        if candidate.clip_id in (await self.glance(film)).refused:
            return _BY_A_PERSON
        early = before_verifier(film.prompt.text, candidate.prompt, candidate.similarity, encoders.calibration, self._max_wrong)
        return await self._judge(encoders, film, candidate) if early is None else early

    async def choose(
        self, film: Film, candidates: Iterable[Candidate], both_ways: bool = False
    ) -> tuple[Candidate, float, tuple[Refusal, ...]] | Miss:
        """The first candidate, by similarity, that the judge accepts, with its confidence and those refused before it.

        `both_ways`: it must say no more than was asked, either, so that nobody's words can smuggle a film of their own in.
        """
        return await self._choose(film, candidates, (await self.glance(film)).refused, both_ways)

    async def _choose(
        self, film: Film, candidates: Iterable[Candidate], wrong: frozenset[str], both_ways: bool
    ) -> tuple[Candidate, float, tuple[Refusal, ...]] | Miss:
        encoders = await self._encoders.ready()
        refused: list[Refusal] = []
        asked = 0
        for candidate in sorted(candidates, key=lambda one: -one.similarity):
            if candidate.clip_id in wrong:
                refused.append(_refusal(candidate, _BY_A_PERSON))
                continue
            early = before_verifier(film.prompt.text, candidate.prompt, candidate.similarity, encoders.calibration, self._max_wrong)
            if early is not None:
                refused.append(_refusal(candidate, early))
                continue
            if asked == ASKED:
                break
            asked += 1
            judgement = await self._judge(encoders, film, candidate, both_ways)
            if isinstance(judgement, Served):
                return candidate, judgement.confidence, tuple(refused[:SHOWN])
            refused.append(_refusal(candidate, judgement))
        return Miss(tuple(refused[:SHOWN]))

    async def _judge(self, encoders: Encoders, film: Film, candidate: Candidate, both_ways: bool = False) -> Served | Refused:
        judgement = await self._one_way(encoders, film, candidate)
        if isinstance(judgement, Refused) or not (both_ways or self._both_ways):
            return judgement
        turned = replace(film, prompt=Prompt(candidate.prompt)), replace(candidate, prompt=film.prompt.text)
        back = await self._one_way(encoders, *turned)
        return judgement if isinstance(back, Served) else Refused(f"the clip shows more: {back.reason}", back.confidence)

    async def _one_way(self, encoders: Encoders, film: Film, candidate: Candidate) -> Served | Refused:
        entailment = None
        if encoders.verifier is not None:
            unread = encoders.verifier.refuses(film.prompt.text, candidate.prompt)
            if unread is not None:
                return Refused(unread, 0.0)
            entailment = await encoders.verifier.score(film.prompt.text, candidate.prompt)
        return judge(film.prompt.text, candidate.prompt, candidate.similarity, entailment, encoders.calibration, self._max_wrong)

    async def _clips(self, film: Film, ids: list[str], oldest: float, now: float) -> list[Clip]:
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
        return [clip for clip in fit if (clip.scope, clip.recipe.key) == (film.scope, film.recipe.key)]


def _refusal(candidate: Candidate, refused: Refused) -> Refusal:
    return Refusal(refused.reason, candidate.similarity, refused.confidence, candidate.clip_id, candidate.prompt)


def hidden(refusal: Refusal) -> Refusal:
    """What is written down with a request: never another's words, which stand in the clip's own row and may leave it. Its id is
    for those who run the place; clients are told neither.
    """
    return replace(refusal, prompt=None)
