"""One canonical encoding for everything that is hashed into a key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def digest(fields: Mapping[str, object]) -> str:
    """SHA-256 (hex) of the canonical JSON of *all* fields.

    Keys are sorted and every value keeps its JSON type, so no two different mappings share an encoding:
    "ab" + "c" is not "a" + "bc", and 1 is not "1". NaN and infinities are refused.
    """
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
