"""A table of donors for tests: what ships may be measured anew and allow other depths."""

from __future__ import annotations

import json
from pathlib import Path

from cache.matching.donors.curves import KINDS


def write_table(folder: Path, least_variety: float = 0.5) -> Path:
    """Everything is safe down to 0.9; takes are varied down to 0.93."""
    curve = [[1.0, 400, 400], [0.96, 400, 400], [0.9, 400, 400], [0.5, 0, 400]]
    told = {
        "deepest": dict.fromkeys(KINDS, 0.9),
        "curves": dict.fromkeys(KINDS, curve),
        "least_variety": least_variety,
        "variety": [[0.96, 0.8, 400], [0.93, 0.6, 400], [0.9, 0.1, 400]],
    }
    file = folder / "donors.json"
    file.write_text(json.dumps(told))
    return file
