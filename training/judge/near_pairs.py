"""Pairs that lie near and of which one thing decides: terse asks with long clips, second captions of one picture."""

from __future__ import annotations

import random

from cache.prompt import is_chinese
from training.judge.groups import Group
from training.judge.rewrite import Rewriter
from training.judge.sources import Row
from training.judge.swapping import Swapping

Mined = list[tuple[str, str, int]]  # new, cached, label
Example = tuple[str, str, int, str]  # and the kind


def terse_and_long(expansions: list[Row], groups: list[Group], most: int = 12, least: int = 30) -> list[tuple[str, str]]:
    """Terse asks, each with a long clip written for it."""
    found = [(row.new, row.cached) for row in expansions]
    for group in groups:
        clips = [text for text in (group["base"], *group["same"], *group["more"]) if len(text.split()) >= least]
        found += [(ask, clip) for ask in group["less"] if len(ask.split()) <= most and not is_chinese(ask) for clip in clips]
    return found


class Near:
    """`second` and `lacking` were mined; `own` are terse asks with clips of their own."""

    def __init__(
        self, rewriter: Rewriter, swapping: Swapping, second: Mined, lacking: Mined, own: list[tuple[str, str]], rng: random.Random
    ) -> None:
        self._rewriter, self._swapping, self._rng = rewriter, swapping, rng
        self._second, self._lacking, self._own = second, lacking, own

    def terse(self) -> Example | None:
        """A terse ask with a long clip: its own, in other words or of one thing less; its own with one thing exchanged; or another's."""
        rng = self._rng
        draw = rng.random()
        if draw < 0.3 and self._lacking:
            new, cached, label = rng.choice(self._lacking)
            return new, cached, label, "terse_lacking"
        if not self._own:
            return None
        ask, clip = rng.choice(self._own)
        if draw < 0.6:
            other = self._swapping.exchanged(ask)
            return None if other is None else (self._rewriter.same(other, rng.randint(0, 1)), clip, 0, "terse_exchanged")
        if rng.random() < 0.3:
            ask = self._rewriter.wider(ask) or ask
        return self._rewriter.same(ask, rng.randint(0, 2)), clip, 1, "terse_own"

    def second(self) -> Example | None:
        """Two captions of one picture; or one of them with another thing in it."""
        rng = self._rng
        if not self._second:
            return None
        new, cached, label = rng.choice(self._second)
        if rng.random() < 0.3:
            edited = self._swapping.exchanged(new) if rng.random() < 0.6 else (self._rewriter.edited(new) or ("", None))[1]
            return None if edited is None else (edited, cached, 0, "second_edited")
        if rng.random() < 0.3:
            new = self._rewriter.same(new, 1)
        return new, cached, label, "second"
