"""The door to httpx for commands: a server that runs, as they find and speak to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from cache.errors import Forbidden, Invalid, RepriseError, Unavailable
from cache.settings import Settings
from gateway.commands.serve import address_of, only_instance

_PATIENCE = 120.0  # seconds that a server may be away or busy before a command gives up
_STARTING = 60.0  # seconds that one may take until it listens
_SLOW = 600.0  # seconds of one answer: a plan is mined in it


def url_of_running(settings: Settings) -> str | None:
    """Of the server that has this data folder, None where none has. Scaled out there is no such server: a command names one."""
    if not settings.embedded:
        return None
    until = time.monotonic() + _STARTING
    while True:
        try:
            with only_instance(settings):
                return None
        except Unavailable:
            if (url := told_by_running(settings)) is not None:
                return url
            if time.monotonic() > until:
                raise
        time.sleep(0.2)


def told_by_running(settings: Settings) -> str | None:
    """Where the server that has, or had, this data folder said last that it listens; None while it starts."""
    return _told(address_of(settings))


def _told(file: Path) -> str | None:
    try:
        return file.read_text().strip() or None
    except FileNotFoundError:
        return None


class RunningServer:
    """Waits where the server says so (429 and 503 with Retry-After) and while it does not answer; two minutes in a row at most."""

    def __init__(self, url: str, key: str, moved: Callable[[], str | None] = lambda: None) -> None:
        """`moved` tells where it is now, after it went away: one that is started again may listen elsewhere."""
        self.url, self._moved = url, moved
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=httpx.Timeout(_SLOW, connect=5.0))

    async def get(self, path: str, **query: object) -> dict[str, Any]:
        return await self._exchange("GET", path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._exchange("POST", path, json=dict(body))

    async def close(self) -> None:
        await self._client.aclose()

    async def _exchange(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        until = time.monotonic() + _PATIENCE
        while True:
            pause, trouble = 1.0, f"{self.url} does not answer"
            try:
                answer = await self._client.request(method, path, **sent)
            except httpx.TransportError as error:
                if method == "POST" and not isinstance(error, httpx.ConnectError):
                    raise Unavailable(f"{self.url} went away in the middle of it; run this again") from error
                self._follow()
            else:
                if answer.status_code < 400:
                    found: dict[str, Any] = answer.json()
                    return found
                trouble = _message(answer)
                if answer.status_code not in {429, 503}:
                    raise _error(answer.status_code, trouble)
                pause = _pause(answer.headers.get("retry-after"))
            if time.monotonic() + pause > until:
                raise Unavailable(trouble)
            await asyncio.sleep(pause)

    def _follow(self) -> None:
        url = self._moved()
        if url is not None and url != self.url:
            self.url = url
            self._client.base_url = httpx.URL(url)


def _pause(said: str | None) -> float:
    return min(30.0, max(0.5, float(said))) if said is not None and said.isascii() and said.isdecimal() else 1.0


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {answer.status_code}"


def _error(status: int, message: str) -> RepriseError:
    if status in {401, 403}:
        return Forbidden(f"{message} (--key or REPRISE_ADMIN_KEY names an admin key)")
    return Invalid(None, message) if status < 500 else Unavailable(message)
