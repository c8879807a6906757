"""The answer to a request: look, judge, and answer with a clip or a job in progress."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

from cache.clip import Clip
from cache.errors import DatabaseAway, DiskFull, IdempotencyReused, Invalid, NotCached, RepriseError, Unavailable
from cache.matching.exact import ExactMemory, exact_key
from cache.matching.lookup import SHOWN, Lookup, Reading, Search
from cache.matching.shared_tier import SharedTier
from cache.request import Request
from cache.spans import span
from cache.storage.bytes.objects import Objects
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database, Transaction
from cache.storage.requests.answer_times import AnswerTimes
from cache.storage.requests.labels import is_disliked
from cache.storage.requests.requests import Requests
from cache.storage.requests.rerolls import Rerolls
from cache.variant import Spec, Variant, asker_of, is_tenant_wide
from cache.verdict import Bypass, Exact, Miss, Near, Refusal
from gateway.answering.ask import Answered, VideoAsk
from gateway.answering.assisting import DonorSearch
from gateway.answering.disclosure import Disclosure
from gateway.answering.follow_up import FollowUp, answered_with
from gateway.answering.late_clips import LateClips
from gateway.answering.rules import Rules
from gateway.answering.submission import AskedBefore, RenderRequest, Submission, Submitted

_ROUNDS = 3  # a clip may go out of service between look-up and commit: then the look-up is repeated


# One Spec for the same ask, so that the keys of popular ones are computed once.
_spec = lru_cache(maxsize=4096)(Spec)


@dataclass(frozen=True)
class _Look:
    """The result of a look-up. `search` is None if the near tier was not searched."""

    verdict: Exact | Near | Miss | Bypass
    search: Search | None = None


class Answer:
    """A request's way to its answer; what follows it stands in follow_up.py."""

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        requests: Requests,
        rerolls: Rerolls,
        times: AnswerTimes,
        objects: Objects,
        lookup: Lookup,
        memory: ExactMemory,
        submission: Submission,
        shared: SharedTier,
        late: LateClips,
        follow_up: FollowUp,
        disclosure: Disclosure,
        rules: Rules,
    ) -> None:
        self._database, self._shelf, self._requests = database, shelf, requests
        self._rerolls, self._times = rerolls, times
        self._objects, self._lookup, self._memory = objects, lookup, memory
        self._submission, self._shared, self._late = submission, shared, late
        self._follow_up, self._disclosure, self._rules = follow_up, disclosure, rules

    async def create(self, ask: VideoAsk) -> Answered:
        started = time.time()
        self._check_options(ask)
        spec = _spec(ask.scope, ask.prompt, ask.recipe)
        if ask.idempotency_key is not None and (before := await self._before(ask)) is not None:
            return before
        for _ in range(_ROUNDS):
            with span("lookup"):
                look = await self._look(ask, spec)
            match look.verdict:
                case Exact() | Near():
                    answered = await self._hit(ask, spec, look.verdict, started)
                case Miss() | Bypass():
                    answered = await self._miss(ask, spec, look.verdict, look.search, started)
                case other:
                    assert_never(other)
            if answered is not None:
                return (await self._disclosure.of([answered]))[0]
        raise Unavailable("the clips that would answer this keep being withdrawn; try again")

    def _check_options(self, ask: VideoAsk) -> None:
        """Raises Invalid for a limit above the instance's, which is a promise to all clients: a request may only be stricter."""
        limit = ask.options.max_wrong
        if limit is not None and limit > self._rules.max_wrong:
            raise Invalid("reprise.max_wrong", f"reprise.max_wrong is at most {self._rules.max_wrong:g}, this server's own limit")

    # Look

    async def _look(self, ask: VideoAsk, spec: Spec) -> _Look:
        directives = ask.directives
        if not self._rules.cache or directives.no_cache:
            reason = "no-cache" if directives.no_cache else "cache off"
            return _Look(Bypass(reason), await self._unsearched(spec))
        clip = self._remembered(spec, ask.seed, directives.max_age)
        if clip is not None:
            return _Look(Exact(clip))
        # Without words that stay there is nothing to read.
        async with self._lookup.reading(spec) if self._rules.keep_prompts else nullcontext() as reading:
            variant_key = None if ask.seed is None else Variant(spec, pinned_seed=ask.seed).key
            rows = await self._lookup.rows(spec, variant_key)
            if rows.exact and (clip := await self._stored(spec, ask.seed, variant_key, directives.max_age)) is not None:
                return _Look(Exact(clip))
            if ask.seed is not None or not self._rules.keep_prompts:
                reason = "seed pinned" if ask.seed is not None else "prompts are not kept: only the same words are found"
                refused = await self._lookup.refused(spec, rows) if ask.seed is None else ()
                return _Look(Miss((*refused, Refusal(reason))), await self._unsearched(spec, reading))
            at = time.time()
            oldest = 0.0 if directives.max_age is None else at - directives.max_age
            search = await self._lookup.near(spec, oldest, at, rows, reading, ask.options.max_wrong)
        if rows.exact and directives.max_age is not None and isinstance(search.verdict, Miss):
            # There is a clip, which only its age rules out.
            search = replace(search, verdict=Miss((Refusal("older than max-age"), *search.verdict.refused)[:SHOWN]))
        if isinstance(search.verdict, Miss) and directives.only_if_cached:
            # Whoever may render learns of the newest clips under the lock of the submission.
            late = await self._late.find(spec, search, oldest, ask.options.max_wrong)
            search = search if late is None else replace(search, verdict=late)
        if isinstance(search.verdict, Miss) and ask.caller.shares and is_tenant_wide(spec.scope):
            pooled = await self._shared.find(spec, search.embedding, directives.max_age, ask.options.max_wrong)
            if pooled is not None:
                return _Look(pooled, search)
        return _Look(search.verdict, search)

    def _remembered(self, spec: Spec, seed: int | None, max_age: int | None) -> Clip | None:
        clip, at = self._memory.get(exact_key(spec, seed)), time.time()
        return clip if clip is not None and clip.answers(at) and (max_age is None or clip.created_at >= at - max_age) else None

    async def _stored(self, spec: Spec, seed: int | None, variant_key: str | None, max_age: int | None) -> Clip | None:
        async with self._database.read() as connection:
            clip = await self._shelf.find_exact(connection, spec.key, variant_key, max_age)
        if clip is not None and max_age is None:
            self._memory.put(exact_key(spec, seed), clip)
        return clip

    async def _unsearched(self, spec: Spec, reading: Reading | None = None) -> Search | None:
        """The result without a look-up; the new clip still needs its vector."""
        return await self._lookup.unsearched(spec, reading) if self._rules.keep_prompts else None

    # Answer

    async def _hit(self, ask: VideoAsk, spec: Spec, verdict: Exact | Near, started: float) -> Answered | None:
        """Answers with a hit; None if the clip went out of service in the meantime, or a person said that it does not fit."""
        request = self._rules.draft(ask, spec, verdict, started)
        rows = ask.idempotency_key is not None or ask.webhook_url is not None
        if rows or (verdict.clip.scope, verdict.clip.recipe.key) != (spec.scope, request.recipe.key):
            return await self._hit_once(ask, request, verdict.clip, started)
        with span("commit"):
            recorded = await self._requests.record_hit(request)
        if not recorded:
            self._memory.forget(verdict.clip.id)
            return None
        self._times.note(request.id, (time.time() - started) * 1000)
        return answered_with(request, verdict.clip)

    async def _hit_once(self, ask: VideoAsk, request: Request, clip: Clip, started: float) -> Answered | None:
        """Records a hit that group commit cannot handle: with an Idempotency-Key or a webhook, a clip of the shared pool, which may have
        left it, or a Recipe without a row.
        """
        async with self._database.write() as connection:
            if not await self._still(connection, request, clip):
                self._memory.forget(clip.id)
                return None
            key, first = ask.idempotency_key, True
            if key is not None:
                first = await self._requests.remember(connection, request.tenant, key, ask.body_digest, request.id)
            if first:
                await self._requests.insert(connection, request, ask.webhook_url)
                await self._requests.count_hit(connection, request)
        if not first:
            return await self._before(ask)
        self._times.note(request.id, (time.time() - started) * 1000)
        return answered_with(request, clip)

    async def _still(self, connection: Transaction, request: Request, clip: Clip) -> bool:
        """True if `clip` may answer this tenant and these words at the commit."""
        if await is_disliked(connection, request, clip.id):
            return False
        if clip.scope != request.scope:
            return await self._shared.pool.answers(connection, clip.id)
        found = await self._shelf.by_id(connection, clip.id)
        return found is not None and found.answers(time.time())

    async def _miss(self, ask: VideoAsk, spec: Spec, verdict: Miss | Bypass, search: Search | None, started: float) -> Answered | None:
        if ask.directives.only_if_cached:
            raise NotCached("no cached clip fits, and only-if-cached forbids rendering one")
        self._rules.check_workers(spec.recipe.model)
        await self._check_space()
        wanted = RenderRequest(
            ask.caller.tenant,
            spec,
            pinned_seed=ask.seed,
            search=search,
            fresh=isinstance(verdict, Bypass),
            private=ask.directives.no_store,
            keep_words=self._rules.keeps(ask),
            max_age=ask.directives.max_age,
            max_wrong=ask.options.max_wrong,
            priority=ask.priority,
            allow_smaller=ask.allow_smaller,
            tags=ask.tags,
            donors=self._donors(ask, verdict),
            asker=None if ask.directives.no_store else asker_of(ask.caller.tenant, ask.end_user),
        )
        draft = self._rules.draft(ask, spec, verdict, started)
        placed = await self._submitted(ask, wanted, draft)
        if isinstance(placed, AskedBefore):
            return await self._before(ask)
        if ask.directives.no_cache:
            await self._rerolls.note(placed.request)
        if placed.clip is not None:
            self._times.note(placed.request.id, (time.time() - started) * 1000)
            return answered_with(placed.request, placed.clip)
        return await self._follow_up.wait(placed.request, ask.wait)

    async def _submitted(self, ask: VideoAsk, wanted: RenderRequest, draft: Request) -> Submitted | AskedBefore:
        key = None if ask.idempotency_key is None else (ask.idempotency_key, ask.body_digest)
        pictures = self._shelf.pictures
        brought = None if ask.picture is None else await pictures.bring(wanted.spec.scope, ask.picture)
        try:
            with span("commit"):
                placed = await self._submission.submit(replace(wanted, picture=brought), draft, key, ask.webhook_url)
        except DatabaseAway:
            raise  # the commit may have come through: what nobody names is found by `reprise doctor`
        except RepriseError:
            await pictures.let_go(brought)
            raise
        await pictures.let_go(brought)  # another job or clip may have come first
        return placed

    async def _before(self, ask: VideoAsk) -> Answered | None:
        """The state of an earlier request with the same Idempotency-Key, after the wait that this one asks for."""
        assert ask.idempotency_key is not None, "asked only with a key"
        async with self._database.read() as connection:
            known = await self._requests.remembered(connection, ask.caller.tenant, ask.idempotency_key)
        if known is None:
            return None
        body, request_id = known
        if body != ask.body_digest:
            raise IdempotencyReused("this Idempotency-Key was used with another body")
        request = await self._requests.by_id(ask.caller.tenant, request_id)
        return await (self._follow_up.wait(request, ask.wait) if request.open else self._follow_up.describe(request))

    async def _check_space(self) -> None:
        free = await self._objects.free_bytes()
        if free is not None and free < self._rules.min_free:
            raise DiskFull(f"only {free / 1e9:.1f} GB of disk are free; rendering needs {self._rules.min_free / 1e9:.1f} GB", 60.0)

    def _donors(self, ask: VideoAsk, verdict: Miss | Bypass) -> DonorSearch:
        if not ask.options.assist or ask.seed is not None:
            return None
        return self._rules.assisting.search(verdict, again=ask.directives.no_cache and self._rules.cache)
