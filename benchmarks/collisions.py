"""Key collisions: can a prompt of another meaning be dragged so close to a victim's that its clip is served?

    python -m benchmarks.collisions [--words 6] [--tried 300] [--seed 1]

A greedy search over the encoder's own vocabulary: to a sentence of another meaning it appends, word by word, whichever of
`--tried` words brings its vector nearest to the victim's. Then the judge reads each pair in both roles, at the shipped
default: the crafted prompt as the cached one (poisoning) and as the new one (theft). One JSON row per pair goes to stdout
and may go into tests/matching/crafted.jsonl; the rates go to stderr.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.exported import DEFAULT_EMBEDDER, exported_embedder
from cache.matching.encoding.loading import load_encoders
from cache.matching.judging import Pair, judge_chunk
from cache.settings import Settings

# (the victim's words, words of another meaning)
PAIRS = [
    ("a red ball bouncing on grass", "a knife fight in a dark alley"),
    ("a dog chasing a cat across a yard", "a house burning at night"),
    ("a woman pours coffee into a white cup", "a man smashes a car window with a hammer"),
    ("two children build a sandcastle on a beach", "three soldiers march through a ruined city"),
    ("a violinist plays in the subway", "a crowd riots in the subway"),
    ("a yellow star moves up in a starry night", "a green square falls to the ground"),
    ("a chef slices a tomato with a sharp knife", "a snake swallows a mouse in the sand"),
    ("a sailboat drifts past a lighthouse at dawn", "a tank drives past a burning village"),
]


@dataclass(frozen=True)
class Crafted:
    victim: str
    text: str
    similarity: float


def vocabulary(cache_dir: Path) -> list[str]:
    """Whole words that the encoder has a piece for."""
    tokenizer = json.loads((exported_embedder(DEFAULT_EMBEDDER, cache_dir) / "tokenizer.json").read_text())
    return sorted(word for word in tokenizer["model"]["vocab"] if word.isascii() and word.isalpha() and len(word) > 1)


def search(encoders: Encoders, words: list[str], victim: str, start: str, length: int, tried: int, chance: random.Random) -> Crafted:
    goal = encoders.embedder.embed_now([victim])[0]
    text, best = start, float(encoders.embedder.embed_now([start])[0] @ goal)
    own = victim.split()
    for _ in range(length):
        ahead = [f"{text} {word}" for word in {*chance.sample(words, tried), *own}]
        scores = encoders.embedder.embed_now(ahead) @ goal
        at = int(scores.argmax())
        if scores[at] <= best:
            break
        text, best = ahead[at], float(scores[at])
    return Crafted(victim, text, best)


def judged(crafted: list[Crafted], encoders: Encoders) -> Iterator[dict[str, object]]:
    pairs: list[Pair | str] = [*(Pair(one.victim, one.text) for one in crafted), *(Pair(one.text, one.victim) for one in crafted)]
    answers = list(judge_chunk(pairs, encoders, Settings.model_fields["max_wrong"].default))
    for at, one in enumerate(crafted):
        poisons, steals = answers[at], answers[at + len(crafted)]
        yield {
            "victim": one.victim,
            "crafted": one.text,
            "similarity": round(one.similarity, 3),
            "poisons": poisons["served"],
            "steals": steals["served"],
            "reason": poisons["reason"],
        }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--words", type=int, default=6)
    options.add_argument("--tried", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = Settings(data_dir=Path(folder)).encoders
        encoders, words, chance = load_encoders("", "", models), vocabulary(models), random.Random(chosen.seed)
        try:
            crafted = [search(encoders, words, victim, start, chosen.words, chosen.tried, chance) for victim, start in PAIRS]
            rows = list(judged(crafted, encoders))
        finally:
            encoders.close()
    for row in rows:
        print(json.dumps(row))
    served = sum(bool(row["poisons"]) + bool(row["steals"]) for row in rows)
    print(f"{len(rows)} victims, {2 * len(rows)} pairs judged, {served} served", file=sys.stderr)


if __name__ == "__main__":
    main()
