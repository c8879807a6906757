"""What is served, family by family: product pairs, traps, a prompt extender's clips, neighbours on real prompts.

    python -m benchmarks.reading --data FOLDER [--rows rows.jsonl]

FOLDER holds product_pairs_dev.jsonl.gz and its neighbours. `--rows` keeps each pair with its answer.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.matching.judging import CHUNK, Pair, judge_chunk

MAX_WRONG = 0.02
NEAREST = 5  # clips of others that a terse ask is held against

Row = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=Path)
    said = parser.parse_args()
    encoders = load_encoders("", "", Path(".reprise/models"))
    rows = [*products(said.data, encoders), *traps(said.data, encoders), *neighbours(said.data, encoders), *extended(said.data, encoders)]
    encoders.close()
    if said.rows:
        said.rows.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    print("| set | family | wrong served | right served |\n|---|---|---|---|")
    for name in dict.fromkeys(str(row["set"]) for row in rows):
        of_set = [row for row in rows if row["set"] == name]
        families = sorted({str(row["family"]) for row in of_set})
        for family in families if len(families) > 1 else []:
            print(f"| {name} | {family} | {_shares([row for row in of_set if row['family'] == family])} |")
        print(f"| **{name}** | all | {_shares(of_set)} |", flush=True)


def _shares(rows: list[Row]) -> str:
    parts = []
    for label in (0, 1):
        served = [bool(row["served"]) for row in rows if row["label"] == label]
        parts.append(f"{sum(served)} / {len(served)} ({sum(served) / len(served):.1%})" if served else "-")
    return " | ".join(parts)


def _judged(rows: list[Row], encoders: Encoders) -> Iterator[Row]:
    for at in range(0, len(rows), CHUNK):
        chunk = rows[at : at + CHUNK]
        answers = judge_chunk([Pair(str(row["new"]), str(row["cached"])) for row in chunk], encoders, MAX_WRONG)
        yield from ({**row, **answer} for row, answer in zip(chunk, answers, strict=True))


def _read(path: Path) -> Iterable[Row]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def products(data: Path, encoders: Encoders) -> Iterator[Row]:
    found = [{**row, "set": f"products, {row['lang']}"} for row in _read(data / "product_pairs_dev.jsonl.gz")]
    return _judged(found, encoders)


def traps(data: Path, encoders: Encoders) -> Iterator[Row]:
    found = [
        {**row, "set": "traps", "family": row["kind"], "label": int(bool(row["expect_served"]))}
        for row in _read(data / "judge_traps_dev.jsonl.gz")
    ]
    return _judged(found, encoders)


def neighbours(data: Path, encoders: Encoders) -> Iterator[Row]:
    """Arguable ones apart, as neither right nor wrong."""
    told = {"right": 1, "wrong": 0}
    rows = _read(data / "real_neighbours_dev.jsonl.gz")
    found = [
        {**row, "set": "real neighbours", "family": row["set"], "label": told[str(row["label"])]} for row in rows if row["label"] in told
    ]
    return _judged(found, encoders)


def extended(data: Path, encoders: Encoders) -> Iterator[Row]:
    """Right: its own clip. Wrong, counted once an ask: one of the nearest clips of others."""
    rows = list(_read(data / "enhancer_vbench_dev.jsonl.gz"))
    asks, clips = [str(row["terse"]) for row in rows], [str(row["enhanced"]) for row in rows]
    own: list[Row] = [
        {"set": "extender, own", "family": "", "label": 1, "new": new, "cached": clip} for new, clip in zip(asks, clips, strict=True)
    ]
    yield from _judged(own, encoders)
    scores = encoders.embedder.embed_now(asks) @ encoders.embedder.embed_now(clips).T
    pairs: list[Row] = []
    for at, line in enumerate(scores):
        nearest = [int(place) for place in np.argsort(-line, kind="stable") if place != at and asks[int(place)] != asks[at]]
        pairs += [{"ask": at, "new": asks[at], "cached": clips[place]} for place in nearest[:NEAREST]]
    served = Counter[object]()
    kept: dict[object, Row] = {}
    for row in _judged(pairs, encoders):
        served[row["ask"]] += int(bool(row["served"]))
        if row["served"] or row["ask"] not in kept:
            kept[row["ask"]] = row
    yield from ({**row, "set": "extender, other", "family": "", "label": 0} for row in kept.values())


if __name__ == "__main__":
    main()
