"""The server process: one event loop, one listening socket, one instance per data folder."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket
from types import FrameType

import uvicorn

from cache.errors import Unavailable
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.fleet.accounts import Accounts
from gateway.api.events import Events
from gateway.app import create_app
from gateway.auth.access import is_local
from gateway.auth.gate import Gate, keys_needed
from gateway.auth.patience import patient
from gateway.commands.deadline import LATE, end_within
from gateway.environment import check_folder
from gateway.http.addresses import Addresses, root_of
from migrations.upgrade import migrate

_CALLS = 20  # seconds that calls in flight get at the end


class Server(uvicorn.Server):
    """A uvicorn server that prints where it listens, and for whom, once it does: the last lines that a person sees."""

    def __init__(self, config: uvicorn.Config, gate: Gate, events: Events, address: Path | None, grace: float) -> None:
        """`address`: the file in which commands on this machine find its URL. `events` would keep it from stopping."""
        super().__init__(config)
        self.gate, self._events, self._address, self._grace = gate, events, address, grace

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            end_within(self._grace + LATE)
            self._events.end()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = "localhost" if is_local(self.config.host) else self.config.host
            told = f"http://{host}:{port}"
            if self._address is not None:
                self._address.write_text(f"{told}\n")
            key, who = "", "open mode: no keys, this machine only, tenant `local`"
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
    """A lock on the data folder, which an embedded instance has to itself; it is released with the process, however that ends.

    Raises Unavailable if another instance holds it, or the folder cannot be written.
    """
    check_folder(settings)
    if not settings.embedded:
        yield
        return
    with (settings.data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"another Reprise uses {settings.data_dir}: stop it, or set another REPRISE_DATA_DIR here") from None
        yield


def address_file(settings: Settings) -> Path:
    """The file in which an embedded server leaves its URL for commands; valid while the server holds its lock."""
    return settings.data_dir / "address"


async def check_keys(settings: Settings) -> None:
    """Before anything is loaded or listens, in one line: Forbidden where no key stands between other machines and us, DatabaseAway
    where it is.
    """
    database = Database(settings.database)
    try:
        await migrate(database)
        await keys_needed(Accounts(database), settings.host, settings.admin_key)
    finally:
        await database.close()


def check_port(settings: Settings) -> None:
    """Unavailable where nobody could listen; told before minutes of loading, not after."""
    kind = AF_INET6 if ":" in settings.host else AF_INET
    with socket(kind) as tried:
        tried.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            tried.bind((settings.host, settings.port))
        except OSError as error:
            where = f"REPRISE_HOST={settings.host}, REPRISE_PORT={settings.port}"
            raise Unavailable(f"{where} cannot be listened on: {error.strerror}") from error


def run_server(settings: Settings) -> None:
    with only_instance(settings):
        check_port(settings)
        if not is_local(settings.host) or not settings.embedded:
            asyncio.run(check_keys(settings))
        address = address_file(settings)
        address.unlink(missing_ok=True)  # left by a server that was killed
        app = create_app(settings)
        config = uvicorn.Config(
            Addresses(app, root_of(settings.public_url)),
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=patient(settings.client_timeout_seconds),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # a client is known by its key, and open mode is for this machine only
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_CALLS,
            h11_max_incomplete_event_size=64 * 1024,
        )
        grace = 0.0 if settings.renderer == "none" else settings.stop_grace_seconds
        # A request makes a few hundred objects that die with it, beside the model's million that never do. Looking for
        # cycles after every 700 took a sixth of an exact hit's time (two servers in turns: 2,109 and 2,409 hits/s).
        gc.set_threshold(20_000, 50, 100)
        try:
            Server(config, app.state["gate"], app.state["events"], address if settings.embedded else None, _CALLS + grace).run()
        except KeyboardInterrupt:
            # uvicorn raises the signal again once all has ended. As after SIGTERM, a thread that still loads a model holds nobody up.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
