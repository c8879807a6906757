"""The prior of an instance's own traffic: the share of right answers among the candidates that its verifier reads. Pure.

A table ships with the share that held among captions. On other traffic it may be a tenth of that, and then every probability of the
table is too high by one factor of the odds. The factor is estimated from the scores alone, without labels, by expectation maximisation
(Saerens, Latinne and Decaestecker 2002): what is right or wrong scores as it did where the table was fitted, only the shares differ.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cache.matching.calibration import Calibration

PRIOR_STEP = 0.25  # logits that one step may move by
PRIOR_REACH = 1.00  # logits stricter than shipped, at most; looser never, without labels
FEWEST_SCORES = 200  # candidates that a step needs: fewer say too little
_HELD = 50  # candidates that the shipped prior counts as, so that few scores move it little
_ROUNDS, _CLOSE = 500, 1e-7
_EDGE = 1e-6  # from 0 and 1, where logits end


def logit(share: float) -> float:
    share = min(1 - _EDGE, max(_EDGE, share))
    return math.log(share / (1 - share))


def share_of(logits: float) -> float:
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, logits))))


def moved_by(shares: Iterable[float], logits: float) -> list[float]:
    """The probabilities, each moved by as many logits."""
    return [share_of(logit(share) + logits) for share in shares]


def estimated(own: Sequence[float], prior: float) -> float:
    """The share of right answers behind these probabilities, which were told where it was `prior`. Of no scores: `prior` itself."""
    found = prior
    for _ in range(_ROUNDS):
        odds = logit(found) - logit(prior)
        before, found = found, (_HELD * prior + math.fsum(moved_by(own, odds))) / (_HELD + len(own))
        if abs(found - before) < _CLOSE:
            break
    return found


def stricter(shift: float, own: Sequence[float], prior: float) -> float:
    """The shift after one bounded step from `shift` toward what these scores say, in logits; 0 is the table as shipped, and no
    step is looser than that. `own`: probabilities by the table as shipped.
    """
    if len(own) < FEWEST_SCORES:
        return shift
    wanted = max(-PRIOR_REACH, min(0.0, logit(estimated(own, prior)) - logit(prior)))
    return round(min(0.0, max(-PRIOR_REACH, shift + max(-PRIOR_STEP, min(PRIOR_STEP, wanted - shift)))), 3)


def reweighed(shipped: Calibration, shift: float) -> Calibration:
    """The table where the odds of a right answer are other by `shift` logits: of each pair, and of all that are at least as sure."""
    if shift == 0.0:
        return shipped
    version = "table-" + hashlib.sha256(f"{shipped.version} prior {shift!r}".encode()).hexdigest()[:12]
    chinese = None if shipped.chinese is None else replace(reweighed(shipped.chinese, shift), version=version)
    (prior, judged) = moved_by((shipped.prior, shipped.judged or shipped.prior), shift)
    kept = tuple((share_of(logit(own) + shift), share_of(logit(share) + shift)) for own, share in shipped.kept)
    return replace(shipped, bias=shipped.bias + shift, prior=prior, judged=judged, kept=kept, version=version, chinese=chinese)
