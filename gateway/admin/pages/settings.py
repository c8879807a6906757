"""Every setting as this process reads it: its value, where that came from, and what it means. Nothing can be changed here."""

from __future__ import annotations

from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler

from cache.settings import Settings
from gateway.admin.page import page, twin
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
        return twin(request, {"settings": shown(self._settings)})
