"""The replaying of a log of requests with the real encoder and judge, for `reprise replay`: no server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from cache.canonical import digest
from cache.errors import Invalid
from cache.matching.encoding.encoders import Encoders
from cache.matching.judge import Accepted, Rejected, before_verifier, judge
from cache.prompt import Prompt
from cache.replay import Past, ReplayCandidate

NEAREST = 10  # neighbours that rules look at, as in a lookup
READ = 2  # of which the verifier reads so many

# Settings that a row may name; rows that differ in one never answer each other.
_APART = ("tenant", "model", "size", "seconds", "quality", "steps", "guidance_scale", "negative_prompt", "seed")


@dataclass(frozen=True)
class Line:
    """One request of a log. `shelf` is what may answer it: same tenant, same settings. `at` in seconds. `pinned`: by a seed, which
    nothing near may answer.
    """

    prompt: Prompt
    shelf: str
    at: float
    gpu_seconds: float
    length: int
    pinned: bool = False

    @property
    def spec(self) -> str:
        return f"{self.shelf}:{self.prompt.digest}"


@dataclass
class _Shelf:
    """Every Spec asked for on it so far, with its vector; grows by doubling."""

    lines: list[Line] = field(default_factory=list)
    specs: set[str] = field(default_factory=set)
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def add(self, line: Line, vector: NDArray[np.float32]) -> None:
        if len(self.lines) >= len(self.vectors):
            grown = np.zeros((max(64, 2 * len(self.lines)), len(vector)), np.float32)
            if self.lines:
                grown[: len(self.lines)] = self.vectors[: len(self.lines)]
            self.vectors = grown
        self.vectors[len(self.lines)] = vector
        self.lines.append(line)
        self.specs.add(line.spec)

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[tuple[Line, float]]:
        if not self.lines:
            return []
        scores = self.vectors[: len(self.lines)] @ vector
        return [(self.lines[at], float(scores[at])) for at in np.argsort(-scores, kind="stable")[:count]]


def read_log(lines: Iterable[str]) -> Iterator[Line]:
    """One JSON object a line: `prompt`, and, where known, `at` or `created_at`, `gpu_seconds`, `bytes`, and settings. Invalid, with
    its number, for a line that is no request.
    """
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            raise Invalid(None, f"line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise Invalid(None, f"line {number} is not a JSON object")
        try:
            yield Line(
                _prompt(row),
                digest({name: row.get(name) for name in _APART}),
                _number(row, "at" if "at" in row else "created_at", float(number)),
                _number(row, "gpu_seconds", 1.0),
                int(_number(row, "bytes", 1.0)),
                row.get("seed") is not None,
            )
        except Invalid as error:
            raise Invalid(error.field, f"line {number}: {error.message}") from None


def _prompt(row: Mapping[str, object]) -> Prompt:
    words = row.get("prompt")
    if not isinstance(words, str):
        raise Invalid("prompt", "prompt is missing" if words is None else "prompt is not a string")
    return Prompt.parse(words)


def _number(row: Mapping[str, object], name: str, default: float) -> float:
    value = row.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Invalid(name, f"{name} must be a number, at least 0")
    return float(value)


def judged_log(
    lines: list[Line], encoders: Encoders, told: Callable[[int], None] = lambda _: None, *, both_ways: bool = False
) -> list[Past]:
    """Each request with the neighbours that the judge gave a probability, among all Specs asked for before it. `told` hears how many
    are done. `both_ways`: a clip that shows more than is asked does not do, either.
    """
    readable = {line.prompt.text for line in lines if encoders.embedder.covers(line.prompt.text)}
    texts = sorted(readable, key=len)
    vectors = dict(zip(texts, encoders.embedder.embed_now(texts), strict=True))
    shelves: dict[str, _Shelf] = {}
    asks = []
    for done, line in enumerate(lines, 1):
        shelf = shelves.setdefault(line.shelf, _Shelf())
        nominees: tuple[ReplayCandidate, ...] = ()
        if not line.pinned and line.spec not in shelf.specs and line.prompt.text in vectors:
            nominees = tuple(_nominees(line, shelf.nearest(vectors[line.prompt.text], NEAREST), encoders, both_ways))
            shelf.add(line, vectors[line.prompt.text])
        asks.append(Past(line.spec, line.at, line.gpu_seconds, line.length, nominees))
        told(done)
    # The same words come again after their neighbours were judged once: those stay their neighbours.
    first = {past.spec: past.nominees for past in reversed(asks) if past.nominees}
    return [Past(past.spec, past.at, past.gpu_seconds, past.length, first.get(past.spec, ())) for past in asks]


def _nominees(line: Line, neighbours: list[tuple[Line, float]], encoders: Encoders, both_ways: bool) -> Iterator[ReplayCandidate]:
    if encoders.verifier is None or encoders.calibration is None:
        return
    read = 0
    for other, similarity in neighbours:
        new, cached = line.prompt.text, other.prompt.text
        if before_verifier(new, cached, similarity, encoders.calibration) is not None or encoders.verifier.refuses(new, cached):
            continue
        if read == READ:
            return
        read += 1
        ways = [(new, cached), (cached, new)] if both_ways else [(new, cached)]
        own, share = min(_sureness(*way, similarity, encoders) for way in ways)
        yield ReplayCandidate(other.spec, own, share)


def _sureness(new: str, cached: str, similarity: float, encoders: Encoders) -> tuple[float, float]:
    """A pair's own probability, which a limit that nothing keeps makes the judge tell, and the share of right answers among pairs at
    least as sure; 0 where no limit would serve it, since the verifier says no.
    """
    assert encoders.verifier is not None, "asked only with one"
    (entailment,) = encoders.verifier.score_now([(new, cached)])
    own = judge(new, cached, similarity, entailment, encoders.calibration, -1.0).confidence
    match judge(new, cached, similarity, entailment, encoders.calibration, 1.0):
        case Accepted(confidence):
            return own, confidence
        case Rejected():
            return own, 0.0
        case other:
            assert_never(other)
