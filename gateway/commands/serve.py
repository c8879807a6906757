"""The server process: one event loop, one listening socket, one instance per data folder."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import uvicorn

from cache.errors import Unavailable
from cache.settings import Settings
from cache.storage.accounts import Accounts
from cache.storage.database import Database
from gateway.app import create_app
from gateway.entry.access import is_local
from gateway.entry.gate import Gate, decide
from gateway.entry.patience import patient
from migrations.upgrade import migrate


class Server(uvicorn.Server):
    """Says where it listens, and to whom, once it does: the last lines that a person sees."""

    def __init__(self, config: uvicorn.Config, gate: Gate, address: Path | None) -> None:
        """`address`: the file that tells commands of this machine where it listens."""
        super().__init__(config)
        self.gate, self._address = gate, address

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = "localhost" if is_local(self.config.host) else self.config.host
            told = f"http://{host}:{port}"
            if self._address is not None:
                self._address.write_text(f"{told}\n")
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
            raise Unavailable(f"another Reprise serves {settings.data_dir}: stop it, or give this one its own REPRISE_DATA_DIR") from None
        yield


def address_of(settings: Settings) -> Path:
    """Where an embedded server tells commands its URL; it counts while the server holds its lock."""
    return settings.data_dir / "address"


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
        address = address_of(settings)
        address.unlink(missing_ok=True)  # of one that was killed
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
        Server(config, app.state["gate"], address if settings.embedded else None).run()
