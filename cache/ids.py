"""Public ids: a word, the time, and 80 random bits."""

from __future__ import annotations

import re
import secrets
import time
from typing import Literal

Kind = Literal["video", "clip", "job", "tenant", "key", "label", "plan", "worker"]
_SHAPE = re.compile(r"[a-z]+_[0-9a-f]{32}")


def new_id(kind: Kind) -> str:
    """`video_` + 12 hex digits of milliseconds + 20 random ones: ids of one kind sort by their making, and none can be guessed."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def is_id(kind: Kind, text: str) -> bool:
    """Whether `text` has the shape of such an id; nothing else ever reaches a query or a file name."""
    return text.startswith(f"{kind}_") and _SHAPE.fullmatch(text) is not None
