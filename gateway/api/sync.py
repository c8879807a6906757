"""`POST /v1/videos/sync`: the MP4 itself, for whoever asks, as vLLM-Omni has it."""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler

from cache.errors import ClipFailed, WaitOver
from gateway.api.content import Content
from gateway.api.videos import Videos
from gateway.auth.access import caller_of
from gateway.http.byte_stream import ByteStream
from gateway.http.headers import found_headers, poll_after_ms
from gateway.http.problems import VIDEO_ID
from gateway.http.reply import AnyRequest
from gateway.http.video_objects import failure_of


class SyncVideos:
    """The waiting route. The request is a row like any other: whoever waits too long asks for its id again."""

    def __init__(self, videos: Videos, content: Content) -> None:
        self._videos, self._content = videos, content

    def routes(self) -> list[HTTPRouteHandler]:
        return [post("/v1/videos/sync", status_code=200)(self.create)]

    async def create(self, request: AnyRequest) -> ByteStream:
        answered, waited = await self._videos.answered(request, waits=True)
        video_id = answered.request.id
        if (failure := failure_of(answered)) is not None:
            raise ClipFailed(failure.message, failure.code, video_id)
        if answered.request.clip_id is None:
            told = f"the clip is not ready after {waited:g} s; it is still being rendered: GET /v1/videos/{video_id}"
            raise WaitOver(told, video_id, poll_after_ms(answered))
        return await self._content.whole(caller_of(request), video_id, [*found_headers(answered), (VIDEO_ID, video_id.encode("ascii"))])
