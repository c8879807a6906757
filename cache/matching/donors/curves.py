"""The measured cost in right clips of starting from a donor: one table for each family of models, in a file beside this one, or an
operator's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from cache.recipe import Recipe

LEAST_STEPS = 8  # under which a model was distilled to few steps, whose first ones already say what the clip shows
SHIPPED = Path(__file__).parent / "wan.json"
KINDS = ("take", "same", "size", "shape", "colour", "motion", "background")


@dataclass(frozen=True)
class Curve:
    """Right clips by sigma, deeper and deeper. The first point is cold (sigma 1): the same pairs without a donor, or more of them.

    No start across this difference alone is under `deepest`, whatever was measured there.
    """

    points: tuple[tuple[float, int, int], ...]  # sigma, right, pairs
    deepest: float

    def lost(self, sigma: float) -> float:
        """The expected share of clips that a start at `sigma` makes wrong: that of the next deeper point, or a shallower one where more
        was lost there. Half a pair is added to what was lost, as with a prior that knows nothing (Jeffreys), so that none of few is not
        none. 1 where nothing was measured.
        """
        if sigma < self.points[-1][0]:
            return 1.0
        _, cold, of = self.points[0]
        lost = 0.0
        for at, right, pairs in self.points[1:]:
            lost = max(lost, (max(0.0, cold / of * pairs - right) + 0.5) / (pairs + 1))
            if at <= sigma:
                break
        return lost

    @property
    def depths(self) -> tuple[float, ...]:
        """The sigmas to choose from, the deepest first."""
        return tuple(sorted({max(at, self.deepest) for at, _, _ in self.points[1:]}))


@dataclass(frozen=True)
class DonorTable:
    """The curves of a family by the kind of difference. `variety`: how far a take is from its donor, as a share of how far two cold
    seeds are from each other, by sigma; a take shall reach `least_variety`.
    """

    curves: Mapping[str, Curve]
    variety: tuple[tuple[float, float], ...]
    least_variety: float

    def varied(self, sigma: float) -> bool:
        """True if takes from here are visibly others: by the next deeper sigma that was measured."""
        return any(at <= sigma and share >= self.least_variety for at, share in self.variety)


def has_donors(recipe: Recipe) -> bool:
    """True if renders of this Recipe may start from a clip at all: not those of other servers or pipelines, few steps or a step cache."""
    return recipe.renderer == "pipeline" and recipe.sampler == "unipc" and recipe.step_cache == "none" and recipe.steps >= LEAST_STEPS


@cache
def read_table(path: Path = SHIPPED) -> DonorTable:
    """A table as `benchmarks.assist --table` writes it. ValueError where it is none."""
    try:
        told = json.loads(path.read_text())
        curves = {kind: _curve(told["curves"][kind], told["deepest"][kind]) for kind in KINDS}
        variety = tuple((float(at), float(share)) for at, share, _ in told["variety"])
        return DonorTable(curves, variety, float(told["least_variety"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is no table of donors (docs/assist.md): {type(error).__name__} {error}") from error


def _curve(points: list[list[float]], deepest: float) -> Curve:
    read = tuple((float(at), int(right), int(pairs)) for at, right, pairs in points)
    if len(read) < 2 or read[0][0] != 1.0 or any(one[0] <= other[0] for one, other in pairwise(read)):
        raise ValueError("a curve begins with sigma 1, the clips from noise, and goes down")
    return Curve(read, float(deepest))
