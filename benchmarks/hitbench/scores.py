"""What is told of a judge: wrong and right served by kind, recall at a share of wrong hits, precision over hit rate, calibration. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.hitbench.judges import JudgeAnswer
from benchmarks.hitbench.pairs import LabelledPair
from benchmarks.matching_rows import calibration_error, wilson

Judged = Sequence[tuple[LabelledPair, JudgeAnswer]]


@dataclass(frozen=True)
class Share:
    """`served` of `of` pairs."""

    served: int
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "–"
        low, high = wilson(self.served, self.of)
        return f"{100 * self.served / self.of:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def share(judged: Judged, right: bool) -> Share:
    answers = [answer.served for pair, answer in judged if pair.right is right]
    return Share(sum(answers), len(answers))


def by_kind(judged: Judged) -> dict[str, tuple[Share, Share]]:
    """Wrong and right served, by kind."""
    found: dict[str, list[tuple[LabelledPair, JudgeAnswer]]] = defaultdict(list)
    for pair, answer in judged:
        found[pair.kind].append((pair, answer))
    return {kind: (share(rows, False), share(rows, True)) for kind, rows in sorted(found.items())}


def recall_at(judged: Judged, wrong: float) -> float:
    """Share of right pairs served by the lowest bar on the score that serves at most `wrong` of the wrong ones. Equal scores are served
    together.
    """
    scores = np.array([answer.score for _, answer in judged])
    right = np.array([pair.right for pair, _ in judged])
    best = 0.0
    for bar in np.unique(scores):
        served = scores >= bar
        if (served & ~right).sum() <= wrong * (~right).sum():
            best = max(best, float((served & right).sum() / max(1, right.sum())))
    return best


def precision_over_hit_rate(judged: Judged) -> float:
    """Area under precision as a function of the hit rate, from the surest pair to all of them (P-CHR AUC); 1 is perfect, the share of
    right pairs is chance.
    """
    scores = np.array([answer.score for _, answer in judged])
    right = np.array([pair.right for pair, _ in judged], float)
    bars = np.unique(scores)[::-1]
    served = np.array([(scores >= bar).sum() for bar in bars])
    precision = np.array([right[scores >= bar].mean() for bar in bars])
    rate = served / len(scores)
    return float((np.diff(np.concatenate([[0.0], rate])) * precision).sum())


def calibration(judged: Judged) -> float:
    """Expected calibration error over answers with a confidence of a half and more."""
    return calibration_error([(answer.score, pair.right) for pair, answer in judged])
