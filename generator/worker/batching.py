"""The batch size, from times measured in this process. Pure.

One clip sets the mark. Twice as many are tried, and twice as many again as long as that pays; a batch is kept only where it
makes clips at least a tenth faster than one by one. A figure is the running mean of seconds per clip, so that it follows
the machine; the first of each size is not counted, because it pays for what is built at first use.
"""

from __future__ import annotations

from cachetools import LRUCache

WORTH = 1.10  # times as fast, under which making clips together is not worth the longer wait of whoever comes next
_SHARE = 0.3  # of a new figure in the running mean
_RECIPES = 256  # that figures are kept of, the least recently used go


class Paces:
    """Seconds per clip, by Recipe and batch."""

    def __init__(self) -> None:
        self._paces: LRUCache[str, dict[int, float | None]] = LRUCache(_RECIPES)

    def note(self, recipe_key: str, batch: int, seconds: float) -> None:
        """Records the `seconds` per clip of such a batch."""
        figures = self._paces.setdefault(recipe_key, {})
        if batch not in figures:
            figures[batch] = None
        else:
            known = figures[batch]
            figures[batch] = seconds if known is None else known + _SHARE * (seconds - known)

    def best(self, recipe_key: str, most: int) -> int:
        """Clips to make at once, 1 to `most`: a size not tried yet where the last one paid, else the fastest that is worth it."""
        noted = self._paces.get(recipe_key, {})
        figures = {batch: pace for batch, pace in noted.items() if pace is not None and batch <= most}
        alone = figures.get(1)
        if alone is None:
            return 1
        tried = max(figures)
        untried = min(2 * tried, most)
        if untried > tried and (tried == 1 or _pays(alone, figures[tried])):
            return untried
        fastest = min(figures, key=lambda batch: figures[batch])
        return fastest if _pays(alone, figures[fastest]) else 1


def _pays(alone: float, pace: float) -> bool:
    return alone >= WORTH * pace
