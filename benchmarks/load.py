"""A closed-loop HTTP client that costs little: raw sockets, prepared requests, one coroutine per connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np


@dataclass(frozen=True)
class Measured:
    """Milliseconds of each answered request, and the wall time of all in seconds."""

    took: Sequence[float]
    wall: float

    @property
    def rate(self) -> float:
        return len(self.took) / self.wall

    def percentile(self, share: float) -> float:
        return float(np.percentile(np.asarray(self.took), share))


def request(url: str, path: str, body: object, headers: Mapping[str, str] | None = None) -> bytes:
    encoded = json.dumps(body).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(encoded)}\r\n{more}\r\n"
    )
    return head.encode() + encoded


async def _one(host: str, port: int, asks: Sequence[bytes], until: float, expect: bytes) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    took, at = [], 0
    try:
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(asks[at % len(asks)])
            at += 1
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            body = await reader.readexactly(length)
            took.append((time.perf_counter() - began) * 1000)
            if not head.startswith(b"HTTP/1.1 200") or expect not in body:
                raise RuntimeError(f"unexpected answer: {head[:200]!r} {body[:400]!r}")
    finally:
        writer.close()
    return took


async def _all(url: str, asks: Sequence[bytes], connections: int, seconds: float, expect: bytes) -> Measured:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    began = time.perf_counter()
    # Each connection starts at another ask, so that they do not walk in step.
    shifted = [[*asks[n % len(asks) :], *asks[: n % len(asks)]] for n in range(connections)]
    each = await asyncio.gather(*(_one(parts.hostname, parts.port, mine, began + seconds, expect) for mine in shifted))
    return Measured([one for took in each for one in took], time.perf_counter() - began)


def run(url: str, asks: Sequence[bytes], *, connections: int, seconds: float, expect: bytes = b"") -> Measured:
    """Each connection sends its next request when it has the answer to the last; an answer without `expect` is an error."""
    return asyncio.run(_all(url, asks, connections, seconds, expect))
