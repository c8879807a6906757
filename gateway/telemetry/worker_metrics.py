"""The HTTP answers of a process without a web server, a worker: `/metrics` and `/health`, each on a port of its own."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from cache.errors import Forbidden, Unavailable
from cache.settings import Settings
from gateway.api.health import Health
from gateway.auth.access import is_local
from gateway.telemetry.metrics import Metrics

_PATIENCE = 10.0  # seconds that a caller has to send its request

Respond = Callable[[str, list[tuple[str, str]]], object]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = _PATIENCE

    def log_message(self, *_: object) -> None:
        """A scrape is no event."""


@contextmanager
def scraped(metrics: Metrics, settings: Settings) -> Iterator[int | None]:
    """Serves metrics in its own threads while the block runs; yields the port, None if not configured. Raises Forbidden if other machines
    could read without a token, Unavailable if the port is taken.
    """
    if not settings.metrics_port:
        yield None
        return
    if not is_local(settings.host) and not settings.metrics_token:
        raise Forbidden(f"metrics on {settings.host} can be read from other machines: set REPRISE_METRICS_TOKEN")
    with _served("metrics", settings.host, settings.metrics_port, _answer(metrics, settings.metrics_token)) as port:
        yield port


@contextmanager
def asked_for_health(health: Health, settings: Settings) -> Iterator[int | None]:
    """As `scraped`, with the answers of a gateway's `/health`; anyone may ask. To be entered in the loop whose health is told."""
    if not settings.health_port:
        yield None
        return
    loop = asyncio.get_running_loop()

    def look() -> tuple[bool, bytes]:
        return asyncio.run_coroutine_threadsafe(health.told(), loop).result(_PATIENCE)

    def answer(asked: dict[str, Any], respond: Respond) -> list[bytes]:
        if asked["PATH_INFO"] not in {"/health/live", "/health/ready"} or asked["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _plain(respond, "404 Not Found")
        try:
            ready, body = look()
        except TimeoutError:  # the loop itself stands still
            return _plain(respond, "503 Service Unavailable")
        if asked["PATH_INFO"] == "/health/live":
            ready, body = True, b'{"status":"live"}'
        head = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Content-Length", str(len(body)))]
        respond("200 OK" if ready else "503 Service Unavailable", head)
        return [] if asked["REQUEST_METHOD"] == "HEAD" else [body]

    with _served("health", settings.host, settings.health_port, answer) as port:
        yield port


@contextmanager
def _served(what: str, host: str, port: int, answer: Callable[[dict[str, Any], Respond], list[bytes]]) -> Iterator[int]:
    try:
        server = make_server(host, port, answer, _Server, _Quiet)
    except OSError as error:
        raise Unavailable(f"{what} cannot be served on {host}:{port}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name=what, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _answer(metrics: Metrics, token: str) -> Callable[[dict[str, Any], Respond], list[bytes]]:
    def answer(asked: dict[str, Any], respond: Respond) -> list[bytes]:
        if asked["PATH_INFO"] != "/metrics" or asked["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _plain(respond, "404 Not Found")
        sent = str(asked.get("HTTP_AUTHORIZATION", "")).encode("latin-1")
        if token and not hmac.compare_digest(sent, f"Bearer {token}".encode()):
            return _plain(respond, "401 Unauthorized")
        body, content_type = metrics.written(str(asked.get("HTTP_ACCEPT", "")))
        respond("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [] if asked["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


def _plain(respond: Respond, status: str) -> list[bytes]:
    respond(status, [("Content-Length", "0")])
    return []
