"""The estimate whether a render fits into the device's memory, from the peaks of earlier ones. Pure.

Estimates err on the large side: what is not known is scaled up in proportion to the pixels, though weights and some
buffers do not grow. The allocator keeps to the limit in any case, so a wrong guess costs a retry and never the headroom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cache.catalog import ModelRow
from cache.recipe import Recipe


@dataclass(frozen=True)
class Load:
    """The factors of a render's memory. `tiled`: its frames are decoded in tiles."""

    width: int
    height: int
    frames: int
    batch: int = 1
    tiled: bool = False

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.frames * self.batch

    def within(self, other: Load) -> bool:
        """True if it takes no more memory than `other`: it is at most as large in every way."""
        return (
            self.width * self.height <= other.width * other.height
            and self.frames <= other.frames
            and self.batch <= other.batch
            and self.tiled >= other.tiled
        )


Peaks = Mapping[Load, int]  # bytes, weights included


@dataclass(frozen=True)
class Fit:
    """The way in which a render fits: the number of clips at once, decoded in tiles or whole."""

    batch: int
    tiled: bool = False


def load_of(recipe: Recipe, batch: int = 1, *, tiled: bool = False) -> Load:
    return Load(recipe.width, recipe.height, recipe.frames, batch, tiled)


def estimate(load: Load, peaks: Peaks) -> int | None:
    """Bytes that `load` will take at the most, None where nothing is known that would tell.

    Never less than a load within it took, never more than one took that it is within, and between them in proportion.
    """
    if load in peaks:
        return peaks[load]
    smaller = {known: taken for known, taken in peaks.items() if known.within(load)}
    larger = [taken for known, taken in peaks.items() if load.within(known)]
    guesses = [taken * load.pixels // known.pixels + 1 for known, taken in smaller.items() if known.tiled == load.tiled]
    if not guesses and not larger:
        return None
    most = min([*guesses, *larger])
    return max([most, *smaller.values()])


def fit(recipe: Recipe, batch: int, peaks: Peaks, limit: int) -> Fit | None:
    """The largest batch up to `batch` that fits into `limit` bytes, decoded whole; else one clip in tiles; None: nothing does.

    An estimate is enough to make a batch smaller. One clip by itself is only refused where it, or something within it, was
    seen to take more: an estimate errs on the large side, and would keep the truth from ever being seen.
    """
    for count in range(batch, 1, -1):
        expected = estimate(load_of(recipe, count), peaks)
        if (expected is None or expected <= limit) and _seen(load_of(recipe, count), peaks) <= limit:
            return Fit(count)
    for tiled in (False, True):
        if _seen(load_of(recipe, tiled=tiled), peaks) <= limit:
            return Fit(1, tiled)
    return None


def _seen(load: Load, peaks: Peaks) -> int:
    """Bytes that it takes at the least."""
    return max((taken for known, taken in peaks.items() if known.within(load)), default=0)


def smaller(row: ModelRow, recipe: Recipe) -> list[Recipe]:
    """Steps down from `recipe`, each with fewer pixels than the one before: the model's smaller sizes of the same
    orientation, then half the length again and again, down to two latent frames.
    """
    area, wide = recipe.width * recipe.height, recipe.width >= recipe.height
    sizes = [size for size in row.sizes if size[0] * size[1] < area and (size[0] >= size[1]) == wide]
    steps = [replace(recipe, width=width, height=height) for width, height in sorted(sizes, key=lambda size: -size[0] * size[1])]
    least = steps[-1] if steps else recipe
    frames, step = least.frames, row.frame_step
    while (frames := (frames - 1) // (2 * step) * step + 1) > step:
        steps.append(replace(least, frames=frames))
    return steps
