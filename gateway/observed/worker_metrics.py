"""`/metrics` of a process without a web server: a worker's."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from cache.errors import Forbidden, Unavailable
from cache.settings import Settings
from gateway.entry.access import is_local
from gateway.observed.metrics import Metrics

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
    """In threads of its own while the block runs; yields the port, None where none is wanted. Forbidden where other machines
    could read without a token, Unavailable where the port is taken.
    """
    if not settings.metrics_port:
        yield None
        return
    if not is_local(settings.host) and not settings.metrics_token:
        raise Forbidden(f"metrics on {settings.host} are for other machines, too: set REPRISE_METRICS_TOKEN")
    try:
        server = make_server(settings.host, settings.metrics_port, _answer(metrics, settings.metrics_token), _Server, _Quiet)
    except OSError as error:
        raise Unavailable(f"metrics cannot be served on {settings.host}:{settings.metrics_port}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
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
