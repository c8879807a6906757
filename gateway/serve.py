"""The server process: one event loop, one listening socket, one instance per data folder."""

from __future__ import annotations

import fcntl
import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn

from cache.errors import Forbidden, Unavailable
from cache.settings import Settings
from gateway.app import create_app
from gateway.logs import start_logging


class Server(uvicorn.Server):
    """Says where it listens once it does: the last line that a person sees."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = "localhost" if is_loopback(self.config.host) else self.config.host
            told = f"http://{host}:{port}"
            sys.stdout.write(
                f"Reprise is ready at {told}\n"
                f"  try: curl {told}/v1/videos -H 'Content-Type: application/json' "
                """-d '{"prompt": "a red ball bouncing on grass"}'\n"""
            )
            sys.stdout.flush()


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def only_instance(settings: Settings) -> Iterator[None]:
    """An embedded instance has its data folder to itself; the lock goes with the process, however that ends."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if not settings.embedded:
        yield
        return
    with (settings.data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"another Reprise serves {settings.data_dir}; give this one its own REPRISE_DATA_DIR") from None
        yield


def run(settings: Settings) -> None:
    if not is_loopback(settings.host):
        raise Forbidden(f"without keys Reprise serves this machine only, not {settings.host}")
    start_logging(settings)
    with only_instance(settings):
        config = uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=20,
            h11_max_incomplete_event_size=64 * 1024,
        )
        Server(config).run()
