"""Prompts asked one after the other of an empty cache, as a lookup would: every near hit is written down, to be read.

    python -m benchmarks.matching_walk PROMPTS.jsonl.gz hits.jsonl [prompt | caption] [how many]

The walk of a lookup: the same words, else the ten nearest of the clips that are kept, rules, two reads of the verifier, the table. A near
hit keeps no clip. `reprise replay` prints figures for a log instead, with the ten nearest of all that was asked before.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matching import MAX_WRONG
from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.matching.judge import Accepted, before_verifier, judge
from cache.matching.replaying import NEAREST, READ
from cache.prompt import Prompt
from cache.settings import Settings
from training.judge.sources import rows


def walk(prompts: Iterable[str], encoders: Encoders) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The near hits, and how many asks ended how."""
    asked = [Prompt.parse(text) for text in prompts]
    vectors = np.zeros((len(asked), encoders.embedder.dimension), np.float32)
    kept: list[str] = []
    known: set[str] = set()
    hits: list[dict[str, Any]] = []
    ends: Counter[str] = Counter()
    for prompt in asked:
        if prompt.normal in known:
            ends["exact"] += 1
            continue
        if encoders.embedder.refuses(prompt.text):
            ends["unread"] += 1
            known.add(prompt.normal)
            continue
        (vector,) = encoders.embedder.embed_now([prompt.text])
        hit = _near(prompt.text, vectors[: len(kept)] @ vector, kept, encoders)
        if hit is not None:
            ends["near"] += 1
            hits.append(hit)
            continue
        ends["rendered"] += 1
        known.add(prompt.normal)
        vectors[len(kept)] = vector
        kept.append(prompt.text)
    return hits, ends


def _near(new: str, scores: np.ndarray[Any, np.dtype[np.float32]], kept: list[str], encoders: Encoders) -> dict[str, Any] | None:
    assert encoders.verifier is not None and encoders.calibration is not None
    read = 0
    for at in np.argsort(-scores, kind="stable")[:NEAREST]:
        cached, similarity = kept[at], float(scores[at])
        if before_verifier(new, cached, similarity, encoders.calibration, MAX_WRONG) is not None:
            continue
        if read == READ:
            return None
        read += 1
        if encoders.verifier.refuses(new, cached):
            continue
        (word,) = encoders.verifier.score_now([(new, cached)])
        answer = judge(new, cached, similarity, word, encoders.calibration, MAX_WRONG)
        if isinstance(answer, Accepted):
            own = encoders.calibration.of(new, cached).own(new, cached, similarity, word)
            name = hashlib.sha256(f"{new}\0{cached}".encode()).hexdigest()[:8]
            return {
                "id": name, "new": new, "cached": cached, "similarity": round(similarity, 4), "verifier": round(word.forward, 3),
                "own": round(own, 4), "confidence": round(answer.confidence, 4),
            }  # fmt: skip
    return None


def main(prompts: Path, out: Path, field: str, most: int | None) -> None:
    with tempfile.TemporaryDirectory() as made:
        encoders = load_encoders("", "", Settings(data_dir=Path(made)).encoders)
        hits, ends = walk([row[field] for row in rows(prompts)][:most], encoders)
        encoders.close()
    out.write_text("".join(json.dumps(hit, ensure_ascii=False) + "\n" for hit in hits))
    print(f"{dict(ends)}; expected by the judge to be wrong: {sum(1 - hit['own'] for hit in hits):.1f}")


if __name__ == "__main__":
    most = int(sys.argv[4]) if len(sys.argv) > 4 else None
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "prompt", most)
