"""Near hits, refusals and audits, side by side, for a person to say which fit. One key each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Forbidden, Invalid
from cache.ids import is_id
from cache.storage.operators.near_hits import KINDS, Kind, NearHits, Pair, Paired
from gateway.admin.door import may_read, reader_of
from gateway.admin.fields import Asked, address, form, one_of, plain, query, wants_json, words
from gateway.admin.page import page, sent_to, twin
from gateway.entry.access import caller_of
from gateway.http.reply import Reply

log = structlog.get_logger(__name__)

_PAGE = 10
_TITLES: dict[Kind, str] = {"near": "Near hits", "refused": "Refusals", "audit": "Audits"}


class NearHitsPage:
    """`told` is awaited after each label of a person: the judge may learn from it."""

    def __init__(self, near_hits: NearHits, told: Callable[[], Awaitable[object]], audit_share: float) -> None:
        self._near_hits, self._told, self._share = near_hits, told, audit_share

    def routes(self) -> list[HTTPRouteHandler]:
        reading = ["GET", "HEAD"]
        return [
            route(["/admin/near-hits", "/admin/api/near-hits"], http_method=reading, status_code=200)(self.list),  # type: ignore[arg-type]
            route("/admin/near-hits/newer", http_method=reading, status_code=200)(self.newer),  # type: ignore[arg-type]
            route(
                ["/admin/near-hits/{kind:str}/{request_id:str}/label", "/admin/api/near-hits/{kind:str}/{request_id:str}/label"],
                http_method=["POST"],
                status_code=200,
            )(self.label),
        ]

    async def list(self, request: Asked) -> Reply:
        fields = query(request)
        kind = one_of(fields, "kind", KINDS, "near")
        unlabelled = one_of(fields, "unlabelled", ("", "yes"), "") == "yes"
        before = fields.get("before")
        if before is not None and not is_id("video", before):
            raise Invalid("before", "before is the id of a request")
        pairs, more = await self._near_hits.page(kind, reader_of(request), unlabelled, before, _PAGE)
        asked = {"kind": kind, "unlabelled": "yes" if unlabelled else ""}
        follows = {**asked, "before": pairs[-1].request.id} if more else None
        if wants_json(request):
            shape = [_shape(request, pair) for pair in pairs]
            return twin(request, {"kind": kind, "data": shape, "next": follows and address("/admin/api/near-hits", **follows)})
        return page(
            request,
            "near_hits.html",
            kind=kind,
            kinds=[(word, title, address("/admin/near-hits", **{**asked, "kind": word})) for word, title in _TITLES.items()],
            unlabelled=unlabelled,
            pairs=[_row(request, pair) for pair in pairs],
            everything=address("/admin/near-hits", kind=kind),
            open=address("/admin/near-hits", kind=kind, unlabelled="yes"),
            next=follows and address("/admin/near-hits", **follows),
            newer=_newer(kind, pairs[0].request.id) if pairs and before is None else None,
            begin=address("/admin/near-hits", **asked),
            here_again=address("/admin/near-hits", **asked, before=before),
            share=self._share,
            reader=reader_of(request),
            twin=address("/admin/api/near-hits", **asked),
        )

    async def newer(self, request: Asked) -> Reply:
        """A live part: whether pairs came since the page was made. Nothing moves under the hands of who labels."""
        fields = query(request)
        kind, since = one_of(fields, "kind", KINDS, "near"), fields.get("since", "")
        if not is_id("video", since):
            raise Invalid("since", "since is the id of a request")
        count = await self._near_hits.newer(kind, reader_of(request), since)
        return page(request, "near_hits_newer.html", count=count, newer=_newer(kind, since), begin=address("/admin/near-hits", kind=kind))

    async def label(self, request: Asked, kind: FromPath[str], request_id: FromPath[str]) -> Reply:
        fields = await form(request)
        wanted = one_of({"kind": kind}, "kind", KINDS, "near")
        right = one_of(fields, "right", ("yes", "no"), "") == "yes"
        pair = await self._near_hits.one(request_id, wanted)
        if not may_read(reader_of(request), pair.request.tenant):
            raise Forbidden("nobody can judge what may not be read: these words are another tenant's")
        pair = await self._near_hits.label(pair, right)
        log.info("pair labelled", request=request_id, kind=wanted, right=right, by=caller_of(request).key_id)
        await self._told()
        if wants_json(request):
            return twin(request, _shape(request, pair))
        if request.headers.get("hx-request") == "true":
            return page(request, "near_hits_pair.html", pair=_row(request, pair))
        then = fields.get("then", "")
        return sent_to(f"{then if then.startswith('/admin/near-hits') and then.isascii() else '/admin/near-hits'}#pair-{pair.request.id}")


def _newer(kind: Kind, since: str) -> str:
    return address("/admin/near-hits/newer", kind=kind, since=since)


def _row(request: Asked, pair: Pair) -> dict[str, object]:
    """One pair for a template."""
    asked = pair.request
    return {
        "id": asked.id,
        "kind": pair.kind,
        "verdict": asked.verdict,
        "tenant": asked.tenant,
        "created_at": asked.created_at,
        "recipe": asked.recipe,
        "prompt": words(request, asked.tenant, asked.prompt),
        "clip": _clip(request, pair.clip),
        "made": None if pair.made is None else _clip(request, pair.made),
        "similarity": pair.similarity,
        "confidence": pair.confidence,
        "reason": pair.reason,
        "others": pair.others,
        "label": pair.label,
        "feedback": pair.feedback,
        "judgeable": asked.prompt is not None,
    }


def _clip(request: Asked, clip: Paired) -> dict[str, object]:
    return {
        "id": clip.id,
        "there": clip.there,
        "state": clip.state,
        "prompt": words(request, clip.tenant, clip.prompt),
    }


def _shape(request: Asked, pair: Pair) -> dict[str, object]:
    """One pair for a program."""
    asked = pair.request
    return {
        "request": asked.id,
        "kind": pair.kind,
        "verdict": asked.verdict,
        "tenant": asked.tenant,
        "created_at": asked.created_at,
        "prompt": plain(request, asked.tenant, asked.prompt),
        "clip": pair.clip.id,
        "clip_prompt": plain(request, pair.clip.tenant, pair.clip.prompt),
        "similarity": pair.similarity,
        "confidence": pair.confidence,
        "reason": pair.reason,
        "right": pair.label,
        "satisfied": pair.feedback,
        "audit_clip": None if pair.made is None else pair.made.id,
    }
