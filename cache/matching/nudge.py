"""Labels by people move the table, a little at a time, and back. Pure: who may call it, and where tables lie, is not said here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cache.matching.calibration import Calibration

STEP = 0.10  # logits that one step may move the bias by
REACH = 1.00  # logits that all steps together may move it by
FEWEST = 20  # labels that a step needs: fewer say too little


@dataclass(frozen=True)
class Label:
    """What the table said of a pair that was served, and what a person said of it."""

    confidence: float
    right: bool


def nudged(table: Calibration, shipped: Calibration, labels: Sequence[Label]) -> Calibration:
    """One bounded step toward labels: up when served pairs are right more often than promised, down when less.

    The step is the mean error in probability, at most STEP; the table stays within REACH of the shipped one. The new
    version is a digest of the old and of the bias, so a chain of tables can be walked back: undo is the one before.
    """
    if len(labels) < FEWEST:
        return table
    error = sum(label.right - label.confidence for label in labels) / len(labels)
    # An error of a tenth in probability is worth the whole step.
    moved = table.bias + max(-STEP, min(STEP, error * 10 * STEP))
    bias = max(shipped.bias - REACH, min(shipped.bias + REACH, moved))
    if bias == table.bias:
        return table
    version = "table-" + hashlib.sha256(f"{table.version} {bias!r}".encode()).hexdigest()[:12]
    return replace(table, bias=bias, version=version)
