"""`/v1/shared`: what an admin lets into the shared pool, and takes out of it."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.storage.pool import Pool, Standing
from gateway.entry.access import admin_of
from gateway.http.reply import Reply
from gateway.http.shapes import SharedOffer, SharedPage, SharedState
from gateway.http.wire import encode

_MOST = 100

AnyRequest = Request[Any, Any, Any]


class Shared:
    """For keys of the role admin alone. Only clips of tenants that share are listed here, or can be let in."""

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
        return Reply(encode(page), head=request.method == "HEAD")

    async def approve(self, request: AnyRequest, clip_id: FromPath[str]) -> Reply:
        await self._pool.approve(clip_id, admin_of(request).key_id)
        return Reply(encode(SharedState(clip_id, "shared", "pooled")))

    async def withdraw(self, request: AnyRequest, clip_id: FromPath[str]) -> Reply:
        await self._pool.withdraw(clip_id, admin_of(request).key_id)
        return Reply(encode(SharedState(clip_id, "shared", "withdrawn")))


def _offer(standing: Standing) -> SharedOffer:
    return SharedOffer(
        standing.clip_id, "shared", standing.state, standing.tenant, standing.prompt, standing.tenants, int(standing.changed_at)
    )
