"""Every setting as this process reads it: its value, where that came from, and what it means. Nothing can be changed here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler

from cache.settings import PREFIX, Settings
from gateway.admin.page import page, twin
from gateway.http.reply import Reply

_NAMED = re.compile(r"//[^/@\s]*@")  # a user, and perhaps a password, in a URL


@dataclass(frozen=True)
class Shown:
    """`value` is "set" for a secret that there is, and empty for nothing."""

    name: str
    value: str
    default: str
    source: Literal["environment", "default"]
    secret: bool
    meaning: str


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


def shown(settings: Settings) -> list[Shown]:
    """Secrets, and those inside URLs, never leave."""
    told = []
    for name, field in Settings.model_fields.items():
        secret = not field.repr
        value = getattr(settings, name)
        words = ("set" if value else "") if secret else _NAMED.sub("//(hidden)@", _told(value))
        source: Literal["environment", "default"] = "environment" if name in settings.model_fields_set else "default"
        told.append(Shown(PREFIX + name.upper(), words, "" if secret else _told(field.default), source, secret, field.description or ""))
    return told


def _told(value: object) -> str:
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
