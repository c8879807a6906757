"""Public ids: a kind, the time, and 80 random bits."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections import deque
from typing import Literal

IdKind = Literal["video", "clip", "job", "tenant", "key", "label", "plan", "worker", "removal", "picture"]
_AT_ONCE = 64
_drawn: deque[str] = deque()  # unused random digits; each is taken by one thread, and a forked child drops them
os.register_at_fork(after_in_child=_drawn.clear)
_SHAPE = re.compile(r"[a-z]+_[0-9a-f]{32}")


def new_id(kind: IdKind) -> str:
    """A new id: `video_` + 12 hex digits of milliseconds + 20 random ones. Ids sort by creation time and cannot be guessed."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{_random_digits()}"


def _random_digits() -> str:
    try:
        return _drawn.popleft()
    except IndexError:
        # A system call for each id took as long as writing half a row.
        digits = secrets.token_hex(10 * _AT_ONCE)
        _drawn.extend(digits[at : at + 20] for at in range(20, len(digits), 20))
        return digits[:20]


def is_id(kind: IdKind, text: str) -> bool:
    """True if `text` has the shape of such an id; nothing else ever reaches a query or a file name."""
    return text.startswith(f"{kind}_") and _SHAPE.fullmatch(text) is not None
