"""The story of one request: look, judge, and answer with a clip or with a job in progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache

from cache.clip import Clip
from cache.errors import DiskFull, IdempotencyReused, NotCached, Unavailable
from cache.ids import new_id
from cache.matching.exact import ExactMemory, exact_key
from cache.matching.lookup import SHOWN, Lookup, Reading, Search, hidden
from cache.matching.shared_tier import SharedTier
from cache.prompt import Prompt
from cache.request import Request, VerdictWord
from cache.spans import span
from cache.storage.bytes.objects import Objects
from cache.storage.database import Transaction
from cache.storage.rerolls import Rerolls
from cache.variant import Film, Variant, tenant_scope
from cache.verdict import Bypass, Exact, Miss, Near, Refusal
from gateway.ask import Answered, VideoAsk
from gateway.claims import Claims, Rows, answered_with
from gateway.submission import Submission, Wish

_ROUNDS = 3  # a clip may go out of service between the look and the commit: then we look again


# One Film for the same ask, so that the keys of popular ones are computed once.
_film = lru_cache(maxsize=4096)(Film)


@dataclass(frozen=True)
class Rules:
    """`cache` false: every request renders. `video_ttl` in seconds, `min_free` in bytes. `notes` warns about a prompt.
    Without `keep_prompts` only the same words are ever found again, by their digest.
    """

    cache: bool = True
    video_ttl: float | None = None
    min_free: int = 0
    notes: Callable[[Prompt], tuple[str, ...]] = lambda _: ()
    keep_prompts: bool = True


@dataclass(frozen=True)
class _Look:
    """One walk over the tiers. `search` is None where the near tier was not asked."""

    verdict: Exact | Near | Miss | Bypass
    search: Search | None = None


class Answer(Claims):
    """`create` here; what follows a request stands in claims.py."""

    def __init__(
        self,
        rows: Rows,
        objects: Objects,
        lookup: Lookup,
        memory: ExactMemory,
        submission: Submission,
        rules: Rules,
        shared: SharedTier,
    ) -> None:
        super().__init__(rows)
        self._objects, self._lookup, self._memory = objects, lookup, memory
        self._submission, self._rules = submission, rules
        self._shared, self._rerolls = shared, Rerolls(rows.database, rows.labels)

    async def create(self, ask: VideoAsk) -> Answered:
        started = time.time()
        film = _film(tenant_scope(ask.caller.tenant), ask.prompt, ask.recipe)
        if ask.idempotency_key is not None and (before := await self._before(ask)) is not None:
            return before
        for _ in range(_ROUNDS):
            with span("lookup"):
                look = await self._look(ask, film)
            if isinstance(look.verdict, Exact | Near):
                answered = await self._hit(ask, film, look.verdict, started)
            else:
                answered = await self._miss(ask, film, look, started)
            if answered is not None:
                return answered
        raise Unavailable("the clips that answer this keep going out of service")

    # Look

    async def _look(self, ask: VideoAsk, film: Film) -> _Look:
        directives = ask.directives
        if not self._rules.cache or directives.no_cache:
            reason = "no-cache" if directives.no_cache else "cache off"
            return _Look(Bypass(reason), await self._unsearched(film))
        clip = self._remembered(film, ask.seed, directives.max_age)
        if clip is not None:
            return _Look(Exact(clip))
        # Without words that stay there is nothing to read.
        async with self._lookup.reading(film) if self._rules.keep_prompts else nullcontext() as reading:
            variant_key = None if ask.seed is None else Variant(film, pinned_seed=ask.seed).key
            glance = await self._lookup.glance(film, variant_key)
            if glance.exact and (clip := await self._stored(film, ask.seed, variant_key, directives.max_age)) is not None:
                return _Look(Exact(clip))
            if ask.seed is not None or not self._rules.keep_prompts:
                reason = "seed pinned" if ask.seed is not None else "prompts are not kept: only the same words are found"
                return _Look(Miss((Refusal(reason),)), await self._unsearched(film, reading))
            at = time.time()
            oldest = 0.0 if directives.max_age is None else at - directives.max_age
            search = await self._lookup.near(film, oldest, at, glance, reading)
        if glance.exact and directives.max_age is not None and isinstance(search.verdict, Miss):
            # The clip is there, and only its age speaks against it.
            search = replace(search, verdict=Miss((Refusal("older than max-age"), *search.verdict.refused)[:SHOWN]))
        if isinstance(search.verdict, Miss) and ask.caller.shares:
            pooled = await self._shared.find(film, search.embedding, directives.max_age)
            if pooled is not None:
                return _Look(pooled, search)
        return _Look(search.verdict, search)

    def _remembered(self, film: Film, seed: int | None, max_age: int | None) -> Clip | None:
        clip, at = self._memory.get(exact_key(film, seed)), time.time()
        return clip if clip is not None and clip.answers(at) and (max_age is None or clip.created_at >= at - max_age) else None

    async def _stored(self, film: Film, seed: int | None, variant_key: str | None, max_age: int | None) -> Clip | None:
        async with self._database.read() as connection:
            clip = await self._shelf.find_exact(connection, film.key, variant_key, max_age)
        if clip is not None and max_age is None:
            self._memory.put(exact_key(film, seed), clip)
        return clip

    async def _unsearched(self, film: Film, reading: Reading | None = None) -> Search | None:
        """No look, but the clip to be made will want its vector."""
        if not self._rules.keep_prompts:
            return None
        embedding, _ = await (self._lookup.embed(film) if reading is None else reading)
        return Search(Miss(), embedding, 0)

    # Answer

    async def _hit(self, ask: VideoAsk, film: Film, verdict: Exact | Near, started: float) -> Answered | None:
        """None: the clip went out of service meanwhile."""
        request = self._request(ask, film, verdict, started)
        if ask.idempotency_key is not None or (verdict.clip.scope, verdict.clip.recipe.key) != (film.scope, request.recipe.key):
            return await self._hit_once(ask, request, verdict.clip)
        with span("commit"):
            recorded = await self._requests.record_hit(request)
        if not recorded:
            self._memory.forget(verdict.clip.id)
            return None
        return answered_with(request, verdict.clip)

    async def _hit_once(self, ask: VideoAsk, request: Request, clip: Clip) -> Answered | None:
        """What group commit does not know of: an Idempotency-Key, a clip of the shared pool, which may have left it, or a
        Recipe that is not written down yet.
        """
        async with self._database.write() as connection:
            if not await self._still(connection, request, clip):
                self._memory.forget(clip.id)
                return None
            key, first = ask.idempotency_key, True
            if key is not None:
                first = await self._requests.remember(connection, request.tenant, key, ask.body_digest, request.id)
            if first:
                await self._requests.insert(connection, request)
                await self._requests.count_hit(connection, request)
        return answered_with(request, clip) if first else await self._before(ask)

    async def _still(self, connection: Transaction, request: Request, clip: Clip) -> bool:
        """Whether `clip` answers this tenant at the commit."""
        if clip.scope != request.scope:
            return await self._shared.pool.answers(connection, clip.id)
        found = await self._shelf.by_id(connection, clip.id)
        return found is not None and found.answers(time.time())

    async def _miss(self, ask: VideoAsk, film: Film, look: _Look, started: float) -> Answered | None:
        assert isinstance(look.verdict, Miss | Bypass), "hits are answered elsewhere"
        if ask.directives.only_if_cached:
            raise NotCached("no clip will do, and only-if-cached asks for no new one")
        await self._check_space()
        wish = Wish(
            ask.caller.tenant,
            film,
            pinned_seed=ask.seed,
            search=look.search,
            fresh=isinstance(look.verdict, Bypass),
            private=ask.directives.no_store,
            keep_words=self._keeps(ask),
            max_age=ask.directives.max_age,
            priority=ask.priority,
            allow_smaller=ask.allow_smaller,
            tags=ask.tags,
        )
        draft = self._request(ask, film, look.verdict, started)
        key = None if ask.idempotency_key is None else (ask.idempotency_key, ask.body_digest)
        with span("commit"):
            placed = await self._submission.submit(wish, draft, key)
        if placed is None:
            return await self._before(ask)
        request, clip = placed
        if ask.directives.no_cache:
            await self._rerolls.note(request)
        if clip is not None:
            return answered_with(request, clip)
        return await self.wait(request, ask.wait)

    async def _before(self, ask: VideoAsk) -> Answered | None:
        """What the same Idempotency-Key became earlier, as it is now."""
        assert ask.idempotency_key is not None, "asked only with a key"
        async with self._database.read() as connection:
            known = await self._requests.remembered(connection, ask.caller.tenant, ask.idempotency_key)
        if known is None:
            return None
        body, request_id = known
        if body != ask.body_digest:
            raise IdempotencyReused("this Idempotency-Key was used with another body")
        return await self.retrieve(ask.caller, request_id)

    async def _check_space(self) -> None:
        free = await self._objects.free_bytes()
        if free is not None and free < self._rules.min_free:
            raise DiskFull(f"only {free / 1e9:.1f} GB are free; no render starts under {self._rules.min_free / 1e9:.1f} GB", 60.0)

    def _keeps(self, ask: VideoAsk) -> bool:
        return self._rules.keep_prompts and not ask.directives.no_store

    def _request(self, ask: VideoAsk, film: Film, verdict: Exact | Near | Miss | Bypass, started: float) -> Request:
        clip = verdict.clip if isinstance(verdict, Exact | Near) else None
        # Of the shared pool nothing is told but the clip: no score, and none of what was refused there.
        scored = verdict if isinstance(verdict, Near) and verdict.clip.scope == film.scope else None
        keeps = self._keeps(ask)
        return Request(
            id=new_id("video"),
            tenant=ask.caller.tenant,
            scope=film.scope,
            created_at=started,
            # Words that must not stay are not written down; the open job alone holds them until it is rendered.
            prompt=ask.prompt.text if keeps else None,
            film_key=film.key,
            recipe=ask.recipe if keeps else ask.recipe.without_words,
            pinned_seed=ask.seed,
            take=clip.take if clip is not None else None,
            priority=ask.priority.value,
            verdict=_WORDS[type(verdict)],
            tags=ask.tags,
            no_store=ask.directives.no_store,
            reason=verdict.reason if isinstance(verdict, Bypass) else None,
            similarity=scored.similarity if scored is not None else None,
            confidence=scored.confidence if scored is not None else None,
            refused=tuple(hidden(refusal) for refusal in verdict.refused) if isinstance(verdict, Near | Miss) else (),
            notes=self._rules.notes(ask.prompt) if keeps else (),
            clip_id=clip.id if clip is not None else None,
            gpu_seconds_saved=clip.gpu_seconds if clip is not None else 0.0,
            completed_at=time.time() if clip is not None else None,
            expires_at=None if self._rules.video_ttl is None else started + self._rules.video_ttl,
        )


_WORDS: dict[type, VerdictWord] = {Exact: "exact", Near: "near", Miss: "miss", Bypass: "bypass"}
