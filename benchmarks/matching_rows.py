"""The rows that measure the judge: development pairs without those that trained it, NLI, and prompts written by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from benchmarks.prompts import handwritten, one_fact
from training.judge.sources import NLI, ONE_WAY, PAIRS, division, rows

HARD = [
    *("action", "attribute", "attribute_swap", "camera", "color", "contradiction", "count", "direction", "intensity", "negation"),
    *("object", "order", "relation", "role_swap", "spatial", "style", "subject", "attribute_added", "object_added"),
]


@dataclass(frozen=True)
class Asked:
    new: str
    cached: str
    right: bool
    kind: str
    source: str


def measured_rows(data: Path, per_kind: int, seed: int = 1) -> list[Asked]:
    """Of sources that may train, only the groups that were held back; at most `per_kind` rows of a kind (0: all)."""
    groups = division(data)
    found: dict[str, list[Asked]] = defaultdict(list)
    for row in rows(data / "pairs_dev.jsonl.gz"):
        a, b, kind, source = row["a"], row["b"], row["kind"], row["source"]
        if source in PAIRS and row["lang"] == "en" and not groups.held(a.lower()):
            continue
        if row["lang"] != "en":
            kind = "chinese or mixed, right" if row["label"] else "chinese or mixed, wrong"
        elif row.get("derived"):
            kind = f"derived {kind}"
        if kind in ONE_WAY:
            found[kind].append(Asked(b, a, False, kind, source))
            found[f"{kind}, reversed"].append(Asked(a, b, True, f"{kind}, reversed", source))
        elif kind == "expansion":
            found[kind].append(Asked(a, b, True, kind, source))
            found["expansion, reversed"].append(Asked(b, a, False, "expansion, reversed", source))
        else:
            found[kind].append(Asked(a, b, bool(row["label"]), kind, source))
    for row in rows(data / "nli_dev.jsonl.gz"):
        if row["source"] in NLI and not groups.held(row["new"].lower()):
            continue
        kind = f"NLI {row['kind']}"
        found[kind].append(Asked(row["new"], row["cached"], bool(row["label"]), kind, row["source"]))
    for pair in handwritten():
        language = "Chinese" if pair.manner == "chinese" else "English"
        kind = f"by hand, {language}, {'right' if pair.right else 'wrong'}"
        found[kind].append(Asked(pair.new, pair.cached, pair.right, kind, f"by hand: {pair.manner}"))
    for pair in one_fact():
        kind = f"one fact, {pair.manner}, {'right' if pair.right else 'wrong'}"
        found[kind].append(Asked(pair.new, pair.cached, pair.right, kind, "one fact"))
    rng = random.Random(seed)
    return [
        row for kind in sorted(found) for row in (rng.sample(found[kind], per_kind) if 0 < per_kind < len(found[kind]) else found[kind])
    ]


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    if of == 0:
        return 0.0, 1.0
    share = hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def calibration_error(judged: list[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error over pairs with p >= 0.5, bins of equal count."""
    kept = sorted(pair for pair in judged if pair[0] >= 0.5)
    error = 0.0
    for at in range(bins):
        part = kept[at * len(kept) // bins : (at + 1) * len(kept) // bins]
        if part:
            said = sum(p for p, _ in part) / len(part)
            error += len(part) / len(kept) * abs(said - sum(right for _, right in part) / len(part))
    return error
