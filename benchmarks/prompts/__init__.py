"""Prompt pairs written for this project, as people ask for videos."""

from __future__ import annotations

import json
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
ONE_FACT = Path(__file__).with_name("one_fact.jsonl")


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


def one_fact(path: Path = ONE_FACT) -> Iterator[Pair]:
    """Pairs that differ in one fact, by a word that rules and models are likely to miss, and paraphrases. Those of the manner "seen"
    were looked at when rules were made; those of the manner "kept back" were not."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Pair(row["new"], row["cached"], row["right"], row["kind"], row["manner"])
