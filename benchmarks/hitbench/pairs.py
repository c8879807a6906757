"""The pairs: would a clip made for `cached` satisfy who asks `new`? README.md says how they were made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.prompts import handwritten, one_fact

HERE = Path(__file__).parent
FILES = ("en.jsonl", "zh.jsonl", "later_en.jsonl", "later_zh.jsonl")
PARTS = (*(name.removesuffix(".jsonl") for name in FILES), "handwritten", "one_fact")


@dataclass(frozen=True)
class LabelledPair:
    """`right`: the clip satisfies the ask. `part` is the file that it comes from, `lang` en, zh or mixed."""

    new: str
    cached: str
    right: bool
    kind: str
    lang: str
    part: str


def pairs(parts: tuple[str, ...] = PARTS) -> Iterator[LabelledPair]:
    """All pairs of the parts named, in the order of their files."""
    for name in FILES:
        part = name.removesuffix(".jsonl")
        if part in parts:
            for line in (HERE / name).read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                yield LabelledPair(row["new"], row["cached"], row["right"], row["kind"], row["lang"], part)
    if "handwritten" in parts:
        for pair in handwritten():
            lang = "zh" if pair.manner == "chinese" else "en"
            yield LabelledPair(pair.new, pair.cached, pair.right, pair.kind, lang, "handwritten")
    if "one_fact" in parts:
        for pair in one_fact():
            yield LabelledPair(pair.new, pair.cached, pair.right, pair.kind, "en", "one_fact")
