"""Door to httpx: exchanges with one origin that the operator chose, and with nobody else who is not public.

Bounded in size and time; a redirect is followed for content only, and to a public address only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cache.errors import RenderFailed

_ANSWER_LIMIT = 1024 * 1024  # bytes of one JSON answer
_HOPS = 3
_LONGEST_PAUSE = 10.0  # seconds
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_COME_BACK = frozenset({429, 503})  # said before any work was begun
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 addresses of any kind, private ones too, written as IPv6


@dataclass(frozen=True)
class Answer:
    """`poll_after` is in seconds, as the server wishes it or one."""

    fields: dict[str, Any]
    poll_after: float


@dataclass(frozen=True)
class Patience:
    """Seconds. `whole` is one clip from create to its last byte, the upstream's queue included; `away` is how long it may
    fail to answer in between; `connect` and `read` are one exchange's.
    """

    whole: float = 1800.0
    away: float = 60.0
    connect: float = 5.0
    read: float = 30.0


def api_base(url: str) -> httpx.URL:
    """ValueError for what is no web address; its `/v1` may be there or not."""
    try:
        base = httpx.URL(url.rstrip("/").removesuffix("/v1") + "/v1/")
    except httpx.InvalidURL as error:
        raise ValueError("the upstream's URL is http://host/v1 or https://host/v1") from error
    if base.scheme not in {"http", "https"} or not base.host:
        raise ValueError("the upstream's URL is http://host/v1 or https://host/v1")
    return base


class Outbound:
    """The key goes to the base's origin and nowhere else."""

    def __init__(self, base: httpx.URL, key: str, patience: Patience) -> None:
        self._base, self._key, self._patience = base, key, patience
        timeout = httpx.Timeout(patience.read, connect=patience.connect)
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, *, repeatable: bool = True, **body: Any) -> Answer:
        """One JSON object. Asks again while the server is away or says "later"; RenderFailed for what it refuses.

        What is not `repeatable` is sent again only if it never arrived or the server refused to begin.
        """
        until = time.monotonic() + self._patience.away
        while True:
            try:
                async with self._sent(method, self._base.join(path), **body) as answer:
                    later = answer.status_code in _COME_BACK
                    if answer.status_code not in _TRANSIENT or not (later or repeatable) or time.monotonic() > until:
                        return await _read(answer)
                    pause = _seconds(answer.headers.get("retry-after")) or 1.0
                    if answer.status_code == 429:
                        until = time.monotonic() + self._patience.away  # it lives, it is only full: `whole` bounds that wait
            except httpx.TransportError as error:
                never_arrived = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
                if time.monotonic() > until or not (never_arrived or repeatable):
                    raise away(error) from error
                pause = 1.0
            await asyncio.sleep(min(pause, _LONGEST_PAUSE))

    async def fetch(self, path: str, file: Path, limit: int) -> None:
        """The content, written to `file`; RenderFailed where it is refused, cut short or longer than `limit` bytes."""
        url = self._base.join(path)
        try:
            for _ in range(_HOPS):
                async with self._sent("GET", url) as answer:
                    if not answer.is_redirect:
                        return await _write(answer, file, limit)
                    url = url.join(answer.headers.get("location", ""))
        except httpx.HTTPError as error:
            raise away(error) from error
        except httpx.InvalidURL as error:
            raise RenderFailed("the upstream redirects to no address", "upstream_failed") from error
        raise RenderFailed(f"the upstream redirects more than {_HOPS} times", "upstream_failed")

    async def withdraw(self, path: str) -> None:
        """A courtesy: what nobody waits for may stop. Says nothing if it fails."""
        try:
            async with asyncio.timeout(3), self._sent("DELETE", self._base.join(path)):
                pass
        except (httpx.HTTPError, TimeoutError):
            pass

    @asynccontextmanager
    async def _sent(
        self, method: str, url: httpx.URL, headers: Mapping[str, str] | None = None, **body: Any
    ) -> AsyncIterator[httpx.Response]:
        given, extensions = dict(headers or {}), dict[str, Any]()
        if (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port):
            if self._key:
                given["Authorization"] = f"Bearer {self._key}"
        else:
            # The address that was checked is the one that is spoken to: a name may resolve to another one the next time.
            given["Host"] = url.netloc.decode()
            extensions["sni_hostname"] = url.host
            url = url.copy_with(host=await _public_address(url))
        async with self._client.stream(method, url, headers=given, extensions=extensions, **body) as answer:
            yield answer


def away(error: httpx.HTTPError) -> RenderFailed:
    return RenderFailed(f"the upstream does not answer: {type(error).__name__}", "upstream_away")


def is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour or ip.teredo or ip.ipv4_mapped or ip in _TRANSLATED):
        return False
    return ip.is_global and not ip.is_multicast


async def _public_address(url: httpx.URL) -> str:
    if url.scheme not in {"http", "https"} or not url.host:
        raise RenderFailed("the upstream redirects to no web address", "upstream_failed")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RenderFailed(f"the upstream redirects to {url.host}, which has no address", "upstream_failed") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise RenderFailed(f"the upstream redirects to {url.host}, which is no public address", "upstream_failed")
    return addresses[0]


async def _read(answer: httpx.Response) -> Answer:
    if not answer.is_success:
        raise await _refused(answer)
    try:
        fields = json.loads(await _limited(answer))
    except (ValueError, RecursionError) as error:  # brackets a hundred thousand deep are JSON, too
        raise RenderFailed("the upstream's answer is no JSON", "upstream_failed") from error
    if not isinstance(fields, dict):
        raise RenderFailed("the upstream's answer is no JSON object", "upstream_failed")
    milliseconds = _seconds(answer.headers.get("openai-poll-after-ms"))
    return Answer(fields, milliseconds / 1000 if milliseconds else 1.0)


async def _write(answer: httpx.Response, file: Path, limit: int) -> None:
    if answer.status_code != 200:
        raise await _refused(answer)
    length = 0
    with await asyncio.to_thread(file.open, "wb") as opened:
        async for piece in answer.aiter_bytes():
            length += len(piece)
            if length > limit:
                raise RenderFailed(f"the upstream's film is larger than {limit} bytes", "invalid_film")
            await asyncio.to_thread(opened.write, piece)


async def _refused(answer: httpx.Response) -> RenderFailed:
    """With the server's own words, where it gave some in the usual envelope."""
    said = ""
    try:
        body = json.loads(await _limited(answer))
        if isinstance(body, dict) and isinstance(body.get("error"), dict):
            said = f": {str(body['error'].get('message', ''))[:500]}"
    except (ValueError, RecursionError):
        pass  # a proxy's page, or nothing
    return RenderFailed(f"the upstream answered {answer.status_code}{said}", "upstream_refused")


async def _limited(answer: httpx.Response) -> bytes:
    body = b""
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > _ANSWER_LIMIT:
            raise RenderFailed(f"the upstream's answer is larger than {_ANSWER_LIMIT} bytes", "upstream_failed")
    return body


def _seconds(header: str | None) -> float:
    """0 for a header that is missing or no plain number."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else 0.0
