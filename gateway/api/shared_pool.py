"""`/v1/shared`: an admin adds clips to the shared pool and removes them."""

from __future__ import annotations

from litestar import delete, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.storage.clips.pool import Pool, PoolEntry
from gateway.auth.access import admin_of
from gateway.http.reply import AnyRequest, Reply
from gateway.http.server_shapes import SharedOffer, SharedPage, SharedState
from gateway.http.wire import encode_json

_MOST = 100


class Shared:
    """The routes of the shared pool, for admin keys only. Only clips of sharing tenants are listed and can be added."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/v1/shared", http_method=["GET", "HEAD"], status_code=200)(self.list),
            post("/v1/shared/{clip_id:str}", status_code=200)(self.approve),
            delete("/v1/shared/{clip_id:str}", status_code=200)(self.withdraw),
        ]

    async def list(self, request: AnyRequest) -> Reply:
        admin_of(request)
        standings = await self._pool.standings(_MOST)
        page = SharedPage("list", [_offer(standing) for standing in standings])
        return Reply(encode_json(page), head=request.method == "HEAD")

    async def approve(self, request: AnyRequest, clip_id: FromPath[str]) -> Reply:
        await self._pool.approve(clip_id, admin_of(request).key_id)
        return Reply(encode_json(SharedState(clip_id, "shared", "pooled")))

    async def withdraw(self, request: AnyRequest, clip_id: FromPath[str]) -> Reply:
        await self._pool.withdraw(clip_id, admin_of(request).key_id)
        return Reply(encode_json(SharedState(clip_id, "shared", "withdrawn")))


def _offer(standing: PoolEntry) -> SharedOffer:
    return SharedOffer(
        standing.clip_id, "shared", standing.state, standing.tenant, standing.prompt, standing.tenants, int(standing.changed_at)
    )
