"""The page of one request: why it got the clip that it got, and which clips were refused for it."""

from __future__ import annotations

from typing import Any

from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.clip import Clip
from cache.errors import Forbidden, NotFound, PictureGone
from cache.ids import is_id
from cache.picture import PICTURE_TYPE
from cache.storage.clips.pictures import Pictures
from cache.storage.database.database import Database
from cache.storage.operators.request_story import RequestStory, story_of
from cache.verdict import Refusal
from gateway.admin.door import may_read, reader_of
from gateway.admin.fields import address, prompt_json, shown_prompt, wants_json
from gateway.admin.page import json_variant, page
from gateway.admin.pages.content import PRIVATE
from gateway.http.reply import AnyRequest, Reply


class RequestPage:
    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database, self._pictures = database, pictures

    def routes(self) -> list[HTTPRouteHandler]:
        paths = ["/admin/requests/{video_id:str}", "/admin/api/requests/{video_id:str}"]
        return [
            route(paths, http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/pictures/{video_id:str}", http_method=["GET", "HEAD"], status_code=200)(self.picture),
        ]

    async def picture(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        """The picture that the request's video begins with."""
        asked = (await story_of(self._database, _checked(video_id))).request
        if not may_read(reader_of(request), asked.tenant):
            raise Forbidden("this picture is another tenant's")
        if not asked.recipe.picture:
            raise NotFound("this request has no picture", "id")
        try:
            shown = await self._pictures.read(asked.scope, asked.recipe.picture)
        except PictureGone as error:
            raise NotFound("this picture is not kept any more", "id") from error
        return Reply(shown, headers=list(PRIVATE), head=request.method == "HEAD", content_type=PICTURE_TYPE.encode())

    async def look(self, request: AnyRequest, video_id: FromPath[str]) -> Reply:
        story = await story_of(self._database, _checked(video_id))
        if wants_json(request):
            return json_variant(request, _plain(request, story))
        asked = story.request
        again = address("/admin/meaning", prompt=asked.prompt, tenant=asked.tenant, recipe=asked.recipe.key)
        return page(
            request,
            "request.html",
            story=story,
            one=asked,
            prompt=shown_prompt(request, asked.tenant, asked.prompt),
            readable=may_read(reader_of(request), asked.tenant),
            clip=_shown(request, story.clip) if asked.clip_id is not None else None,
            refused=[{"refusal": refusal, "clip": _refused(request, story, refusal)} for refusal in asked.refused],
            again=again if asked.prompt is not None and may_read(reader_of(request), asked.tenant) else None,
            json_url=f"/admin/api/requests/{asked.id}",
        )


def _checked(video_id: str) -> str:
    if not is_id("video", video_id):
        raise NotFound(f"no request has the id {video_id[:64]!r}", "id")
    return video_id


def _shown(request: AnyRequest, clip: Clip | None) -> dict[str, Any]:
    """A clip as the page shows it; without a row it is gone."""
    if clip is None:
        return {"id": None, "state": None, "seen": False, "prompt": shown_prompt(request, None, None), "created_at": None}
    seen = clip.state == "live" and may_read(reader_of(request), clip.tenant)
    return {
        "id": clip.id, "state": clip.state, "seen": seen, "prompt": shown_prompt(request, clip.tenant, clip.prompt),
        "created_at": clip.created_at,
    }  # fmt: skip


def _refused(request: AnyRequest, story: RequestStory, refusal: Refusal) -> dict[str, Any] | None:
    """None where no clip was refused, but a look at any: "seed pinned"."""
    return None if refusal.clip_id is None else _shown(request, story.clips.get(refusal.clip_id))


def _plain(request: AnyRequest, story: RequestStory) -> dict[str, Any]:
    asked, clip = story.request, story.clip

    def refused(refusal: Refusal) -> dict[str, Any]:
        other = story.clips.get(refusal.clip_id or "")
        prompt = None if other is None else prompt_json(request, other.tenant, other.prompt)
        return {"reason": refusal.reason, "similarity": refusal.similarity, "clip": refusal.clip_id, "prompt": prompt}

    return {
        "id": asked.id,
        "tenant": asked.tenant,
        "created_at": asked.created_at,
        "seconds": story.seconds,
        "prompt": prompt_json(request, asked.tenant, asked.prompt),
        "verdict": asked.verdict,
        "reason": asked.reason,
        "similarity": asked.similarity,
        "confidence": asked.confidence,
        "clip": asked.clip_id,
        "clip_prompt": None if clip is None else prompt_json(request, clip.tenant, clip.prompt),
        "job": asked.job_id,
        "refused": [refused(refusal) for refusal in asked.refused],
        "labels": story.labels,
        "picture": asked.recipe.picture or None,
        "gpu_seconds_saved": asked.gpu_seconds_saved,
        "error": None if asked.error_code is None else {"code": asked.error_code, "message": asked.error_message},
    }
