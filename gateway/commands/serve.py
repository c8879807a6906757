"""The server process: one event loop, one listening socket, one instance per data folder."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn

from cache.errors import Unavailable
from cache.settings import Settings
from cache.storage.accounts import Accounts
from cache.storage.database import Database
from gateway.access import is_local
from gateway.app import create_app
from gateway.gate import Gate, decide
from gateway.patience import patient
from migrations.upgrade import migrate


class Server(uvicorn.Server):
    """Says where it listens, and to whom, once it does: the last lines that a person sees."""

    def __init__(self, config: uvicorn.Config, gate: Gate) -> None:
        super().__init__(config)
        self.gate = gate

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = "localhost" if is_local(self.config.host) else self.config.host
            told = f"http://{host}:{port}"
            key, who = "", "open: without keys, for this machine only, as tenant `local`"
            if self.gate.needs_keys:
                key, who = '-H "Authorization: Bearer $KEY" ', "every call needs a key (see `reprise keys`)"
            sys.stdout.write(
                f"Reprise is ready at {told}\n"
                f"  {who}\n"
                f"  try: curl {told}/v1/videos {key}-H 'Content-Type: application/json' "
                """-d '{"prompt": "a red ball bouncing on grass"}'\n"""
            )
            sys.stdout.flush()


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


async def check_keys(settings: Settings) -> None:
    """Before anything is loaded or listens: Forbidden, in one line, where no key stands between other machines and us."""
    database = Database(settings.database)
    try:
        await migrate(database)
        await decide(Accounts(database), settings.host, settings.admin_key)
    finally:
        await database.close()


def run(settings: Settings) -> None:
    with only_instance(settings):
        if not is_local(settings.host):
            asyncio.run(check_keys(settings))
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=patient(settings.patience),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who a client is comes from its key, and open mode is for this machine
            timeout_keep_alive=75,
            timeout_graceful_shutdown=20,
            h11_max_incomplete_event_size=64 * 1024,
        )
        # A request makes a few hundred objects that die with it, beside the model's million that never do. Looking for
        # cycles after every 700 took a sixth of an exact hit's time (two servers in turns: 2,109 and 2,409 hits/s).
        gc.set_threshold(20_000, 50, 100)
        Server(config, app.state["gate"]).run()
