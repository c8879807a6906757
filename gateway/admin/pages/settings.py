"""The settings page: each setting of this process, its value, source and meaning. Read-only."""

from __future__ import annotations

from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler

from cache.settings import Settings
from gateway.admin.page import json_variant, page
from gateway.http.reply import Reply
from gateway.shown_setting import shown


class SettingsPage:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            route("/admin/settings", http_method=["GET", "HEAD"], status_code=200)(self.look),
            route("/admin/api/settings", http_method=["GET", "HEAD"], status_code=200)(self.told),
        ]

    async def look(self, request: Request[Any, Any, Any]) -> Reply:
        return page(request, "settings.html", settings=shown(self._settings))

    async def told(self, request: Request[Any, Any, Any]) -> Reply:
        return json_variant(request, {"settings": shown(self._settings)})
