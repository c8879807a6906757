"""One call of a webhook: to an address that was checked, and to no other; a door to `httpx`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from gateway.webhooks.destinations import Destinations

_SECONDS = 15.0  # for all of a call: name, connection, answer


class CallFailed(Exception):
    """No answer came. Its text is for operators and names no address."""


class Calls:
    """The host's name is resolved here once, and the connection goes to what was checked, so that a name that changes its mind in
    between leads nowhere. No redirect is followed, no proxy is used, and of the answer only the status is read.
    """

    def __init__(self, destinations: Destinations, most: int) -> None:
        self._destinations, self._most = destinations, most

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        """Made for the first call: it reads all certificates, and most servers call nobody."""
        # No connection is kept: one for a host's certificate must not serve another host of the same address.
        return httpx.AsyncClient(
            verify=httpx.create_ssl_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=_SECONDS,
            limits=httpx.Limits(max_connections=self._most, max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if "_client" in self.__dict__:
            await self._client.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> int:
        """The status of the answer. Raises CallFailed."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._post(url, headers, body)
        except TimeoutError:
            raise CallFailed(f"no answer within {_SECONDS:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise CallFailed(f"no answer: {type(error).__name__}") from error

    async def _post(self, url: str, headers: Mapping[str, str], body: str) -> int:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._resolved(url, host, port)
        target = httpx.URL(url).copy_with(host=address, port=port)
        sent = {**headers, "host": parts.netloc, "content-type": "application/json", "user-agent": "Reprise"}
        extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
        async with self._client.stream("POST", target, headers=sent, content=body.encode(), extensions=extensions) as answer:
            return answer.status_code

    async def _resolved(self, url: str, host: str, port: int) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise CallFailed("its host has no address") from None
        for *_, place in found:
            if self._destinations.permits(url, str(place[0])):
                return str(place[0])
        raise CallFailed("its host has no public address")
