"""The wheel of this tree, as it would be published: of the files that git knows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("cache", "gateway", "generator", "migrations")
BESIDE = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "constraints.txt")


def files() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z", "--", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def wheel(folder: Path) -> Path:
    tree = folder / "tree"
    for name in (*files(), *BESIDE):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(tree)]
    subprocess.run(command, check=True, capture_output=True, timeout=170)
    (found,) = folder.glob("reprise-*.whl")
    return found
