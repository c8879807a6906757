"""The rules of an instance for every request, and the row of a request under them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cache.ids import new_id
from cache.matching.lookup import hidden
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.request import Request
from cache.variant import Spec
from cache.verdict import Bypass, Exact, Miss, Near, word_of
from gateway.answering.ask import VideoAsk
from gateway.answering.assisting import NO_ASSISTANCE, Assisting


@dataclass(frozen=True)
class Rules:
    """The instance's rules. `cache` false: all requests render. `video_ttl`: seconds; `min_free`: bytes. `notes` warns about a prompt for a
    Recipe's model; `check_workers` raises ModelAway where nobody would render a miss of the model of that name.
    `max_wrong` is the limit of near hits, which a request may only lower.
    Without `keep_prompts` there are only exact hits, by the digest of the words.
    """

    cache: bool = True
    video_ttl: float | None = None
    min_free: int = 0
    notes: Callable[[Prompt, Recipe], tuple[str, ...]] = lambda *_: ()
    check_workers: Callable[[str], None] = lambda _: None
    keep_prompts: bool = True
    max_wrong: float = 1.0
    assisting: Assisting = NO_ASSISTANCE

    def keeps(self, ask: VideoAsk) -> bool:
        """True if the words of this request may be stored."""
        return self.keep_prompts and not ask.directives.no_store

    def draft(self, ask: VideoAsk, spec: Spec, verdict: Exact | Near | Miss | Bypass, started: float) -> Request:
        """The request's row, as the verdict leaves it. `started`: when it came."""
        clip = verdict.clip if isinstance(verdict, Exact | Near) else None
        # Nothing is revealed of the shared pool but the clip: no score, and no refusals.
        scored = verdict if isinstance(verdict, Near) and verdict.clip.scope == spec.scope else None
        keeps = self.keeps(ask)
        return Request(
            id=new_id("video"),
            tenant=ask.caller.tenant,
            scope=spec.scope,
            key_id=ask.caller.key_id,
            created_at=started,
            # A prompt that must not be stored is only in the open job, until it is rendered.
            prompt=ask.prompt.text if keeps else None,
            spec_key=spec.key,
            recipe=ask.recipe if keeps else ask.recipe.without_words,
            pinned_seed=ask.seed,
            take=clip.take if clip is not None else None,
            priority=ask.priority.value,
            verdict=word_of(verdict),
            tags=ask.tags,
            no_store=ask.directives.no_store,
            reason=verdict.reason if isinstance(verdict, Bypass) else None,
            similarity=scored.similarity if scored is not None else None,
            confidence=scored.confidence if scored is not None else None,
            refused=tuple(hidden(refusal) for refusal in verdict.refused) if isinstance(verdict, Near | Miss) else (),
            notes=self.notes(ask.prompt, ask.recipe) if keeps else (),
            clip_id=clip.id if clip is not None else None,
            gpu_seconds_saved=clip.gpu_seconds if clip is not None else 0.0,
            completed_at=time.time() if clip is not None else None,
            expires_at=None if self.video_ttl is None else started + self.video_ttl,
            end_user=None if ask.directives.no_store else ask.end_user,
            metadata={} if ask.directives.no_store else ask.metadata,
        )
