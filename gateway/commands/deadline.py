"""The end of a process that was told to stop, whatever still hangs: a database that answers nobody must not hold it for minutes."""

from __future__ import annotations

import os
import sys
import threading

LATE = 8.0  # seconds beyond the grace time of calls and renders; a gateway's end is then under the 30 s that compose.yaml gives
LEFT = 70  # the exit code of a process that left something behind


def end_within(seconds: float) -> None:
    """From now on. Nothing is lost by it: what was answered with an id is committed, and a lease that is not handed back runs out."""

    def end() -> None:
        sys.stderr.write(f"Error: not all had ended {seconds:g} seconds after the signal; leaving it\n")
        sys.stderr.flush()
        os._exit(LEFT)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
