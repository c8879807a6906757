"""The recalibration: labels by people move the table in small steps, which can be undone. Pure; steps are stored elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cache.matching.calibration import Calibration
from cache.matching.prior import reweighed

STEP = 0.10  # logits that one step may move the bias by
REACH = 1.00  # logits that all steps together may move it by
FEWEST = 20  # labels that a step needs: fewer say too little


@dataclass(frozen=True)
class Label:
    """A label: the confidence that the table expected for a served pair, and whether a person found it right."""

    confidence: float
    right: bool


def shifted(shipped: Calibration, shift: float) -> Calibration:
    """The shipped table moved by `shift` logits. Its version is a digest of the shipped one's and of the bias."""
    if shift == 0.0:
        return shipped
    bias = shipped.bias + shift
    version = "table-" + hashlib.sha256(f"{shipped.version} {bias!r}".encode()).hexdigest()[:12]
    chinese = None if shipped.chinese is None else replace(shipped.chinese, bias=shipped.chinese.bias + shift, version=version)
    return replace(shipped, bias=bias, version=version, chinese=chinese)


def in_force(shipped: Calibration, shift: float, prior_shift: float) -> Calibration:
    """The shipped table for the prior of this instance, and moved by its labels."""
    return shifted(reweighed(shipped, prior_shift), shift)


def moved_shift(shift: float, labels: Sequence[Label]) -> float:
    """The shift after one bounded step toward `labels`: up when served pairs are right more often than promised, down when less.

    The step is the mean error in probability, at most STEP; all steps together stay within REACH.
    """
    if len(labels) < FEWEST:
        return shift
    error = sum(label.right - label.confidence for label in labels) / len(labels)
    # An error of a tenth in probability is worth the whole step.
    # Rounded, so that ten steps of a tenth reach the end and not a hair before it.
    return round(max(-REACH, min(REACH, shift + max(-STEP, min(STEP, error * 10 * STEP)))), 9)


def fingerprint(shipped: Calibration) -> str:
    """The key of a table's steps: they move this table, for these models, and no other."""
    return hashlib.sha256(f"{shipped.version} {shipped.embedder} {shipped.verifier}".encode()).hexdigest()
