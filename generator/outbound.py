"""HTTP exchanges with the one origin that the operator chose, and otherwise only with public addresses; the door to httpx.

Bounded in size and time; a redirect is followed for content only, and to a public address only.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cache.errors import RenderFailed, UpstreamRefused
from generator.public_addresses import is_public
from generator.upstream_answers import reason

_ANSWER_LIMIT = 1024 * 1024  # bytes of one JSON answer
_HOPS = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0  # seconds between two tries
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_COME_BACK = frozenset({429, 503})  # said before any work was begun
_NOT_YET = frozenset({404, 409, 425})  # of a video that is told finished before its bytes can be had


@dataclass(frozen=True)
class UpstreamAnswer:
    """An answer of the upstream. `poll_after`: seconds, as the server asks, or one."""

    fields: dict[str, Any]
    poll_after: float


@dataclass(frozen=True)
class Patience:
    """Seconds. `whole` is one clip from create to its last byte, the upstream's queue included; `away` is how long it may
    fail to answer in between, `content` how long at the bytes of a finished video, which cost a render; `missing` is how long it
    may not know a video that it took, or its bytes, `unknown` how long its status may be a word that we do not know; `connect`
    and `read` are one exchange's.
    """

    whole: float = 1800.0
    away: float = 60.0
    content: float = 300.0
    missing: float = 15.0
    unknown: float = 120.0
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


class _TryAgain(Exception):
    """Bytes that could not be had, but may be later. `pause`: seconds, as the server asks, or 0; `missing`: it does not know them yet."""

    def __init__(self, failure: RenderFailed, pause: float = 0.0, *, missing: bool = False) -> None:
        super().__init__(failure.message)
        self.failure, self.pause, self.missing = failure, pause, missing


class Outbound:
    """The key goes to the base's origin and nowhere else. `allowed` says which addresses other origins may have."""

    def __init__(self, base: httpx.URL, key: str, patience: Patience, allowed: Callable[[str], bool] = is_public) -> None:
        self._base, self._key, self._patience, self._allowed = base, key, patience, allowed
        timeout = httpx.Timeout(patience.read, connect=patience.connect)
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, *, repeatable: bool = True, **body: Any) -> UpstreamAnswer:
        """Exchanges one JSON object. Retries while the server is away or says "later". Raises RenderFailed if it refuses.

        A call that is not `repeatable` is sent again only if it never arrived or the server refused to begin.
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

    async def fetch(self, address: str, file: Path, limit: int, *, elsewhere: bool = False) -> None:
        """The content at `address` (a path under the base, or a URL that the server gave), written to `file`.

        Tried again, from its first byte, while the server is away, says "later" or cuts the answer short; and for a shorter while where
        it does not know the bytes, unless there is an address `elsewhere`. RenderFailed for anything else, and for more than `limit` bytes.
        """
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                return await self._download(address, file, limit)
            except _TryAgain as again:
                patience = self._patience.content
                if again.missing:
                    patience = 0.0 if elsewhere else self._patience.missing
                pause = min(again.pause or 2 * pause, _LONGEST_PAUSE)
                if time.monotonic() + pause > began + patience:
                    raise again.failure from again
            await asyncio.sleep(pause)

    async def _download(self, address: str, file: Path, limit: int) -> None:
        try:
            url = self._base.join(address)
            for _ in range(_HOPS):
                async with self._sent("GET", url) as answer:
                    if not answer.is_redirect:
                        if answer.status_code in _TRANSIENT | _NOT_YET:
                            pause = _seconds(answer.headers.get("retry-after"))
                            raise _TryAgain(await _refused(answer), pause, missing=answer.status_code in _NOT_YET)
                        return await _write(answer, file, limit)
                    url = url.join(answer.headers.get("location", ""))
        except httpx.TransportError as error:
            raise _TryAgain(away(error)) from error
        except httpx.HTTPError as error:
            raise away(error) from error
        except httpx.InvalidURL as error:
            raise RenderFailed("the upstream leads to something that is no address", "upstream_failed") from error
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
            url = url.copy_with(host=await _address(url, self._allowed))
        async with self._client.stream(method, url, headers=given, extensions=extensions, **body) as answer:
            yield answer


def away(error: httpx.HTTPError) -> RenderFailed:
    return RenderFailed(f"the upstream does not answer: {type(error).__name__}", "upstream_away")


async def _address(url: httpx.URL, allowed: Callable[[str], bool]) -> str:
    if url.scheme not in {"http", "https"} or not url.host:
        raise RenderFailed("the upstream leads to something that is not a web address", "upstream_failed")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RenderFailed(f"the upstream leads to {url.host}, which has no address", "upstream_failed") from error
    named = [str(entry[4][0]) for entry in found]
    if not named or not all(allowed(address) for address in named):
        raise RenderFailed(f"the upstream leads to {url.host}, which is not a public address", "upstream_failed")
    return named[0]


async def _read(answer: httpx.Response) -> UpstreamAnswer:
    if not answer.is_success:
        raise await _refused(answer)
    try:
        fields = json.loads(await _limited(answer))
    except (ValueError, RecursionError) as error:  # brackets a hundred thousand deep are JSON, too
        raise RenderFailed("the upstream's answer is not JSON", "upstream_failed") from error
    if not isinstance(fields, dict):
        raise RenderFailed("the upstream's answer is not a JSON object", "upstream_failed")
    milliseconds = _seconds(answer.headers.get("openai-poll-after-ms"))
    return UpstreamAnswer(fields, milliseconds / 1000 if milliseconds else 1.0)


async def _write(answer: httpx.Response, file: Path, limit: int) -> None:
    if answer.status_code != 200:
        raise await _refused(answer)
    length = 0
    with await asyncio.to_thread(file.open, "wb") as opened:
        async for piece in answer.aiter_bytes():
            length += len(piece)
            if length > limit:
                raise RenderFailed(f"the upstream's video is larger than {limit} bytes", "invalid_video")
            await asyncio.to_thread(opened.write, piece)


async def _refused(answer: httpx.Response) -> UpstreamRefused:
    """The error for a refusal, with the server's own words where it has any."""
    said = ""
    with suppress(ValueError, RecursionError):  # a proxy's page, or nothing
        said = reason(json.loads(await _limited(answer)))
    return UpstreamRefused(f"the upstream answered {answer.status_code}{said and f': {said}'}", answer.status_code)


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
