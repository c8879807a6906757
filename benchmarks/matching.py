"""Will one do? Reprise's judge beside plain cosine and GPTCache, on the same vectors.

    python -m benchmarks.matching --data FOLDER [--per-kind 600] [--replay 4000] [--speed] [--write docs/matching]

FOLDER holds pairs_dev.jsonl.gz and its neighbours. GPTCache 0.1.44 is measured where it is installed, and left out
where it is not. Rows that trained the verifier are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.matching_gptcache import distance_rule
from benchmarks.matching_plots import curves
from benchmarks.matching_replay import Arrival, arrivals, replay_all
from benchmarks.matching_rows import HARD, Asked, calibration_error, measured_rows, wilson
from benchmarks.matching_speed import speed
from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.matching.judge import Accepted, Judgement, Rejected, before_verifier, judge
from cache.settings import Settings

MAX_WRONG: float = Settings.model_fields["max_wrong"].default
SHOWN = [
    ("strict paraphrases", ["paraphrase"]),
    ("same_clip_close", ["same_clip_close"]),
    ("expansion, new = short", ["expansion"]),
    ("expansion, reversed", ["expansion, reversed"]),
    ("attribute or object left out", ["attribute_added, reversed", "object_added, reversed"]),
    ("NLI entailment", ["NLI entailment"]),
    ("NLI neutral", ["NLI neutral"]),
    ("NLI contradiction", ["NLI contradiction"]),
    ("unrelated", ["unrelated"]),
    ("other_clip_near", ["other_clip_near"]),
    ("related", ["related"]),
    ("derived: colour, count, subject", ["derived color", "derived count", "derived subject"]),
    ("Chinese and mixed, wrong", ["chinese or mixed, wrong"]),
    ("by hand, English: right", ["by hand, English, right"]),
    ("by hand, English: wrong", ["by hand, English, wrong"]),
    ("by hand, Chinese: wrong", ["by hand, Chinese, wrong"]),
    ("one fact, kept back: right", ["one fact, kept back, right"]),
    ("one fact, kept back: wrong", ["one fact, kept back, wrong"]),
    ("one fact, seen: right", ["one fact, seen, right"]),
    ("one fact, seen: wrong", ["one fact, seen, wrong"]),
]


@dataclass(frozen=True)
class Judged:
    row: Asked
    similarity: float
    confidence: float  # of what is refused its own probability, which may be high where a bar beside the table refused it
    served: bool


def judge_all(rows: Sequence[Asked], encoders: Encoders) -> list[Judged]:
    """The path of a lookup: can it be read, slots, verifier, table."""
    assert encoders.verifier is not None and encoders.calibration is not None
    texts = sorted({text for row in rows for text in (row.new, row.cached)}, key=len)
    unread = {text: encoders.embedder.refuses(text) is not None for text in texts}
    # Cosine alone has no such scruple: it also compares what it cannot read, cut at its window.
    vectors = dict(zip(texts, encoders.embedder.embed_now([text[:800] for text in texts]), strict=True))
    similarity = [float(vectors[row.new] @ vectors[row.cached]) for row in rows]
    asked = []
    for at, row in enumerate(rows):
        early = (
            unread[row.new] or unread[row.cached] or before_verifier(row.new, row.cached, similarity[at], encoders.calibration) is not None
        )
        if not early and encoders.verifier.refuses(row.new, row.cached) is None:
            asked.append(at)
    asked.sort(key=lambda at: len(rows[at].new) + len(rows[at].cached))
    words = dict(zip(asked, encoders.verifier.score_now([(rows[at].new, rows[at].cached) for at in asked]), strict=True))
    judged = []
    for at, row in enumerate(rows):
        answer: Judgement = Rejected("refused before the verifier", 0.0)
        if at in words:
            answer = judge(row.new, row.cached, similarity[at], words[at], encoders.calibration, MAX_WRONG)
        judged.append(Judged(row, similarity[at], answer.confidence, isinstance(answer, Accepted)))
    return judged


def served_share(judged: Sequence[Judged], kinds: Sequence[str], serves: Callable[[Judged], bool]) -> tuple[int, int]:
    found = [serves(one) for one in judged if one.row.kind in kinds]
    return sum(found), len(found)


def hard_share(judged: Sequence[Judged], serves: Callable[[Judged], bool]) -> tuple[float, tuple[float, str, int]]:
    """All kinds weighed alike, and the worst kind of a hundred rows or more; of a small sample the worst of all."""
    shares = []
    for kind in HARD:
        hits, of = served_share(judged, [kind], serves)
        if of:
            shares.append((hits / of, kind, of))
    return sum(share for share, _, _ in shares) / len(shares), max([entry for entry in shares if entry[2] >= 100] or shares)


def cosine_at(judged: Sequence[Judged], wrong: float) -> float:
    """The threshold at which cosine serves `wrong` of the hard negatives."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if hard_share(judged, lambda one, bar=middle: one.similarity >= bar)[0] > wrong else (low, middle)  # type: ignore[misc]
    return high


def table(judged: Sequence[Judged], systems: dict[str, Callable[[Judged], bool]]) -> list[list[str]]:
    lines = [["measure", "rows", *systems]]
    hard = {name: hard_share(judged, serves) for name, serves in systems.items()}
    count = sum(one.row.kind in HARD for one in judged)
    lines.append(["hard negatives, kinds alike", str(count), *[f"{hard[name][0]:.1%}" for name in systems]])
    lines.append(["worst kind with 100 rows", "", *[f"{hard[name][1][0]:.1%} ({hard[name][1][1]})" for name in systems]])
    for label, kinds in SHOWN:
        cells = []
        of = 0
        for serves in systems.values():
            hits, of = served_share(judged, kinds, serves)
            low, high = wilson(hits, of)
            cells.append(f"{hits / max(1, of):.1%} [{low:.1%}, {high:.1%}]")
        lines.append([label, str(of), *cells])
    return lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--per-kind", type=int, default=600)
    parser.add_argument("--replay", type=int, default=4000, help="asks of the replay; 0: none")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--write", type=Path, help="folder for figures.json and the two plots")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        settings = Settings(data_dir=Path(made))
        encoders = load_encoders("", "", settings.encoders)
        judged = judge_all(measured_rows(chosen.data, chosen.per_kind), encoders)
        strict = cosine_at(judged, 0.01)
        systems: dict[str, Callable[[Judged], bool]] = {
            "Reprise": lambda one: one.served,
            "cosine 0.80": lambda one: one.similarity >= 0.80,
            "cosine 0.95": lambda one: one.similarity >= 0.95,
            f"cosine {strict:.3f}": lambda one: one.similarity >= strict,
        }
        for name, threshold in (("GPTCache default", 0.8), ("GPTCache best", 0.5 + strict / 2)):
            rule = distance_rule(threshold)
            if rule is not None:
                systems[f"{name} {threshold:.3f}"] = lambda one, rule=rule: rule(one.similarity)  # type: ignore[misc]
        lines = table(judged, systems)
        show(lines)
        # Confidence is a promise about what is looked up; kinds whose labels are loose cannot measure it.
        loose = {"same_clip", "other_clip_near", "related", "paraphrase_news", "paraphrase_question", "near_news", "near_question"}
        sure = [(one.confidence, one.row.right) for one in judged if one.row.kind not in loose and not one.row.kind.startswith("chinese")]
        error = calibration_error(sure)
        print(f"\nexpected calibration error over {sum(p >= 0.5 for p, _ in sure)} pairs with p >= 0.5: {error:.3f}")
        figures: dict[str, object] = {"table": lines, "calibration_error": error}
        runs = {}
        if chosen.replay:
            asks: list[Arrival] = arrivals(chosen.data, chosen.replay)
            runs = replay_all(asks, encoders, MAX_WRONG, strict)
            show([["replay", "asks", "hits", "of another clip", "share of hits [95 %]"], *[run.line() for run in runs.values()]])
            figures["replay"] = [run.line() for run in runs.values()]
        if chosen.speed:
            figures["speed"] = speed(encoders)
            print(json.dumps(figures["speed"], indent=1))
        if chosen.write:
            chosen.write.mkdir(parents=True, exist_ok=True)
            (chosen.write / "figures.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
            curves(chosen.write, *_curve(judged), runs)
        encoders.close()


def _curve(judged: Sequence[Judged]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Share of hard negatives served against share of strict paraphrases served, as the bar moves: the judge, and cosine."""

    def points(score: Callable[[Judged], float]) -> list[tuple[float, float]]:
        bars = np.quantile([score(one) for one in judged if one.row.kind == "paraphrase"], np.linspace(0, 1, 80))
        found = []
        for bar in bars:
            hits, of = served_share(judged, ["paraphrase"], lambda one, bar=bar: score(one) >= max(bar, 1e-6))  # type: ignore[misc]
            found.append((hard_share(judged, lambda one, bar=bar: score(one) >= max(bar, 1e-6))[0], hits / of))  # type: ignore[misc]
        return found

    return points(lambda one: one.confidence), points(lambda one: one.similarity)


def show(lines: Sequence[Sequence[str]]) -> None:
    print()
    for at, line in enumerate(lines):
        print("| " + " | ".join(line) + " |")
        if at == 0:
            print("|" + "---|" * len(line))


if __name__ == "__main__":
    main(sys.argv[1:])
