"""Scores judges on hitbench.

    python -m benchmarks.hitbench --judge reprise --judge cosine:0.95 [--part en --part zh] [--json FILE]

A judge is `reprise`, `cosine:N`, `gptcache:N` (where it is installed), `cross-encoder:FOLDER[@N]`, or `command:COMMAND`: a
program that reads {"new": …, "cached": …} a line and answers each with a line {"served": true, "confidence": 0.98}.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.hitbench.judges import open_judge
from benchmarks.hitbench.pairs import PARTS, pairs
from benchmarks.hitbench.scores import Judged, by_kind, calibration, precision_over_hit_rate, recall_at, share


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.hitbench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--judge", action="append", required=True, metavar="JUDGE")
    options.add_argument("--part", action="append", choices=PARTS, help="all by default")
    options.add_argument("--json", type=Path, help="write every answer there")
    chosen = options.parse_args()
    rows = list(pairs(tuple(chosen.part or PARTS)))
    written = {}
    for spec in chosen.judge:
        judge = open_judge(spec)
        judged = list(zip(rows, judge.answer(rows), strict=True))
        written[judge.name] = [[pair.part, pair.kind, pair.right, answer.served, round(answer.score, 4)] for pair, answer in judged]
        tell(judge.name, judged, judge.calibrated)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(written))


def tell(name: str, judged: Judged, calibrated: bool) -> None:
    print(f"\n{name}: {len(judged)} pairs")
    print("\n| kind | wrong served | right served |\n|---|---|---|")
    for kind, (wrong, right) in by_kind(judged).items():
        print(f"| {kind} | {wrong} | {right} |")
    for part in dict.fromkeys(pair.part for pair, _ in judged):
        of_part = [(pair, answer) for pair, answer in judged if pair.part == part]
        print(f"| *all of {part}* | {share(of_part, False)} | {share(of_part, True)} |")
    print(f"\nrecall at 1 % / 2 % wrong: {100 * recall_at(judged, 0.01):.1f} % / {100 * recall_at(judged, 0.02):.1f} %")
    print(f"area under precision over hit rate (P-CHR AUC): {precision_over_hit_rate(judged):.3f}")
    if calibrated:
        print(f"expected calibration error, confidence of 0.5 and more: {calibration(judged):.3f}")


if __name__ == "__main__":
    main()
