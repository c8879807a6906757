"""The wheel holds what an installation from it needs: every file of the packages that git knows, and the versions it was tested with."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.built import PACKAGES, ROOT, files, wheel

# Read by people and by tools of this project, not by a process.
LEFT_OUT = {"generator/demo/README.md"}


def test_a_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel(tmp_path)) as opened:
        held = set(opened.namelist())
        (constraints,) = [name for name in held if name.endswith(".data/data/share/reprise/constraints.txt")]
        assert opened.read(constraints) == (ROOT / "constraints.txt").read_bytes()
    assert files() - held == LEFT_OUT
    assert {name.split("/")[0] for name in held if ".data/" not in name and ".dist-info/" not in name} == set(PACKAGES)
