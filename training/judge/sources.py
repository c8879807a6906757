"""The sources that may train what ships, divided once: whole groups held back to fit and measure."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAIRS = frozenset(
    [
        "vitatecs",
        "vatex-via-vitatecs",
        "sugar-crepe",
        "valse",
        "videocon-nextqa",
        "videocon-ssv2",
        "t2i-compbench",
        "vbench",
        "vbench2",
        "vbench-gpt",
        "vbench-hunyuan",
        "vbench-wan",
    ]
)
NLI = frozenset({"snli", "counterfactual-nli"})
PROMPTS = frozenset({"vbench", "vbench2", "vbench-category", "fetv"})
ONE_WAY = frozenset({"attribute_added", "object_added"})  # b adds to a
HELD = 20  # percent of the groups


@dataclass(frozen=True)
class Row:
    new: str
    cached: str
    label: int
    kind: str
    source: str
    held: bool


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


class Groups:
    """Union of groups that share a sentence: no sentence stands on both sides of the division."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def find(self, one: str) -> str:
        while self._up.setdefault(one, one) != one:
            self._up[one] = self._up[self._up[one]]
            one = self._up[one]
        return one

    def join(self, names: list[str]) -> None:
        first = self.find(names[0])
        for name in names[1:]:
            self._up[self.find(name)] = first

    def held(self, name: str) -> bool:
        root = self.find(name)
        return int(hashlib.sha256(root.encode()).hexdigest()[:8], 16) % 100 < HELD


def division(data: Path) -> Groups:
    """The division of groups into those held back and the rest. Reads the files alone, so training, fitting and measuring divide alike."""
    groups = Groups()
    for row in rows(data / "pairs_dev.jsonl.gz"):
        if row["source"] in PAIRS and row["lang"] == "en":
            groups.join([row["a"].lower(), row["b"].lower(), *row["groups"]])
    for row in rows(data / "nli_dev.jsonl.gz"):
        if row["source"] in NLI:
            groups.join([row["new"].lower(), row["cached"].lower()])
    for name, only in (("captions_coco_val2017", None), ("clips_dev", PAIRS)):
        for row in rows(data / f"{name}.jsonl.gz"):
            if only is None or row["source"] in only:
                groups.join([row["clip"], *[caption.lower() for caption in row["captions"]]])
    return groups


def permitted(data: Path) -> tuple[list[Row], list[tuple[str, bool]], list[tuple[list[str], bool]]]:
    """Labelled rows; single sentences to rewrite; and pictures and clips with their captions. Each says whether it is held back."""
    groups = division(data)
    pairs = [row for row in rows(data / "pairs_dev.jsonl.gz") if row["source"] in PAIRS and row["lang"] == "en"]
    nli = [row for row in rows(data / "nli_dev.jsonl.gz") if row["source"] in NLI]
    coco = list(rows(data / "captions_coco_val2017.jsonl.gz"))
    clips = [row for row in rows(data / "clips_dev.jsonl.gz") if row["source"] in PAIRS]
    found: list[Row] = []
    for row in pairs:
        a, b, kind, held = row["a"], row["b"], row["kind"], groups.held(row["a"].lower())
        source = row["source"]
        if kind in ONE_WAY:
            found += [Row(b, a, 0, kind, source, held), Row(a, b, 1, f"{kind}_less", source, held)]
        elif kind == "expansion":
            found += [Row(a, b, 1, kind, source, held), Row(b, a, 0, "expansion_reversed", source, held)]
        elif kind == "same_clip":
            continue  # often not interchangeable: never a positive
        else:
            found += [Row(a, b, row["label"], kind, source, held), Row(b, a, row["label"], kind, source, held)]
    for row in nli:
        found.append(Row(row["new"], row["cached"], row["label"], f"nli_{row['kind']}", row["source"], groups.held(row["new"].lower())))
    for row in rows(data / "enhancer_vbench_dev.jsonl.gz"):
        if not groups.held(row["terse"].lower()):  # those held back measure, and fit nothing
            found.append(Row(row["terse"], row["enhanced"], 1, "expansion", "vbench-wan", False))
            found.append(Row(row["enhanced"], row["terse"], 0, "expansion_reversed", "vbench-wan", False))
    texts: dict[str, bool] = {}
    for made in found:
        for text in (made.new, made.cached):
            texts[text] = made.held
    for row in [*clips, *coco]:
        for caption in row["captions"]:
            texts[caption] = groups.held(row["clip"])
    for row in rows(data / "t2v_prompts_dev.jsonl.gz"):
        if row["source"] in PROMPTS and row["lang"] == "en":
            texts.setdefault(row["prompt"], groups.held(row["prompt"].lower()))
    for row in rows(data / "trace_diffusiondb_10k_dev.jsonl.gz"):
        if row["prompt"].isascii() and 3 <= len(row["prompt"].split()) <= 60:
            texts.setdefault(row["prompt"], groups.held(row["prompt"].lower()))
    images = [([caption.strip() for caption in row["captions"]], groups.held(row["clip"])) for row in [*coco, *clips]]
    return found, [(text.strip(), held) for text, held in texts.items() if len(text.strip()) > 3], images
