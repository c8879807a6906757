"""The hand-written prompt pairs, read from their compact form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    new: str
    cached: str
    right: bool
    kind: str
    manner: str


HANDWRITTEN = Path(__file__).with_name("handwritten.txt")


def handwritten(path: Path = HANDWRITTEN) -> Iterator[Pair]:
    manner = base = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        mark, _, rest = line.partition(" ")
        match mark:
            case "##":
                manner = rest
            case "=":
                base = rest
            case "+":
                yield Pair(rest, base, True, "other words", manner)
            case "<":
                yield Pair(rest, base, True, "asks for less", manner)
                yield Pair(base, rest, False, "asks for more", manner)
            case "-":
                kind, _, text = rest.partition(" | ")
                yield Pair(text, base, False, kind, manner)
