"""The commands of `reprise`, each a process of its own, forked as servers are (nursery.py)."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from subprocess import CompletedProcess
from tempfile import TemporaryFile
from threading import Timer

from tests.live import Live


def run_command(words: list[str], environment: Mapping[str, str], typed: str = "", *, seconds: float = 150) -> CompletedProcess[str]:
    """Runs `reprise` with these words. Killed after so many `seconds`, which its exit code tells."""
    assert Live.nursery is not None, "tests that need a process started afresh start one by themselves"
    with TemporaryFile("w+") as log, TemporaryFile("w+") as reads:
        reads.write(typed)
        reads.seek(0)
        born = Live.nursery.bear(words, environment, log, reads)
        late = Timer(seconds, born.send_signal, [signal.SIGKILL])
        late.start()
        try:
            printed = born.stdout.read()
            code = born.wait(seconds)
        finally:
            late.cancel()
        log.seek(0)
        return CompletedProcess(["reprise", *words], code, printed, log.read())


def plain_environment(**settings: str) -> dict[str, str]:
    """That of this process, with these settings of Reprise and no others."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
    return plain | {f"REPRISE_{name.upper()}": value for name, value in settings.items()}
