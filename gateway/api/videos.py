"""`/v1/videos` and `/v1/models`: from a request to one call of the answer, and from its result to bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from litestar import delete, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import Method

from cache.canonical import digest
from cache.catalog import check_picture
from cache.errors import Invalid, NotFound
from cache.ids import is_id
from cache.picture import decoded
from cache.spans import set_attribute
from gateway.answering.ask import Answered, AnswerPort, FollowUpPort, PageOrder, VideoAsk
from gateway.answering.byte_cache import ByteCache
from gateway.answering.models import Models
from gateway.auth.access import caller_of
from gateway.http import reference
from gateway.http.body import Fields, Form, read_fields, read_query
from gateway.http.headers import found_headers, poll_headers
from gateway.http.links import Links
from gateway.http.reply import AnyRequest, Header, Reply, headers_of
from gateway.http.shapes import DeletedVideo, FeedbackBody, ModelPage, VideoFeedback
from gateway.http.video_objects import model_object, video_object, video_page
from gateway.http.wire import check_feedback_field, check_video_field, encode_json, read_body, video_ask
from gateway.telemetry.counts import AnswerCounts
from gateway.webhooks.destinations import Destinations

LARGEST_PAGE = 100
USUAL_PAGE = 20
_DECODED_AT_ONCE = 2  # pictures: a large one takes 300 MB for a moment

# Parts of the client's video API that change or extend a video: not what a cache is for.
UNSUPPORTED = (
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/videos/characters",
    "/v1/videos/characters/{name:str}",
    "/v1/videos/{video_id:str}/remix",
)

_READ: list[Method] = ["GET", "HEAD"]
_ALL: list[Method] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Videos:
    """The video routes. `cache` drops the bytes of videos deleted here."""

    def __init__(
        self,
        answer: AnswerPort,
        follow_up: FollowUpPort,
        models: Models,
        cache: ByteCache,
        links: Links,
        destinations: Destinations,
        *,
        body_limit: int,
        picture_limit: int,
        wait_limit: float,
        counts: AnswerCounts | None = None,
    ) -> None:
        self._answer, self._follow_up, self._models, self._cache, self._links = answer, follow_up, models, cache, links
        self._destinations, self._counts = destinations, counts or AnswerCounts()
        self._body_limit, self._picture_limit, self._wait_limit = body_limit, picture_limit, wait_limit
        self._decoding = asyncio.Semaphore(_DECODED_AT_ONCE)

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
        answered, wait = await self.answered(request)
        told = found_headers(answered)
        if wait:
            told.append((b"preference-applied", b"wait=%d" % wait))
        return self._video(request, answered, told)

    async def answered(self, request: AnyRequest, *, waits: bool = False) -> tuple[Answered, float]:
        """The answer to a body, and the seconds that it may have been held: with `waits` as long as this server does, unless told."""
        headers = headers_of(request.scope)
        began = time.perf_counter()
        fields, sent = await self._fields(request, headers)
        usual = self._wait_limit if waits else 0.0
        ask = video_ask(fields, headers, caller_of(request), self._models, self._wait_limit, usual)
        if sent is not None:
            ask = await self._with_picture(ask, sent)
        if ask.webhook_url is not None:
            self._destinations.check(ask.webhook_url)
        set_attribute("prompt", ask.prompt.text)
        answered = await self._answer.create(ask)
        made = answered.request
        set_attribute("verdict", made.verdict)
        set_attribute("video", made.id)
        set_attribute("job", made.job_id)
        self._counts.answered(made.verdict, time.perf_counter() - began, made.gpu_seconds_saved)
        return answered, ask.wait

    async def _fields(self, request: AnyRequest, headers: Mapping[bytes, bytes]) -> tuple[Fields | Form, bytes | None]:
        """The fields, and the picture that came with them, which only models that begin with one make room for."""
        if not self._models.take_pictures:
            return await read_fields(headers, request.receive, self._body_limit, check_video_field), None
        limit = reference.body_limit(self._body_limit, self._picture_limit)
        check = partial(check_video_field, pictures=True)
        fields = await read_fields(headers, request.receive, limit, check, reference.knows, self._body_limit)
        return fields, reference.taken(fields, self._picture_limit)

    async def _with_picture(self, ask: VideoAsk, sent: bytes) -> VideoAsk:
        recipe = ask.recipe
        check_picture(self._models.named(recipe.model).row)
        async with self._decoding:
            picture = await asyncio.to_thread(decoded, sent, recipe.width, recipe.height)
        body = digest({"body": ask.body_digest, "picture": picture.digest}) if ask.idempotency_key is not None else ""
        return replace(ask, recipe=replace(recipe, picture=picture.digest), picture=picture, body_digest=body)

    async def retrieve(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        answered = await self._follow_up.retrieve(caller_of(request), checked(video_id))
        return self._video(request, answered, poll_headers(answered))

    async def page(self, request: AnyRequest) -> Reply:
        asked = read_query(request.scope["query_string"], ["after", "limit", "order"])
        after, limit = after_of(asked.get("after")), limit_of(asked.get("limit"))
        answers, more = await self._follow_up.page(caller_of(request), after, limit, _order(asked.get("order")))
        return _json(request, video_page(answers, more, self._links.at(request.scope)))

    async def delete(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        caller = caller_of(request)
        erase = read_query(request.scope["query_string"], ["erase"]).get("erase", "false")
        if erase not in {"true", "false"}:
            raise Invalid("erase", f"erase must be true or false, not {erase[:40]!r}")
        await self._follow_up.delete(caller, checked(video_id), erase == "true")
        self._cache.forget(caller.tenant, video_id)
        return _json(request, DeletedVideo(video_id, "video.deleted", True))

    async def cancel(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        answered = await self._follow_up.cancel(caller_of(request), checked(video_id))
        return self._video(request, answered, poll_headers(answered))

    async def feedback(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        caller = caller_of(request)
        checked(video_id)
        fields = await read_fields(headers_of(request.scope), request.receive, self._body_limit, check_feedback_field)
        satisfied = read_body(FeedbackBody, fields).satisfied
        await self._follow_up.feedback(caller, video_id, satisfied)
        return _json(request, VideoFeedback(video_id, "video.feedback", satisfied))

    async def unsupported(self, request: AnyRequest) -> Reply:
        raise NotFound("remix, edits, extensions and characters are not supported", code="not_supported")

    async def models(self, request: AnyRequest) -> Reply:
        return _json(request, ModelPage("list", [model_object(model) for model in self._models.served]))

    async def model(self, request: AnyRequest, name: FromPath[str]) -> Reply:
        return _json(request, model_object(self._models.named(name)))

    def _video(self, request: AnyRequest, answered: Answered, headers: list[Header]) -> Reply:
        shape = video_object(answered, self._links.at(request.scope))
        return Reply(encode_json(shape), headers=headers, head=request.method == "HEAD")


def checked(video_id: str) -> str:
    """`video_id` if it has the shape of an id. Raises NotFound otherwise: nothing else reaches a query."""
    if not is_id("video", video_id):
        raise NotFound(f"no video has the id {video_id[:64]!r}", "video_id")
    return video_id


def after_of(video_id: str | None) -> str | None:
    if video_id is not None and not is_id("video", video_id):
        raise Invalid("after", f"after must be the id of a video, not {video_id[:64]!r}")
    return video_id


def limit_of(text: str | None) -> int:
    if text is None:
        return USUAL_PAGE
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= LARGEST_PAGE):
        raise Invalid("limit", f"limit must be a whole number from 1 to {LARGEST_PAGE}, not {text[:40]!r}")
    return int(text)


def _order(text: str | None) -> PageOrder:
    match text:
        case None | "desc":
            return "desc"
        case "asc":
            return "asc"
    raise Invalid("order", f"order must be asc or desc, not {text[:40]!r}")


def _json(request: AnyRequest, shape: object) -> Reply:
    return Reply(encode_json(shape), head=request.method == "HEAD")
