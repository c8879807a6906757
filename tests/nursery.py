"""Server processes for tests in a tenth of the time: forked from a process that has imported torch and diffusers already.

A server spends nine of its first ten seconds of processor time on imports. The process that a test gets is a real one in
every other way: a pid of its own to kill, its own environment, output and exit code. Benchmarks start theirs afresh.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO

HEAVY = (
    "gateway.app",
    "gateway.commands.serve",
    "gateway.commands.worker",
    "generator.diffusion.wan",
    "generator.film",
    "onnxruntime",
    "faiss",
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
    """One process that imports once and forks on demand. It ends, and all that it bore, when its standard input closes."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="reprise-nursery-")
        self._path = str(Path(self._folder.name) / "socket")
        self._process: subprocess.Popen[bytes] | None = None

    def _start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.nursery", self._path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "the nursery does not start"

    def bear(self, arguments: list[str], environment: Mapping[str, str], log: IO[str]) -> Born:
        """A process that runs `reprise` with these arguments; what it logs goes to `log`."""
        if self._process is None:
            self._start()
        reading, writing = os.pipe()
        told = socket.socket(socket.AF_UNIX)
        told.connect(self._path)
        message = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
        socket.send_fds(told, [len(message).to_bytes(4, "big")], [writing, log.fileno()])
        told.sendall(message)
        os.close(writing)
        return Born(told, os.fdopen(reading))

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(30)
            self._process.stdout.close()
        self._folder.cleanup()


def main(path: str) -> None:
    for name in HEAVY:
        import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(8)
    children: dict[int, socket.socket] = {}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [], 0.02)
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
    head, files, _, _ = socket.recv_fds(asked, 4, 2)
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
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in enumerate((nothing, *files)):
            os.dup2(source, target)
            os.close(source)
        os.environ.clear()
        os.environ.update(environment)
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
