"""The judges that can be scored, each as a function from pairs to answers."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.hitbench.pairs import LabelledPair
from benchmarks.matching_gptcache import distance_rule

BATCH = 64


@dataclass(frozen=True)
class JudgeAnswer:
    """`score` orders pairs, the surest first; it is a probability where `calibrated`. A pair that cannot be read is not served."""

    served: bool
    score: float


@dataclass(frozen=True)
class ScoredJudge:
    name: str
    answer: Callable[[Sequence[LabelledPair]], list[JudgeAnswer]]
    calibrated: bool = False


def open_judge(spec: str) -> ScoredJudge:
    """`reprise`, `cosine:0.95`, `gptcache:0.8`, `cross-encoder:FOLDER[@0.5]` or `command:…`. ValueError for anything else."""
    kind, _, rest = spec.partition(":")
    match kind:
        case "reprise":
            command = f"{sys.executable} -m gateway.cli judge -"
            return ScoredJudge("reprise", lambda pairs: by_command(command, pairs), calibrated=True)
        case "command" if rest:
            return ScoredJudge(rest, lambda pairs: by_command(rest, pairs), calibrated=True)
        case "cosine":
            bar = float(rest or 0.95)
            return ScoredJudge(f"cosine {bar:g}", lambda pairs: [JudgeAnswer(one >= bar, one) for one in cosines(pairs)])
        case "gptcache":
            serves = distance_rule(float(rest or 0.8))
            if serves is None:
                raise ValueError("GPTCache is not installed: pip install gptcache==0.1.44")
            return ScoredJudge(f"GPTCache {rest or 0.8}", lambda pairs: [JudgeAnswer(serves(one), one) for one in cosines(pairs)])
        case "cross-encoder" if rest:
            folder, _, bar_text = rest.partition("@")
            return ScoredJudge(Path(folder).name, lambda pairs: by_cross_encoder(folder, float(bar_text or 0.5), pairs), calibrated=True)
    raise ValueError(f"a judge is reprise, cosine:N, gptcache:N, cross-encoder:FOLDER[@N] or command:COMMAND, not {spec!r}")


def by_command(command: str, pairs: Sequence[LabelledPair]) -> list[JudgeAnswer]:
    """A process that reads `{"new", "cached"}` a line and answers each, in order, with a line of `served` and, where it has one,
    `confidence` (0 to 1).
    """
    asked = "".join(json.dumps({"new": pair.new, "cached": pair.cached}) + "\n" for pair in pairs)
    done = subprocess.run(shlex.split(command), input=asked, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    if len(answers) != len(pairs):
        raise ValueError(f"{command} answered {len(answers)} of {len(pairs)} pairs")
    # What is served comes before what is not, however sure a refusal was.
    return [_answer(bool(answer.get("served")), float(answer.get("confidence") or 0.0)) for answer in answers]


def _answer(served: bool, confidence: float) -> JudgeAnswer:
    return JudgeAnswer(served, confidence if served else min(confidence, 0.5))


def cosines(pairs: Sequence[LabelledPair]) -> list[float]:
    """Of the encoder that Reprise ships: plain similarity, on the same vectors."""
    from cache.matching.encoding.loading import load_encoders  # noqa: PLC0415  # seconds
    from cache.settings import Settings  # noqa: PLC0415

    settings = Settings()
    encoders = load_encoders("", "", settings.encoders)
    try:
        texts = sorted({text for pair in pairs for text in (pair.new, pair.cached)}, key=len)
        rows: NDArray[np.float32] = encoders.embedder.embed_now(texts)
        at = dict(zip(texts, rows, strict=True))
        return [float(at[pair.new] @ at[pair.cached]) for pair in pairs]
    finally:
        encoders.close()


def by_cross_encoder(folder: str, bar: float, pairs: Sequence[LabelledPair]) -> list[JudgeAnswer]:
    """Any sentence-transformers cross-encoder with one output, or entailment as the second of three; premise is the cached prompt."""
    from sentence_transformers import CrossEncoder  # noqa: PLC0415  # seconds

    model = CrossEncoder(folder, device="cpu")
    raw = np.asarray(model.predict([(pair.cached, pair.new) for pair in pairs], batch_size=BATCH, show_progress_bar=False))
    scores = raw if raw.ndim == 1 else np.exp(raw)[:, min(1, raw.shape[1] - 1)] / np.exp(raw).sum(1)
    return [JudgeAnswer(bool(score >= bar), float(score)) for score in scores]
