"""`/v1/videos` and `/v1/models`: from a request to one call of the answer, and from its result to bytes."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, delete, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import Method

from cache.errors import Invalid, NotFound
from cache.ids import is_id
from cache.spans import note
from gateway.ask import Answer, Answered, Order
from gateway.byte_cache import ByteCache
from gateway.entry.access import caller_of
from gateway.http.body import query, read_fields
from gateway.http.headers import found_headers, poll_headers
from gateway.http.reply import Header, Reply, headers_of
from gateway.http.shapes import DeletedVideo, FeedbackBody, ModelPage, VideoFeedback
from gateway.http.wire import (
    check_feedback_field,
    check_video_field,
    encode,
    model_object,
    read_body,
    video_ask,
    video_object,
    video_page,
)
from gateway.models import Models
from gateway.observed.counts import Counts

LARGEST_PAGE = 100
USUAL_PAGE = 20

# Parts of the client's video API that change or extend a film: not what a cache is for.
UNSUPPORTED = (
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/videos/characters",
    "/v1/videos/characters/{name:str}",
    "/v1/videos/{video_id:str}/remix",
)

AnyRequest = Request[Any, Any, Any]
_READ: list[Method] = ["GET", "HEAD"]
_ALL: list[Method] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Videos:
    """`cache` must forget the bytes of what is deleted here."""

    def __init__(
        self, answer: Answer, models: Models, cache: ByteCache, *, body_limit: int, wait_limit: float, counts: Counts | None = None
    ) -> None:
        self._answer, self._models, self._cache, self._counts = answer, models, cache, counts or Counts()
        self._body_limit, self._wait_limit = body_limit, wait_limit

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            post("/v1/videos", status_code=200)(self.create),
            route("/v1/videos", http_method=_READ, status_code=200)(self.page),
            route("/v1/videos/{video_id:str}", http_method=_READ, status_code=200)(self.retrieve),
            delete("/v1/videos/{video_id:str}", status_code=200)(self.delete),
            post("/v1/videos/{video_id:str}/cancel", status_code=200)(self.cancel),
            post("/v1/videos/{video_id:str}/feedback", status_code=200)(self.feedback),
            route(list(UNSUPPORTED), http_method=_ALL, status_code=200)(self.unsupported),
            route("/v1/models", http_method=_READ, status_code=200)(self.models),
            route("/v1/models/{name:str}", http_method=_READ, status_code=200)(self.model),
        ]

    async def create(self, request: AnyRequest) -> Reply:
        headers = headers_of(request.scope)
        began = time.perf_counter()
        fields = await read_fields(headers, request.receive, self._body_limit, check_video_field)
        ask = video_ask(fields, headers, caller_of(request), self._models, self._wait_limit)
        note("prompt", ask.prompt.text)
        answered = await self._answer.create(ask)
        made = answered.request
        note("verdict", made.verdict)
        note("video", made.id)
        note("job", made.job_id)
        self._counts.answered(made.verdict, time.perf_counter() - began, made.gpu_seconds_saved)
        told = found_headers(answered)
        if ask.wait:
            told.append((b"preference-applied", b"wait=%d" % ask.wait))
        return _video(request, answered, told)

    async def retrieve(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        answered = await self._answer.retrieve(caller_of(request), checked(video_id))
        return _video(request, answered, poll_headers(answered))

    async def page(self, request: AnyRequest) -> Reply:
        asked = query(request.scope["query_string"], ["after", "limit", "order"])
        after = asked.get("after")
        if after is not None and not is_id("video", after):
            raise Invalid("after", f"after must be the id of a video, not {after[:64]!r}")
        answers, more = await self._answer.page(caller_of(request), after, _limit(asked.get("limit")), _order(asked.get("order")))
        return _json(request, video_page(answers, more))

    async def delete(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        caller = caller_of(request)
        erase = query(request.scope["query_string"], ["erase"]).get("erase", "false")
        if erase not in {"true", "false"}:
            raise Invalid("erase", f"erase must be true or false, not {erase[:40]!r}")
        await self._answer.delete(caller, checked(video_id), erase == "true")
        self._cache.forget(caller.tenant, video_id)
        return _json(request, DeletedVideo(video_id, "video.deleted", True))

    async def cancel(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        answered = await self._answer.cancel(caller_of(request), checked(video_id))
        return _video(request, answered, poll_headers(answered))

    async def feedback(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        caller = caller_of(request)
        checked(video_id)
        fields = await read_fields(headers_of(request.scope), request.receive, self._body_limit, check_feedback_field)
        satisfied = read_body(FeedbackBody, fields).satisfied
        await self._answer.feedback(caller, video_id, satisfied)
        return _json(request, VideoFeedback(video_id, "video.feedback", satisfied))

    async def unsupported(self, request: AnyRequest) -> Reply:
        raise NotFound("remix, edits, extensions and characters are not supported", code="not_supported")

    async def models(self, request: AnyRequest) -> Reply:
        return _json(request, ModelPage("list", [model_object(model) for model in self._models.served]))

    async def model(self, request: AnyRequest, name: FromPath[str]) -> Reply:
        try:
            return _json(request, model_object(self._models.named(name)))
        except Invalid as error:
            raise NotFound(error.message, "model", error.code) from None


def checked(video_id: str) -> str:
    """`video_id` where it has the shape of one; nothing else reaches a query."""
    if not is_id("video", video_id):
        raise NotFound(f"no video has the id {video_id[:64]!r}", "video_id")
    return video_id


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL_PAGE
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= LARGEST_PAGE):
        raise Invalid("limit", f"limit must be a whole number from 1 to {LARGEST_PAGE}, not {text[:40]!r}")
    return int(text)


def _order(text: str | None) -> Order:
    match text:
        case None | "desc":
            return "desc"
        case "asc":
            return "asc"
    raise Invalid("order", f"order must be asc or desc, not {text[:40]!r}")


def _video(request: AnyRequest, answered: Answered, headers: list[Header]) -> Reply:
    return Reply(encode(video_object(answered)), headers=headers, head=request.method == "HEAD")


def _json(request: AnyRequest, shape: object) -> Reply:
    return Reply(encode(shape), head=request.method == "HEAD")
