"""The choice of a start: from which of the refused, and how deep, so that the expected share of wrong clips stays under the limit. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from cache.assist import Start, begin_at, ladder
from cache.matching.donors.curves import DonorTable, has_donors
from cache.matching.donors.differences import Doubted, Gap, Named, Unknown, gap
from cache.recipe import Recipe
from cache.verdict import Refusal

SAME, TAKE = "same", "take"  # the curves of prompts that mean the same, and of the very same words


def take_depth(table: DonorTable, max_wrong: float) -> float | None:
    """The depth at which another take of the same words may start; None where no depth is both right and visibly another clip."""
    curve = table.curves[TAKE]
    depths = sorted({*curve.depths, *(at for at, _ in table.variety if at >= curve.deepest)})
    return next((sigma for sigma in depths if table.varied(sigma) and curve.lost(sigma) <= max_wrong), None)


def take_sigma(recipe: Recipe, table: DonorTable, max_wrong: float) -> float | None:
    """The same for one Recipe; None also where that spares none of its steps."""
    sigma = take_depth(table, max_wrong) if has_donors(recipe) else None
    return None if sigma is None or _spared(recipe, sigma) == 0 else sigma


def near_start(recipe: Recipe, table: DonorTable, new: str, refused: Iterable[Refusal], max_wrong: float) -> Start | None:
    """The deepest start among refused neighbours of the Partition; None where none is safe."""
    if not has_donors(recipe):
        return None
    starts = [
        Start(refusal.clip_id, sigma, "near")
        for refusal in refused
        if refusal.clip_id is not None and (sigma := near_sigma(recipe, table, gap(new, refusal), max_wrong)) is not None
    ]
    return min(starts, key=lambda start: start.sigma, default=None)


def near_sigma(recipe: Recipe, table: DonorTable, between: Gap, max_wrong: float) -> float | None:
    """The sigma at which a render may start across this gap."""
    depths = sorted({sigma for curve in table.curves.values() for sigma in curve.depths})
    found = next((sigma for sigma in depths if _lost(table, between, sigma) <= max_wrong), None)
    return None if found is None or _spared(recipe, found) == 0 else found


def _lost(table: DonorTable, between: Gap, sigma: float) -> float:
    """The expected share of wrong clips. Several named differences add up; a doubt is the same meaning, or else the worst difference."""
    match between:
        case Named(kinds):
            if any(sigma < table.curves[kind].deepest for kind in kinds):
                return 1.0
            return sum(table.curves[kind].lost(sigma) for kind in kinds)
        case Doubted(probability):
            worst = max(curve.lost(sigma) for kind, curve in table.curves.items() if kind != TAKE)
            return probability * table.curves[SAME].lost(sigma) + (1 - probability) * worst
        case Unknown():
            return 1.0
        case other:
            assert_never(other)


def _spared(recipe: Recipe, sigma: float) -> int:
    return begin_at(ladder(recipe.steps, recipe.flow_shift), sigma)
