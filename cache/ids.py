"""Public ids: a word, the time, and 80 random bits."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections import deque
from typing import Literal

Kind = Literal["video", "clip", "job", "tenant", "key", "label", "plan", "worker", "removal"]
_AT_ONCE = 64
_drawn: deque[str] = deque()  # random digits that no id has had yet; each is taken by one thread, and dropped in a forked child
os.register_at_fork(after_in_child=_drawn.clear)
_SHAPE = re.compile(r"[a-z]+_[0-9a-f]{32}")


def new_id(kind: Kind) -> str:
    """`video_` + 12 hex digits of milliseconds + 20 random ones: ids of one kind sort by their making, and none can be guessed."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{_random_digits()}"


def _random_digits() -> str:
    try:
        return _drawn.popleft()
    except IndexError:
        # A call of the system for each id took as long as writing half a row.
        digits = secrets.token_hex(10 * _AT_ONCE)
        _drawn.extend(digits[at : at + 20] for at in range(20, len(digits), 20))
        return digits[:20]


def is_id(kind: Kind, text: str) -> bool:
    """Whether `text` has the shape of such an id; nothing else ever reaches a query or a file name."""
    return text.startswith(f"{kind}_") and _SHAPE.fullmatch(text) is not None
