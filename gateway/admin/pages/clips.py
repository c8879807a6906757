"""Clips: found by filter, looked at, pinned, taken out of service, and brought back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.clip import Clip
from cache.errors import Invalid, NotFound
from cache.ids import is_id
from cache.storage.operators.clip_search import SORTS, STATES, ClipSearch, FoundClip, Totals
from cache.storage.operators.invalidation import Invalidation, removal_of
from cache.storage.operators.near_hits import Answers, NearHits
from gateway.admin.charts import waterfall
from gateway.admin.door import may_read, reader_of
from gateway.admin.fields import Asked, address, form, plain, query, wants_json, words
from gateway.admin.page import page, sent_to, twin
from gateway.admin.pages.clip_filter import LISTING, asked
from gateway.entry.access import caller_of
from gateway.http.reply import Reply

log = structlog.get_logger(__name__)

_PAGE = 24
_LISTED = 12  # clips that a dry run shows
_READING = ["GET", "HEAD"]


@dataclass(frozen=True)
class Deed:
    """What a page says of something that was just done; `undo` is the invalidation that may be taken back."""

    words: str
    undo: str | None = None


class Clips:
    def __init__(self, search: ClipSearch, invalidation: Invalidation, near_hits: NearHits) -> None:
        self._search, self._invalidation, self._near_hits = search, invalidation, near_hits

    def routes(self) -> list[HTTPRouteHandler]:
        found = [
            (["/admin/clips", "/admin/api/clips"], _READING, self.list),
            (["/admin/clips/invalidate"], _READING, self.dry_run),
            (["/admin/clips/invalidate", "/admin/api/clips/invalidate"], ["POST"], self.invalidate),
            (["/admin/removals/{removal:str}/undo", "/admin/api/removals/{removal:str}/undo"], ["POST"], self.undo_all),
            (["/admin/clips/{clip_id:str}", "/admin/api/clips/{clip_id:str}"], _READING, self.show),
            (["/admin/clips/{clip_id:str}/{deed:str}", "/admin/api/clips/{clip_id:str}/{deed:str}"], ["POST"], self.do),
        ]
        return [route(paths, http_method=methods, status_code=200)(handler) for paths, methods, handler in found]  # type: ignore[arg-type]

    async def list(self, request: Asked) -> Reply:
        wanted = asked(query(request), reader_of(request))
        found, more = await self._search.page(wanted.filter, wanted.sort, wanted.ascending, wanted.after, _PAGE)
        totals = await self._search.totals(wanted.filter)
        listing = {"sort": wanted.sort, "order": "asc" if wanted.ascending else "desc"}
        follows = {**wanted.sent, **listing, "after": found[-1].clip.id} if more else None
        if wants_json(request):
            shape = [_shape(request, one) for one in found]
            return twin(request, {"totals": _totals(totals), "data": shape, "next": follows and address("/admin/api/clips", **follows)})
        return page(
            request,
            "clips.html",
            clips=[_row(request, one) for one in found],
            totals=totals,
            asked=wanted,
            sorts=SORTS,
            states=(*STATES, "any"),
            recipes=await self._search.recipes(),
            tenants=await self._search.tenants(),
            everyone=reader_of(request) is None,
            next=follows and address("/admin/clips", **follows),
            invalidate=address("/admin/clips/invalidate", **wanted.sent),
            twin=address("/admin/api/clips", **wanted.sent, **listing),
            deed=await self._told(wanted.filter.removal),
            grace=self._invalidation.grace,
        )

    async def _told(self, removal: str) -> Deed | None:
        """Of an invalidation that the list is about."""
        if not removal:
            return None
        left = await self._search.totals(asked({"removal": removal}, None).filter)
        if not left.count:
            return Deed("Nothing is left of this invalidation: it was undone, or its grace time is over.")
        return Deed(f"{left.count:,} {'clip is' if left.count == 1 else 'clips are'} out of service by this invalidation.", removal)

    # Taking out, and back

    async def dry_run(self, request: Asked) -> Reply:
        wanted = asked(query(request), reader_of(request))
        counted = await self._invalidation.dry_run(wanted.filter)
        found, _ = await self._search.page(wanted.filter, wanted.sort, wanted.ascending, None, _LISTED)
        return page(
            request,
            "clips_invalidate.html",
            counted=counted,
            asked=wanted,
            clips=[_row(request, one) for one in found],
            back=address("/admin/clips", **wanted.sent),
            grace=self._invalidation.grace,
        )

    async def invalidate(self, request: Asked) -> Reply:
        """With `dry_run=yes` it only counts; without `counted_at` it takes what matches now, but never all there is: an empty
        filter may be one that a client forgot to fill in.
        """
        fields = await form(request)
        wanted = asked({name: value for name, value in fields.items() if value and name not in LISTING}, reader_of(request))
        if wanted.filter.state == "withdrawn":
            raise Invalid("state", "these clips are out of service already")
        if fields.get("dry_run") == "yes":
            counted = await self._invalidation.dry_run(wanted.filter)
            return twin(request, {"dry_run": True, "counted_at": counted.counted_at, **_totals(counted.totals)})
        counted_at = _seconds(fields.get("counted_at"))
        if counted_at is None and not wanted.sent:
            raise Invalid("counted_at", "to take every clip out of service, count them first (dry_run=yes) and send its counted_at")
        until = [edge for edge in (wanted.filter.until, counted_at) if edge is not None]
        done = await self._invalidation.matching(replace(wanted.filter, until=min(until) if until else None))
        log.info("clips invalidated", removal=done.removal, clips=done.count, filter=sorted(wanted.sent), by=caller_of(request).key_id)
        if wants_json(request):
            return twin(request, {"removal": done.removal, "count": done.count, "grace_seconds": self._invalidation.grace})
        return sent_to(address("/admin/clips", removal=done.removal) if done.count else "/admin/clips")

    async def undo_all(self, request: Asked, removal: FromPath[str]) -> Reply:
        undone = await self._invalidation.undo_all(removal)
        log.info("invalidation undone", removal=removal, back=len(undone.back), refused=undone.refused, by=caller_of(request).key_id)
        if wants_json(request):
            return twin(request, {"back": len(undone.back), "refused": undone.refused, "reasons": undone.reasons})
        if not undone.refused:
            return sent_to("/admin/clips")
        return page(request, "clips_undone.html", undone=undone)

    # One clip

    async def show(self, request: Asked, clip_id: FromPath[str]) -> Reply:
        found = await self._search.by_id(clip_id) if is_id("clip", clip_id) else None
        if found is None:
            raise NotFound(f"no clip has the id {clip_id[:64]!r}", "clip_id")
        reuse = await self._search.reuse(clip_id)
        answers: list[Answers] = await self._near_hits.answers(clip_id, reader_of(request))
        if wants_json(request):
            reused = [{"tenant": one.tenant, "verdict": one.verdict, "count": one.count, "last_at": one.last_at} for one in reuse]
            return twin(request, {**_shape(request, found), "reused": reused, "answered": answers})
        clip = found.clip
        return page(
            request,
            "clip.html",
            one=_row(request, found),
            recipe=_recipe(clip),
            reuse=reuse,
            answers=answers,
            whole=found,
            stages=waterfall("stages", "How it was made", clip.stages_ms) if clip.stages_ms else None,
            grace=self._invalidation.grace,
            twin=f"/admin/api/clips/{clip.id}",
        )

    async def do(self, request: Asked, clip_id: FromPath[str], deed: FromPath[str]) -> Reply:
        fields = await form(request)
        if not is_id("clip", clip_id):
            raise NotFound(f"no clip has the id {clip_id[:64]!r}", "clip_id")
        removal = None
        match deed:
            case "pin" | "unpin":
                await self._invalidation.pin(clip_id, deed == "pin")
            case "invalidate":
                removal = (await self._invalidation.one(clip_id)).removal
            case "undo":
                await self._invalidation.undo(clip_id)
            case _:
                raise NotFound(f"a clip cannot be asked to {deed[:40]!r}")
        log.info("clip changed by hand", clip=clip_id, deed=deed, by=caller_of(request).key_id)
        if wants_json(request):
            return twin(request, {"clip": clip_id, "done": deed, "removal": removal})
        return sent_to("/admin/clips" if fields.get("then") == "list" else f"/admin/clips/{clip_id}")


def _row(request: Asked, found: FoundClip) -> dict[str, object]:
    """One clip for a template."""
    clip, removal = found.clip, removal_of(found.withdrawn_reason)
    seen = may_read(reader_of(request), clip.tenant)
    return {
        "id": clip.id,
        "tenant": clip.tenant,
        "prompt": words(request, clip.tenant, clip.prompt),
        "seen": seen and clip.state != "withdrawn",
        "state": clip.state,
        "pinned": clip.pinned,
        "recipe": clip.recipe,
        "hits": found.hits,
        "last_hit_at": found.last_hit_at,
        "length": clip.length,
        "gpu_seconds": clip.gpu_seconds,
        "created_at": clip.created_at,
        "expires_at": clip.expires_at,
        "tags": clip.tags,
        "notes": clip.notes if seen else (),
        "take": clip.take,
        "seed": clip.seed,
        "objects": sorted(clip.objects.values(), key=lambda stored: stored.kind),
        "withdrawn_at": found.withdrawn_at,
        "reason": "invalidated by hand" if removal else found.withdrawn_reason,
        "removal": removal,
    }


def _shape(request: Asked, found: FoundClip) -> dict[str, object]:
    """One clip for a program."""
    clip = found.clip
    return {
        "clip": clip.id,
        "tenant": clip.tenant,
        "prompt": plain(request, clip.tenant, clip.prompt),
        "state": clip.state,
        "pinned": clip.pinned,
        "recipe": {name: value for name, value in clip.recipe.as_fields().items() if name != "negative_prompt"},
        "recipe_key": clip.recipe.key,
        "seed": clip.seed,
        "take": clip.take,
        "tags": clip.tags,
        "hits": found.hits,
        "last_hit_at": found.last_hit_at,
        "bytes": clip.length,
        "gpu_seconds": clip.gpu_seconds,
        "stages_ms": clip.stages_ms,
        "created_at": clip.created_at,
        "expires_at": clip.expires_at,
        "withdrawn_at": found.withdrawn_at,
        "withdrawn_reason": found.withdrawn_reason,
        "removal": removal_of(found.withdrawn_reason),
        "objects": [{"kind": stored.kind, "sha256": stored.sha256, "bytes": stored.length} for stored in clip.objects.values()],
    }


def _recipe(clip: Clip) -> list[tuple[str, object]]:
    """What of the Recipe is worth a line; a negative prompt is words, and stands with the words."""
    recipe = clip.recipe
    return [
        ("Model", recipe.model), ("Revision", recipe.revision), ("Renderer", recipe.renderer), ("Size", recipe.size),
        ("Length", f"{recipe.frames} frames at {recipe.fps} a second, {recipe.seconds:g} s"),
        ("Quality", f"{recipe.quality}, {recipe.steps} steps"), ("Step cache", recipe.step_cache),
        ("Guidance", f"{recipe.guidance:g}"), ("Flow shift", f"{recipe.flow_shift:g}"),
    ]  # fmt: skip


def _totals(totals: Totals) -> dict[str, object]:
    return {"count": totals.count, "bytes": totals.length, "gpu_seconds": totals.gpu_seconds, "pinned": totals.pinned}


def _seconds(sent: str | None) -> float | None:
    try:
        return None if not sent else float(sent)
    except ValueError:
        raise Invalid("counted_at", "counted_at is what the dry run said") from None
