"""Gateways whose addresses change each second, and posts to the nginx before them. This is run by itself, in a container without a network.

The name `gateway` is answered with lists of one address that answers, one that takes no connection, and those that refuse one.
"""

from __future__ import annotations

import collections
import http.server
import itertools
import json
import socket
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

NAMES, GOOD, HANGS, REFUSES, REFUSES_TOO = "127.0.0.10", "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"
LISTS = ((GOOD, HANGS), (GOOD, REFUSES), (GOOD, HANGS, REFUSES_TOO), (GOOD,))
PERIOD = 0.9  # seconds; nginx asks each second, so that it sees each list in turn
BODY = 300_000  # bytes; more than nginx keeps in memory


def names() -> None:
    """Answer every question with the list of the moment."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((NAMES, 53))
    while True:
        question, asker = server.recvfrom(512)
        end = 12
        while question[end]:
            end += question[end] + 1
        addresses = LISTS[int(time.monotonic() / PERIOD) % len(LISTS)]
        records = [b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 1, 4) + socket.inet_aton(one) for one in addresses]
        head = question[:2] + b"\x81\x80\0\1" + struct.pack(">H", len(records)) + b"\0\0\0\0"
        server.sendto(head + question[12 : end + 5] + b"".join(records), asker)


class Gateway(http.server.BaseHTTPRequestHandler):
    """Sends back what it was sent; under /broken it ends the connection without an answer."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[collections.Counter[bytes]] = collections.Counter()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen[body] += 1
        if self.path == "/broken":
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was seen is told at the end."""


def hang() -> list[socket.socket]:
    """A listener whose queue is full: it takes no connection and refuses none."""
    kept = [socket.socket() for _ in range(5)]
    kept[0].bind((HANGS, 8000))
    kept[0].listen(0)
    for one in kept[1:]:
        one.setblocking(False)
        one.connect_ex((HANGS, 8000))
    return kept


def post(path: str, number: int) -> str:
    body = f"{path} {number} ".encode() + b"." * (BODY if number % 10 == 0 else 0)
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1{path}", body), timeout=20) as answer:
            return "200" if answer.read() == body else "another's answer"
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return type(error).__name__


def nginx_answers() -> bool:
    return post("/", -1) == "200"


def main(posts: int) -> None:
    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    gateway = Server((GOOD, 8000), Gateway)
    for work in (names, gateway.serve_forever):
        threading.Thread(target=work, daemon=True).start()
    kept = hang()
    until = time.monotonic() + 60
    while not nginx_answers() and time.monotonic() < until:
        time.sleep(0.2)
    Gateway.seen.clear()
    with ThreadPoolExecutor(32) as pool:
        asked = []
        for number in range(posts):
            asked.append(("/", pool.submit(post, "/", number)))
            if number % 20 == 0:
                asked.append(("/broken", pool.submit(post, "/broken", number)))
            time.sleep(0.04)
        codes = {path: collections.Counter(done.result() for of, done in asked if of == path) for path in ("/", "/broken")}
    times = collections.Counter(itertools.chain(Gateway.seen.values()))
    print(json.dumps({"answers": codes["/"], "broken": codes["/broken"], "times seen": times}))
    for one in kept:
        one.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
