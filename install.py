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
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # a person's own Python may be older, and is told so
    sys.exit(f"Error: Reprise needs Python 3.11 and this is {sys.version.split()[0]}: name another, as in `make run PYTHON=python3.11`")

import tomllib

HERE = Path(__file__).parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH = next(line.strip() for line in (HERE / "constraints.txt").read_text(encoding="utf-8").splitlines() if line.startswith("torch=="))


def pip(*arguments: str, capture: bool = False) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE if capture else None)  # noqa: S603
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout or ""


def install(*what: str) -> None:
    """Python compiles what is imported when it is first imported: compiling all that is installed takes a minute more. In an image it
    could not keep that, so there all is compiled.
    """
    pip("install", "--quiet", *([] if "--only" in sys.argv else ["--no-compile"]), *what)


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


def packages(extras: list[str]) -> list[str]:
    """What pyproject.toml asks for, itself apart: the part of an image that changes seldom."""
    read = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    project = read["project"]
    named = [*read["build-system"]["requires"], *project["dependencies"]]
    return named + [one for extra in extras for one in project["optional-dependencies"][extra]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--torch", choices=("cpu", "cuda", "none"), default="cpu", help="none: a gateway, whose workers render elsewhere")
    options.add_argument("--dev", action="store_true", help="also what tests and checks need")
    options.add_argument("--only", choices=("packages", "code"), help="what others made, or Reprise itself: for the layers of an image")
    chosen = options.parse_args()
    extras = [*(["render"] if chosen.torch != "none" else []), *(["dev"] if chosen.dev else [])]
    if chosen.only == "code":
        return install("--no-deps", "--no-build-isolation", "--editable", ".")
    print(f"installing into {sys.prefix} (about two minutes the first time)", flush=True)  # noqa: T201
    if "render" in extras:
        install_torch(chosen.torch)
    if chosen.only == "packages":
        return install("--constraint", "constraints.txt", *packages(extras))
    return install("--constraint", "constraints.txt", "--editable", f".[{','.join(extras)}]" if extras else ".")


if __name__ == "__main__":
    main()
