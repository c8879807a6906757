"""A receiver of webhooks: a real HTTP server on a free port of 127.0.0.1, which keeps what it was sent."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.admin.pages import until


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: str

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verified(self, secret: str) -> dict[str, Any]:
        """As a receiver does it, with the project's own library. It raises what is wrong."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return found


class Receiver:
    """`answers`: the statuses of the next calls; 200 when there are no more. With a certificate it speaks TLS."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.calls: list[Call] = []
        self.answers: list[int] = []
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.calls.append(Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                outer.hold.wait(30)
                status = outer.answers.pop(0) if outer.answers else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{outer.url}/redirected")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing on the tests' output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.port = self._server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http://127.0.0.1:{self.port}" if certificate is None else f"https://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def at(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def called(self, path: str, times: int = 1) -> Call:
        """The newest of so many calls, waited for."""
        until(lambda: len(self.at(path)) >= times)
        return self.at(path)[-1]

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
