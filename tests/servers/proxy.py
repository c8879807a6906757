"""A reverse proxy that shows a server under a path, and cuts that path off or not."""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from tests.live import PATIENCE

_HOPS = {"connection", "keep-alive", "transfer-encoding"}


class PrefixProxy:
    """`url` is where clients reach `target`, which may be set once it runs. Anything outside of the path is 404 from here, and noted in
    `strays`: no page may ask for it.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix, self.strips, self.target, self.strays = prefix, True, "", list[str]()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make())
        self._server.daemon_threads = True
        self.url = f"http://localhost:{self._server.server_address[1]}{prefix}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _make(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # an answer without a length ends with its connection

            def log_message(self, format: str, *args: object) -> None: ...

            def _pass(self) -> None:
                if not (self.path + "/").startswith((f"{proxy.prefix}/", f"{proxy.prefix}?")):
                    proxy.strays.append(self.path)
                    self.send_error(404)
                    return
                path = self.path[len(proxy.prefix) :] if proxy.strips else self.path
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = http.client.HTTPConnection(urlsplit(proxy.target).netloc, timeout=PATIENCE)
                asked.putrequest(self.command, path or "/", skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in _HOPS:
                        asked.putheader(name, value)
                asked.endheaders(body)
                answer = asked.getresponse()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOPS:
                        self.send_header(name, value)
                self.end_headers()
                while piece := answer.read1(65_536):
                    self.wfile.write(piece)
                    self.wfile.flush()
                asked.close()

            do_GET = do_HEAD = do_POST = do_DELETE = do_OPTIONS = _pass  # noqa: N815  # names of the base class

        return Handler
