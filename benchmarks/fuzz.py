"""The long run of schemathesis over the whole API: every answer must be one that the document tells of.

    python -m benchmarks.fuzz [--cases 5000] [--each 60] [--seed 1]

Rounds with other seeds, each against a server of its own, until `--cases` were sent. Needs the `dev` extra, no GPU and nothing
running. Exit code 1 with the first round that found something.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzzing import fuzz, settings
from tests.live import Live
from training.demo_model.tiny import make_tiny_folder


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=5000)
    options.add_argument("--each", type=int, default=60, help="generated cases per operation, beside the fixed ones")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    began, sent, seed = time.monotonic(), 0, chosen.seed
    with tempfile.TemporaryDirectory() as folder:
        model = make_tiny_folder(Path(folder) / "model")
        while sent < chosen.cases:
            place = Path(folder) / f"round-{seed}"
            place.mkdir()
            live = Live(place / "data", model, **settings(place)).start()
            try:
                outcome = fuzz(live, place, chosen.each, seed)
                mistakes = [line for line in live.log.read_text().splitlines() if '"level": "error"' in line]
            finally:
                live.close()
            sent += outcome.cases
            print(f"seed {seed}: {outcome.cases} cases, exit code {outcome.code}, {len(mistakes)} errors in the server's log", flush=True)
            if outcome.code or mistakes:
                print(outcome.told, *mistakes[:5], sep="\n")
                sys.exit(1)
            seed += 1
    print(f"{sent} cases in {time.monotonic() - began:.0f} s: 0 server errors, 0 answers that the document does not tell of")


if __name__ == "__main__":
    main()
