"""20,000 requests with broken, hostile and huge bodies: no crash, no server error, and no memory or file left behind.

    python -m benchmarks.leaks [--requests 20000] [--seed 1]

The warm-up of a quarter as many fills what is meant to be kept (remembered prompts and their vectors, code, pools). Then memory
may grow by at most 24 MB and open files by at most 8, or this exits with 1. Linux; needs no GPU and nothing running.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.bodies import held, send
from tests.live import Live
from training.demo_model.tiny import make_tiny_folder

MOST_MB, MOST_FILES = 24.0, 8


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        live = Live(Path(folder) / "data", make_tiny_folder(Path(folder) / "model")).start()
        try:
            live.made("a red ball", steps=2)
            asyncio.run(send(live.url, chosen.requests // 4, chosen.seed))
            time.sleep(2)
            memory, files = held(live.pid)
            print(f"after the warm-up: {memory:.1f} MB, {files} open files", flush=True)
            began = time.monotonic()
            told = asyncio.run(send(live.url, chosen.requests, chosen.seed + 1))
            took = time.monotonic() - began
            time.sleep(2)
            now, open_now = held(live.pid)
            print(f"after {sum(told.values())} requests in {took:.0f} s: {now:.1f} MB, {open_now} open files")
            print(f"answers: {dict(sorted(told.items()))} (0: the server closed the connection)")
            mistakes = [line for line in live.log.read_text().splitlines() if '"level": "error"' in line]
            alive = live.post("a red ball", steps=2)["reprise"]["verdict"] == "exact"
        finally:
            live.close()
    faults = [
        *([f"{now - memory:.1f} MB more"] if now - memory > MOST_MB else []),
        *([f"{open_now - files} files more"] if open_now - files > MOST_FILES else []),
        *([f"{told[500]} server errors"] if told[500] else []),
        *mistakes[:3],
        *([] if alive else ["it no longer answers"]),
    ]
    print(*(faults or [f"memory {now - memory:+.1f} MB, files {open_now - files:+d}: within the bounds"]), sep="\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
