"""Groups of prompts written for this project: one, the same in other words, what asks for less or for more, and what is wrong."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

WRITTEN = Path(__file__).parent / "written.jsonl"
HELD = 20  # percent of the groups, kept back to fit and measure


class Group(TypedDict):
    base: str
    same: list[str]
    less: list[str]
    more: list[str]
    wrong: list[str]


def groups(path: Path = WRITTEN) -> Iterator[tuple[Group, bool]]:
    """Each group, and whether it is held back."""
    for line in path.read_text(encoding="utf-8").splitlines():
        group: Group = json.loads(line)
        yield group, int(hashlib.sha256(group["base"].lower().encode()).hexdigest()[:8], 16) % 100 < HELD


def drawn(group: Group, rng: random.Random) -> tuple[str, str, int, str]:
    """One labelled pair of a group: new, cached, label, kind."""
    alike = [group["base"], *group["same"]]
    one, other = rng.sample(alike, 2)
    less, more, wrong = (rng.choice(group[name]) for name in ("less", "more", "wrong"))
    kinds: dict[str, tuple[int, Callable[[], tuple[str, str, int]]]] = {
        "same": (34, lambda: (one, other, 1)),
        "less": (10, lambda: (less, one, 1)),
        "more_less": (6, lambda: (one, more, 1)),
        "less_more": (8, lambda: (one, less, 0)),
        "more": (8, lambda: (more, one, 0)),
        "wrong": (34, lambda: (wrong, one, 0) if rng.random() < 0.5 else (one, wrong, 0)),
    }
    kind = rng.choices(list(kinds), [share for share, _ in kinds.values()])[0]
    return *kinds[kind][1](), f"written_{kind}"
