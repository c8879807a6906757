"""The clips pages: filter, inspect, pin, invalidate and restore clips."""

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
from gateway.admin.fields import address, prompt_json, query_fields, shown_prompt, wants_json
from gateway.admin.page import json_variant, page, sent_to
from gateway.admin.pages.clip_filter import LISTING, asked
from gateway.auth.access import caller_of
from gateway.http.addresses import root_at
from gateway.http.forms import form
from gateway.http.reply import AnyRequest, Reply

log = structlog.get_logger(__name__)

_PAGE = 24
_LISTED = 12  # clips shown by a dry run
_READING = ["GET", "HEAD"]


@dataclass(frozen=True)
class InvalidationNotice:
    """The notice shown after an invalidation; `undo` is the id of one that can still be undone."""

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
            (["/admin/clips/{clip_id:str}/{action:str}", "/admin/api/clips/{clip_id:str}/{action:str}"], ["POST"], self.do),
        ]
        return [route(paths, http_method=methods, status_code=200)(handler) for paths, methods, handler in found]  # type: ignore[arg-type]

    async def list(self, request: AnyRequest) -> Reply:
        wanted = asked(query_fields(request), reader_of(request))
        found, more = await self._search.page(wanted.filter, wanted.sort, wanted.ascending, wanted.after, _PAGE)
        totals = await self._search.totals(wanted.filter)
        listing = {"sort": wanted.sort, "order": "asc" if wanted.ascending else "desc"}
        follows = {**wanted.sent, **listing, "after": found[-1].clip.id} if more else None
        if wants_json(request):
            shape = [_shape(request, one) for one in found]
            return json_variant(
                request,
                {
                    "totals": _totals(totals),
                    "data": shape,
                    "next": follows and root_at(request.scope) + address("/admin/api/clips", **follows),
                },
            )
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
            json_url=address("/admin/api/clips", **wanted.sent, **listing),
            action=await self._told(wanted.filter.removal),
            grace=self._invalidation.grace,
        )

    async def _told(self, removal: str) -> InvalidationNotice | None:
        """The notice of the invalidation that the list is filtered by."""
        if not removal:
            return None
        left = await self._search.totals(asked({"removal": removal}, None).filter)
        if not left.count:
            return InvalidationNotice("This invalidation was undone, or its grace time is over.")
        return InvalidationNotice(
            f"{left.count:,} {'clip is' if left.count == 1 else 'clips are'} out of service by this invalidation.", removal
        )

    # Taking out, and back

    async def dry_run(self, request: AnyRequest) -> Reply:
        wanted = asked(query_fields(request), reader_of(request))
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

    async def invalidate(self, request: AnyRequest) -> Reply:
        """Takes matching clips out of service; with `dry_run=yes` it only counts them. Without `counted_at` it takes what matches
        now, but never all clips: an empty filter may be one that a client forgot to fill in.
        """
        fields = await form(request)
        wanted = asked({name: value for name, value in fields.items() if value and name not in LISTING}, reader_of(request))
        if wanted.filter.state == "withdrawn":
            raise Invalid("state", "these clips are already out of service")
        if fields.get("dry_run") == "yes":
            counted = await self._invalidation.dry_run(wanted.filter)
            return json_variant(request, {"dry_run": True, "counted_at": counted.counted_at, **_totals(counted.totals)})
        counted_at = _seconds(fields.get("counted_at"))
        if counted_at is None and not wanted.sent:
            raise Invalid("counted_at", "to take every clip out of service, count them first (dry_run=yes) and send its counted_at")
        until = [edge for edge in (wanted.filter.until, counted_at) if edge is not None]
        done = await self._invalidation.matching(replace(wanted.filter, until=min(until) if until else None))
        log.info("clips invalidated", removal=done.removal, clips=done.count, filter=sorted(wanted.sent), by=caller_of(request).key_id)
        if wants_json(request):
            return json_variant(request, {"removal": done.removal, "count": done.count, "grace_seconds": self._invalidation.grace})
        return sent_to(address("/admin/clips", removal=done.removal) if done.count else "/admin/clips")

    async def undo_all(self, request: AnyRequest, removal: FromPath[str]) -> Reply:
        undone = await self._invalidation.undo_all(removal)
        log.info("invalidation undone", removal=removal, back=len(undone.back), refused=undone.refused, by=caller_of(request).key_id)
        if wants_json(request):
            return json_variant(request, {"back": len(undone.back), "refused": undone.refused, "reasons": undone.reasons})
        if not undone.refused:
            return sent_to("/admin/clips")
        return page(request, "clips_undone.html", undone=undone)

    # One clip

    async def show(self, request: AnyRequest, clip_id: FromPath[str]) -> Reply:
        found = await self._search.by_id(clip_id) if is_id("clip", clip_id) else None
        if found is None:
            raise NotFound(f"no clip has the id {clip_id[:64]!r}", "clip_id")
        reuse = await self._search.reuse(clip_id)
        answers: list[Answers] = await self._near_hits.answers(clip_id, reader_of(request))
        if wants_json(request):
            reused = [{"tenant": one.tenant, "verdict": one.verdict, "count": one.count, "last_at": one.last_at} for one in reuse]
            return json_variant(request, {**_shape(request, found), "reused": reused, "answered": answers})
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
            json_url=f"/admin/api/clips/{clip.id}",
        )

    async def do(self, request: AnyRequest, clip_id: FromPath[str], action: FromPath[str]) -> Reply:
        fields = await form(request)
        if not is_id("clip", clip_id):
            raise NotFound(f"no clip has the id {clip_id[:64]!r}", "clip_id")
        removal = None
        match action:
            case "pin" | "unpin":
                await self._invalidation.pin(clip_id, action == "pin")
            case "invalidate":
                removal = (await self._invalidation.one(clip_id)).removal
            case "undo":
                await self._invalidation.undo(clip_id)
            case "serve":
                await self._invalidation.serve(clip_id)
            case _:
                raise NotFound(f"unknown action {action[:40]!r} for a clip")
        log.info("clip changed by an operator", clip=clip_id, action=action, by=caller_of(request).key_id)
        if wants_json(request):
            return json_variant(request, {"clip": clip_id, "done": action, "removal": removal})
        return sent_to("/admin/clips" if fields.get("then") == "list" else f"/admin/clips/{clip_id}")


def _row(request: AnyRequest, found: FoundClip) -> dict[str, object]:
    """A clip as the templates take it."""
    clip, removal = found.clip, removal_of(found.withdrawn_reason)
    seen = may_read(reader_of(request), clip.tenant)
    return {
        "id": clip.id,
        "tenant": clip.tenant,
        "prompt": shown_prompt(request, clip.tenant, clip.prompt),
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
        "assistance": clip.assistance,
        "reserved": clip.reserved,
        "objects": sorted(clip.objects.values(), key=lambda stored: stored.kind),
        "withdrawn_at": found.withdrawn_at,
        "reason": "invalidated by an operator" if removal else found.withdrawn_reason,
        "removal": removal,
    }


def _shape(request: AnyRequest, found: FoundClip) -> dict[str, object]:
    """A clip as the JSON variant shows it."""
    clip = found.clip
    return {
        "clip": clip.id,
        "tenant": clip.tenant,
        "prompt": prompt_json(request, clip.tenant, clip.prompt),
        "state": clip.state,
        "pinned": clip.pinned,
        "recipe": {name: value for name, value in clip.recipe.as_fields().items() if name not in {"negative_prompt", "picture"}},
        "recipe_key": clip.recipe.key,
        "seed": clip.seed,
        "take": clip.take,
        "assisted": clip.assistance,
        "reserved": clip.reserved,
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
    """The lines of the Recipe that are worth showing; the negative prompt is shown with the prompt."""
    recipe = clip.recipe
    return [
        ("Model", recipe.model), ("Revision", recipe.revision), ("Renderer", recipe.renderer), ("Size", recipe.size),
        ("Length", f"{recipe.frames} frames at {recipe.fps} a second, {recipe.seconds:g} s"),
        ("Quality", f"{recipe.quality}, {recipe.steps} steps"), ("Step cache", recipe.step_cache),
        ("Guidance", f"{recipe.guidance:g}"), ("Flow shift", f"{recipe.flow_shift:g}"),
        ("Sampler", " ".join([recipe.sampler, *map(str, recipe.timesteps)])), ("LoRA", recipe.lora or "none"),
        *([("Begins with", f"the picture {recipe.picture[:12]}")] if recipe.picture else []),
    ]  # fmt: skip


def _totals(totals: Totals) -> dict[str, object]:
    return {"count": totals.count, "bytes": totals.length, "gpu_seconds": totals.gpu_seconds, "pinned": totals.pinned}


def _seconds(sent: str | None) -> float | None:
    try:
        return None if not sent else float(sent)
    except ValueError:
        raise Invalid("counted_at", "counted_at is what the dry run said") from None
