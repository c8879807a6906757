"""Install Reprise into this Python under constraints.txt, with the torch build that fits the machine.

PyPI's torch for Linux brings several GB of CUDA libraries. Without a GPU the CPU build is taken: from PyTorch's own
index where that answers within a few seconds, else from the configured indexes if *they* hold a build without CUDA.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.request

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH = next(line.strip() for line in open("constraints.txt", encoding="utf-8") if line.startswith("torch=="))  # noqa: SIM115, PTH123


def pip(*arguments: str, capture: bool = False) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE if capture else None)  # noqa: S603
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout or ""


def install(*what: str) -> None:
    """Python compiles what is imported when it is first imported: compiling all that is installed takes a minute more."""
    pip("install", "--quiet", "--no-compile", *what)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/torch/", timeout=4) as page:  # noqa: S310
            return bool(page.status == 200)
    except OSError:
        return False


def brings_cuda() -> bool:
    report = json.loads(pip("install", "--dry-run", "--quiet", "--report", "-", TORCH, capture=True))
    return any(found["metadata"]["name"].startswith(("nvidia-", "cuda-")) for found in report["install"])


def install_torch(build: str) -> None:
    if build == "cuda":
        install(TORCH)
    elif answers(CPU_INDEX):
        # Its dependencies come with the rest, under constraints.txt: this index holds torch alone in every version.
        install("--no-deps", TORCH, "--index-url", CPU_INDEX)
    elif brings_cuda():
        sys.exit(
            f"{CPU_INDEX} does not answer, and the torch that pip finds elsewhere brings several GB of CUDA libraries.\n"
            "Run again with TORCH=cuda to take it, or once that index can be reached."
        )
    else:
        install(TORCH)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--torch", choices=("cpu", "cuda"), default="cpu")
    options.add_argument("--dev", action="store_true", help="also what tests and checks need")
    chosen = options.parse_args()
    print("installing into .venv (about two minutes the first time)", flush=True)  # noqa: T201
    install_torch(chosen.torch)
    install("--constraint", "constraints.txt", "--editable", ".[dev]" if chosen.dev else ".")


if __name__ == "__main__":
    main()
