"""The running server as commands find it and speak to it; their door to httpx."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from cache.errors import Forbidden, Invalid, RepriseError, Unavailable
from cache.settings import Settings
from gateway.commands.serve import address_file, only_instance

_PATIENCE = 120.0  # seconds that a server may be away or busy before a command gives up
_FIRST = 10.0  # seconds that a server that never answered may be away
_STARTING = 60.0  # seconds that one may take until it listens
_SLOW = 600.0  # seconds that one answer may take: a plan is mined in it


def url_of_running(settings: Settings) -> str | None:
    """The URL of the server running on this data folder, None if there is none. A scaled-out server is named by --url instead.

    Raises Unavailable if a server holds the folder but does not listen within a minute.
    """
    if not settings.embedded or not settings.data_dir.exists():
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
    """The last known URL of the server on this data folder; None while it starts."""
    return _told(address_file(settings))


def _told(file: Path) -> str | None:
    try:
        return file.read_text().strip() or None
    except FileNotFoundError:
        return None


class RunningServer:
    """A client of a running server. It waits when the server says so (429 and 503 with Retry-After) or does not answer, for two
    minutes in a row at most; one that never answered is waited for ten seconds. Raises Forbidden, Invalid or Unavailable as the server
    answers.
    """

    def __init__(self, url: str, key: str, moved: Callable[[], str | None] = lambda: None) -> None:
        """`moved` returns its current URL after it went away: a restarted server may listen elsewhere. Raises Invalid for
        what is no URL.
        """
        if not url.startswith(("http://", "https://")):
            raise Invalid(None, f"--url: a URL begins with http:// or https://, not {url[:80]!r}")
        self.url, self._moved = url, moved
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._met = False
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=httpx.Timeout(_SLOW, connect=5.0))

    async def get(self, path: str, **query: object) -> dict[str, Any]:
        return await self._exchange("GET", path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._exchange("POST", path, json=dict(body))

    async def delete(self, path: str) -> dict[str, Any]:
        """Only of what may be deleted twice."""
        return await self._exchange("DELETE", path)

    async def close(self) -> None:
        await self._client.aclose()

    async def _exchange(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        await self.meet()
        until = time.monotonic() + _PATIENCE
        while True:
            pause, trouble = 1.0, f"{self.url} does not answer"
            try:
                answer = await self._client.request(method, path, **sent)
            except httpx.TransportError as error:
                if method == "POST" and not isinstance(error, httpx.ConnectError):
                    raise Unavailable(f"{self.url} closed the connection before it answered; run this again") from error
                self._follow()
            else:
                if answer.status_code < 400:
                    return self._object(answer)
                trouble = _message(answer)
                if answer.status_code not in {429, 503}:
                    raise _error(answer.status_code, trouble)
                pause = _pause(answer.headers.get("retry-after"))
            if time.monotonic() + pause > until:
                raise Unavailable(trouble)
            await asyncio.sleep(pause)

    async def meet(self) -> None:
        """Raises Unavailable if nothing answers there: a wrong URL must not take as long as a busy server."""
        trouble = "no answer"
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST):
                while not self._met:
                    try:
                        await self._client.get("/health/live")
                        self._met = True
                    except httpx.TransportError as error:
                        trouble = str(error) or type(error).__name__
                        self._follow()
                        await asyncio.sleep(0.5)
        if not self._met:
            raise Unavailable(f"no server answered at {self.url} within {_FIRST:g} seconds: {trouble}")

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unavailable(f"{self.url} does not answer as Reprise does")
        return found

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
