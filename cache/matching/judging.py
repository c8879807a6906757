"""The judging of single pairs of prompts, for `reprise judge`: no server and no database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cache.errors import Invalid
from cache.matching.calibration import Entailment
from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.matching.judge import Accepted, Rejected, before_verifier, judge
from cache.prompt import Prompt

CHUNK = 128  # pairs that go through the models together


@dataclass(frozen=True)
class Pair:
    new: str
    cached: str


def judge_rows(lines: Iterable[str | bytes], embedder: str, verifier: str, folder: Path, max_wrong: float) -> Iterator[str]:
    """One JSON answer per line, in order. A line that is no pair gets `error` in its place; the others are judged all the same."""
    encoders = load_encoders(embedder, verifier, folder)
    source = iter(lines)
    try:
        while chunk := list(islice(source, CHUNK)):
            for answer in judge_chunk([_parse(line) for line in chunk], encoders, max_wrong):
                yield json.dumps(answer, ensure_ascii=False)
    finally:
        encoders.close()


def _parse(line: str | bytes) -> Pair | str:
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(row, dict):
        return "not a JSON object"
    said: dict[str, str] = {}
    for field in ("new", "cached"):
        if not isinstance(row.get(field), str):
            return f"{field} is missing" if field not in row else f"{field} is not a string"
        try:
            said[field] = Prompt.parse(row[field], field).text
        except Invalid as error:
            return error.message
    return Pair(**said)


def judge_chunk(pairs: list[Pair | str], encoders: Encoders, max_wrong: float) -> Iterator[dict[str, object]]:
    answers: list[dict[str, object]] = [_bad(pair) if isinstance(pair, str) else {} for pair in pairs]
    open_pairs: list[tuple[int, Pair]] = []
    for at, pair in enumerate(pairs):
        if isinstance(pair, str):
            continue
        if Prompt(pair.new).normal == Prompt(pair.cached).normal:
            answers[at] = _answer(Accepted(1.0), 1.0, "the same words")
            continue
        unread = encoders.embedder.refuses(pair.new) or encoders.embedder.refuses(pair.cached)
        if unread is not None:
            answers[at] = _answer(Rejected(f"{unread}: exact only", 0.0), None)
        else:
            open_pairs.append((at, pair))
    texts = sorted({text for _, pair in open_pairs for text in (pair.new, pair.cached)}, key=len)
    vectors = dict(zip(texts, encoders.embedder.embed_now(texts), strict=True))
    left: list[tuple[int, Pair, float]] = []
    for at, pair in open_pairs:
        similarity = float(vectors[pair.new] @ vectors[pair.cached])
        early = before_verifier(pair.new, pair.cached, similarity, encoders.calibration, max_wrong)
        if early is None and encoders.verifier is not None:
            unread = encoders.verifier.refuses(pair.new, pair.cached)
            early = Rejected(unread, 0.0) if unread else None
        if early is None:
            left.append((at, pair, similarity))
        else:
            answers[at] = _answer(early, similarity)
    words: Sequence[Entailment | None] = [None] * len(left)
    if encoders.verifier is not None:
        words = encoders.verifier.score_now([(pair.new, pair.cached) for _, pair, _ in left])
    for (at, pair, similarity), entailment in zip(left, words, strict=True):
        judgement = judge(pair.new, pair.cached, similarity, entailment, encoders.calibration, max_wrong)
        answers[at] = _answer(judgement, similarity)
    yield from answers


def _answer(judgement: Accepted | Rejected, similarity: float | None, why: str = "says the same or more") -> dict[str, object]:
    served = isinstance(judgement, Accepted)
    return {
        "served": served,
        "confidence": round(judgement.confidence, 4),
        "similarity": None if similarity is None else round(similarity, 4),
        "reason": judgement.reason if isinstance(judgement, Rejected) else why,
    }


def _bad(error: str) -> dict[str, object]:
    return {"served": False, "error": error}
