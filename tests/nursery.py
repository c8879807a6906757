"""Server processes, and commands, for tests in a tenth of the time: forked from a process that has imported torch and diffusers already,
and has read the word lists.

A server spends nine of its first ten seconds of processor time on imports. The process that a test gets is a real one in
every other way: a pid of its own to kill, its own environment, output and exit code. Benchmarks start theirs afresh.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO

# What a server imports while it starts, and what the libraries among it import only at their first use.
HEAVY = (
    "gateway.app",
    "gateway.cli",
    "gateway.commands.serve",
    "gateway.commands.worker",
    "generator.diffusion.plain",
    "generator.diffusion.wan",
    "generator.video_encoding",
    "onnxruntime",
    "faiss",
    "av",
    "prometheus_client",
    "aiosqlite",
    "psycopg_pool",
    "procrastinate",
    "minio",
    "alembic.command",
    "mako.template",
    "litestar.plugins.attrs",
    "litestar.plugins.pydantic",
    "litestar.exceptions.responses",
    "litestar.middleware.allowed_hosts",
    "litestar.middleware.csrf",
    "litestar.middleware.response_cache",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.websockets.auto",
    "anyio._backends._asyncio",
    "httpcore",
)


class Born:
    """What a test needs of subprocess.Popen."""

    def __init__(self, told: socket.socket, stdout: IO[str]) -> None:
        self._told, self.stdout = told.makefile("r"), stdout
        self._socket = told
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it ended by itself
                os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._socket.settimeout(timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._socket.close()
            self.stdout.close()
        return self.returncode


class Nursery:
    """One process that imports once and forks on demand, for all processes of a test run. It ends, and all that it bore, when its
    standard input closes; a server whose test process is gone ends, too.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="reprise-nursery-")
        self.path = str(Path(self._folder.name) / "socket")
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()  # a fleet starts its processes at once

    def start(self) -> None:
        """Begins to import; who asks for a server meanwhile waits."""
        with self._starting:
            if self._process is None:
                command = [sys.executable, "-m", "tests.nursery", self.path]
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                assert self._process.stdout is not None
                assert self._process.stdout.readline() == b"listening\n", "the nursery does not start"

    def bear(self, arguments: list[str], environment: Mapping[str, str], log: IO[str], typed: IO[str] | None = None) -> Born:
        self.start()
        return bear(self.path, arguments, environment, log, typed)

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(120)  # a busy machine may be in the middle of an import
            self._process.stdout.close()
        self._folder.cleanup()


class SharedNursery:
    """The nursery of the whole run, as the process of one worker of it sees it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def bear(self, arguments: list[str], environment: Mapping[str, str], log: IO[str], typed: IO[str] | None = None) -> Born:
        return bear(self._path, arguments, environment, log, typed)

    def close(self) -> None:
        """Nothing: others use it."""


def bear(path: str, arguments: list[str], environment: Mapping[str, str], log: IO[str], typed: IO[str] | None = None) -> Born:
    """A process that runs `reprise` with these arguments; what it logs goes to `log`, what it reads is `typed`."""
    reading, writing = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    told = socket.socket(socket.AF_UNIX)
    told.connect(path)
    message = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
    socket.send_fds(told, [len(message).to_bytes(4, "big")], [nothing if typed is None else typed.fileno(), writing, log.fileno()])
    told.sendall(message)
    os.close(nothing)
    os.close(writing)
    return Born(told, os.fdopen(reading))


def main(path: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)
    children: dict[int, socket.socket] = {}
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    for name in HEAVY:
        import_module(name)
        if select.select([sys.stdin], [], [], 0)[0]:
            return  # the run ended before anybody asked
    for read in ("lexicon", "converters", "warm"):
        getattr(import_module("cache.matching.encoding.embedder"), read)()
    folders = [Path(sys.prefix) / "share" / "reprise" / "encoders", import_module("cache.matching.encoding.exported").SHIPPED]
    for path in [path for folder in folders for path in folder.rglob("tokenizer.json")]:
        import_module("cache.matching.encoding.onnx_model").vocabulary(path)
    gc.collect()
    gc.freeze()  # else a child's first collection writes to, and so copies, every page that it shares with this process
    while True:
        ready, _, _ = select.select([listening, sys.stdin, *children.values()], [], [], 0.02)
        for pid, asked in children.items():
            if asked in ready:  # closed at its other end: who asked for it is gone
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if sys.stdin in ready:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            return
        if listening in ready:
            asked, _ = listening.accept()
            child = _fork(asked, listening)
            if child is not None:
                children[child] = asked
        while children and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            told = children.pop(ended[0])
            with suppress(OSError):  # nobody waits for it
                told.sendall(b"%d\n" % os.waitstatus_to_exitcode(ended[1]))
            told.close()


def _fork(asked: socket.socket, listening: socket.socket) -> int | None:
    """The child's pid, told to who asked. In the child this does not return."""
    head, files, _, _ = socket.recv_fds(asked, 4, 3)
    length, body = int.from_bytes(head, "big"), b""
    while len(body) < length:
        piece = asked.recv(length - len(body))
        if not piece:
            return None
        body += piece
    wanted = json.loads(body)
    pid = os.fork()
    if pid:
        for file in files:
            os.close(file)
        asked.sendall(b"%d\n" % pid)
        return pid
    listening.close()
    asked.close()
    _live(wanted["arguments"], wanted["environment"], files)
    raise AssertionError("a child does not come back")


def _live(arguments: list[str], environment: dict[str, str], files: list[int]) -> None:
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, source in enumerate(files):
            os.dup2(source, target)
            os.close(source)
        os.environ.clear()
        os.environ.update(environment)
        with suppress(OSError):  # a command may be tried on a folder that is not there
            os.chdir(environment["REPRISE_DATA_DIR"])  # a developer's own .env and reprise.toml are no business of tests
        sys.argv = ["reprise", *arguments]
        import_module("gateway.cli").main(args=arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
