"""Groups of prompts written for this project: one, the same in other words, what asks for less or for more, and what is wrong."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

WRITTEN = Path(__file__).parent / "written.jsonl"
LATER = Path(__file__).parent / "written"  # files of later authors, one a manner
HELD = 20  # percent of the groups, kept back to fit and measure


class Group(TypedDict):
    """`of`: the base of the group that this one says in another language."""

    base: str
    same: list[str]
    less: list[str]
    more: list[str]
    wrong: list[str]
    of: NotRequired[str]


def files() -> list[Path]:
    return [WRITTEN, *sorted(LATER.glob("*.jsonl"))]


def groups(*paths: Path) -> Iterator[tuple[Group, bool]]:
    """Each group, and whether it is held back; a translation is where its original is."""
    for path in paths or files():
        for line in path.read_text(encoding="utf-8").splitlines():
            group: Group = json.loads(line)
            yield group, held(group.get("of") or group["base"])


def held(base: str) -> bool:
    return int(hashlib.sha256(base.lower().encode()).hexdigest()[:8], 16) % 100 < HELD


def told_twice(found: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Groups with their translations."""
    by_base = {group["base"]: group for group in found}
    return [(by_base[group["of"]], group) for group in found if group.get("of") in by_base]


def drawn(group: Group, rng: random.Random, other: Group | None = None) -> tuple[str, str, int, str]:
    """One labelled pair of a group: new, cached, label, kind. `other`: the same group in another language; the pair then has one
    prompt of each.
    """
    if other is not None and rng.random() < 0.5:
        group, other = other, group
    one = rng.choice([group["base"], *group["same"]])
    again = rng.choice([text for text in [(other or group)["base"], *(other or group)["same"]] if text != one])
    less, more, wrong = (rng.choice((other or group)[name]) for name in ("less", "more", "wrong"))
    kinds: dict[str, tuple[int, Callable[[], tuple[str, str, int]]]] = {
        "same": (34, lambda: (one, again, 1)),
        "less": (10, lambda: (less, one, 1)),
        "more_less": (6, lambda: (one, more, 1)),
        "less_more": (8, lambda: (one, less, 0)),
        "more": (8, lambda: (more, one, 0)),
        "wrong": (34, lambda: (wrong, one, 0) if rng.random() < 0.5 else (one, wrong, 0)),
    }
    kind = rng.choices(list(kinds), [share for share, _ in kinds.values()])[0]
    return *kinds[kind][1](), f"{'between' if other is not None else 'written'}_{kind}"
