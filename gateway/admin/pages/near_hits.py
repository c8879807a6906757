"""The near-hits page: near hits, refusals and audits side by side, for a person to label with one key each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Forbidden, Invalid
from cache.ids import is_id
from cache.storage.operators.near_hits import KINDS, LabelledPair, NearHits, Paired, PairKind
from gateway.admin.door import may_read, reader_of
from gateway.admin.fields import address, one_of, prompt_json, query_fields, shown_prompt, wants_json
from gateway.admin.page import json_variant, page, sent_to
from gateway.admin.pages.recalibration import RecalibrationPanel
from gateway.auth.access import caller_of
from gateway.http.addresses import root_at
from gateway.http.forms import form
from gateway.http.reply import AnyRequest, Reply

log = structlog.get_logger(__name__)

_PAGE = 10
_TITLES: dict[PairKind, str] = {"near": "Near hits", "refused": "Refusals", "audit": "Audits"}


class NearHitsPage:
    """`told` is awaited after each label that a person gives: the judge may learn from it."""

    def __init__(self, near_hits: NearHits, told: Callable[[], Awaitable[object]], panel: RecalibrationPanel, audit_share: float) -> None:
        self._near_hits, self._told, self._panel, self._share = near_hits, told, panel, audit_share

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

    async def list(self, request: AnyRequest) -> Reply:
        fields = query_fields(request)
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
            return json_variant(
                request,
                {"kind": kind, "data": shape, "next": follows and root_at(request.scope) + address("/admin/api/near-hits", **follows)},
            )
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
            steps=await self._panel.steps() if kind == "near" else None,
            prior=await self._panel.prior() if kind == "near" else None,
            json_url=address("/admin/api/near-hits", **asked),
        )

    async def newer(self, request: AnyRequest) -> Reply:
        """A live fragment that counts the pairs newer than the page. The list itself stays still under the person who labels."""
        fields = query_fields(request)
        kind, since = one_of(fields, "kind", KINDS, "near"), fields.get("since", "")
        if not is_id("video", since):
            raise Invalid("since", "since is the id of a request")
        count = await self._near_hits.newer(kind, reader_of(request), since)
        return page(request, "near_hits_newer.html", count=count, newer=_newer(kind, since), begin=address("/admin/near-hits", kind=kind))

    async def label(self, request: AnyRequest, kind: FromPath[str], request_id: FromPath[str]) -> Reply:
        fields = await form(request)
        wanted = one_of({"kind": kind}, "kind", KINDS, "near")
        right = one_of(fields, "right", ("yes", "no"), "") == "yes"
        pair = await self._near_hits.one(request_id, wanted)
        if not may_read(reader_of(request), pair.request.tenant):
            raise Forbidden("these prompts belong to another tenant, so you can neither read nor label them")
        pair = await self._near_hits.label(pair, right)
        log.info("pair labelled", request=request_id, kind=wanted, right=right, by=caller_of(request).key_id)
        await self._told()
        if wants_json(request):
            return json_variant(request, _shape(request, pair))
        if request.headers.get("hx-request") == "true":
            return page(request, "near_hits_pair.html", pair=_row(request, pair))
        then = fields.get("then", "")
        return sent_to(f"{then if then.startswith('/admin/near-hits') and then.isascii() else '/admin/near-hits'}#pair-{pair.request.id}")


def _newer(kind: PairKind, since: str) -> str:
    return address("/admin/near-hits/newer", kind=kind, since=since)


def _row(request: AnyRequest, pair: LabelledPair) -> dict[str, object]:
    """A pair as the templates take it."""
    asked = pair.request
    return {
        "id": asked.id,
        "kind": pair.kind,
        "verdict": asked.verdict,
        "tenant": asked.tenant,
        "created_at": asked.created_at,
        "recipe": asked.recipe,
        "prompt": shown_prompt(request, asked.tenant, asked.prompt),
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


def _clip(request: AnyRequest, clip: Paired) -> dict[str, object]:
    return {
        "id": clip.id,
        "there": clip.there,
        "state": clip.state,
        "assisted": clip.assisted,
        "prompt": shown_prompt(request, clip.tenant, clip.prompt),
    }


def _shape(request: AnyRequest, pair: LabelledPair) -> dict[str, object]:
    """A pair as the JSON variant shows it."""
    asked = pair.request
    return {
        "request": asked.id,
        "kind": pair.kind,
        "verdict": asked.verdict,
        "tenant": asked.tenant,
        "created_at": asked.created_at,
        "prompt": prompt_json(request, asked.tenant, asked.prompt),
        "clip": pair.clip.id,
        "clip_prompt": prompt_json(request, pair.clip.tenant, pair.clip.prompt),
        "similarity": pair.similarity,
        "confidence": pair.confidence,
        "reason": pair.reason,
        "right": pair.label,
        "satisfied": pair.feedback,
        "audit_clip": None if pair.made is None else pair.made.id,
    }
