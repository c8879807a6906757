"""Rows that measure the judge on what people send: real neighbours, a prompt extender's clips, products, traps, Chinese.

    python -m benchmarks.matching_real measure DATA [figures.json]
    python -m benchmarks.matching_real rows DATA rows.jsonl.gz

`measure` judges each as a lookup would and prints what was served of the right and of the wrong ones. `rows` writes the rows, and those
of benchmarks.matching, with what needs no verifier, for the training to score. Sources that may only measure stay where they are.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.matching import judge_all
from benchmarks.matching_rows import Asked, measured_rows, wilson
from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.loading import load_encoders
from cache.matching.judge import by_rule
from cache.settings import Settings
from training.judge.gather import paws_held
from training.judge.sources import division, rows

NEAREST = 5  # enhanced clips of other prompts that each terse ask is held against


@dataclass(frozen=True)
class Real:
    new: str
    cached: str
    label: str  # right, wrong, arguable
    row: str  # which row of the tables


def real_rows(data: Path, embedder: Embedder, per_kind: int = 600) -> list[Real]:
    found = [Real(row["new"], row["cached"], row["label"], f"real {row['set']}") for row in rows(data / "real_neighbours_dev.jsonl.gz")]
    groups = division(data)
    pairs = list(rows(data / "enhancer_vbench_dev.jsonl.gz"))
    terse, enhanced = (embedder.embed_now([row[name][:1500] for row in pairs]) for name in ("terse", "enhanced"))
    same = terse @ terse.T
    for at, row in enumerate(pairs):
        held = "held" if groups.held(row["terse"].lower()) else "seen"
        found.append(Real(row["terse"], row["enhanced"], "right", f"enhancer own, {held}"))
        line = enhanced @ terse[at]
        line[same[at] > 0.98] = -1.0  # the same wish twice
        others = [pairs[near]["enhanced"] for near in np.argsort(-line)[:NEAREST]]
        found += [Real(row["terse"], other, "wrong", f"enhancer other, {held}") for other in others]
    for name, key, kind in (("product_pairs", "label", "product {lang}"), ("judge_traps", "expect_served", "trap: {kind}")):
        found += [
            Real(row["new"], row["cached"], "right" if row[key] else "wrong", kind.format(**row))
            for row in rows(data / f"{name}_dev.jsonl.gz")
        ]
    chinese: dict[str, list[Real]] = defaultdict(list)
    for row in rows(data / "zh_pairs_dev.jsonl.gz"):
        if row["source"] == "paws-x-zh" and not paws_held(row["new"], row["cached"]):
            continue
        kind = f"zh {row['source']}: {row['kind']}"
        chinese[kind].append(Real(row["new"], row["cached"], "right" if row["label"] else "wrong", kind))
    for row in rows(data / "pairs_dev.jsonl.gz"):
        if row["lang"] != "en":
            kind = f"zh pairs, {row['lang']}: {row['kind']}"
            chinese[kind].append(Real(row["a"], row["b"], "right" if row["label"] else "wrong", kind))
    rng = random.Random(3)
    for kind in sorted(chinese):
        found += rng.sample(chinese[kind], min(per_kind, len(chinese[kind])))
    return found


def measure(data: Path, out: Path | None) -> None:
    """Figures by row and label; of the enhancer also the share of asks that any of the five others answered."""
    with tempfile.TemporaryDirectory() as made:
        encoders = load_encoders("", "", Settings(data_dir=Path(made)).encoders)
        found = real_rows(data, encoders.embedder, 120)
        asked = [Asked(row.new, row.cached, row.label == "right", row.row, row.label) for row in found]
        judged = judge_all(asked, encoders)
        encoders.close()
    rows_: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    asks: dict[str, bool] = defaultdict(bool)
    for row, one in zip(found, judged, strict=True):
        served = one.served
        name = row.row if not row.row.startswith("trap: ") else ("trap, right" if row.label == "right" else "trap, wrong")
        rows_[f"{name} | {row.label}"].append((row.new, served))
        if row.row.startswith("enhancer other"):
            asks[row.new] |= served
    told = []
    for name, part in sorted(rows_.items()):
        hits = sum(served for _, served in part)
        told.append([name, str(hits), str(len(part)), _share(hits, len(part))])
    told.append(["enhancer other: asks served | wrong", str(sum(asks.values())), str(len(asks)), _share(sum(asks.values()), len(asks))])
    for line in told:
        print("| " + " | ".join(line) + " |")
    if out is not None:
        out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def _share(hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"{hits / max(1, of):.1%} [{low:.1%}, {high:.1%}]"


def write_rows(data: Path, out: Path) -> None:
    embedder = Embedder.load(cache_dir=Path(".reprise/models"))
    found = [Real(row.new, row.cached, "right" if row.right else "wrong", row.kind) for row in measured_rows(data, 1200)]
    found += real_rows(data, embedder)
    texts = sorted({text for row in found for text in (row.new, row.cached)}, key=len)
    vectors = dict(zip(texts, embedder.embed_now([text[:1500] for text in texts]), strict=True))
    unread = {text: embedder.refuses(text) for text in texts}
    with gzip.open(out, "wt", encoding="utf-8") as file:
        for row in found:
            told = {
                "new": row.new, "cached": row.cached, "label": row.label, "row": row.row,
                "cosine": float(vectors[row.new] @ vectors[row.cached]), "rule": by_rule(row.new, row.cached),
                "unread": unread[row.new] or unread[row.cached],
            }  # fmt: skip
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
    embedder.close()


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
    else:
        write_rows(Path(sys.argv[2]), Path(sys.argv[3]))
