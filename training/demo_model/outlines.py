"""The shape, one of six, of an outline: overlap with a drawn pattern of each, at the outline's own size."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from generator.demo.scenes import Shape

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

GRID = 48
"""Side of the patterns; a pattern's own disc of equal spread fills about half of it."""

SHAPE_FILL = {
    Shape.CIRCLE: 1.0,
    Shape.SQUARE: 1.0,
    Shape.TRIANGLE: 0.75,
    Shape.DIAMOND: 0.89,
    Shape.RING: 0.85,
    Shape.STAR: 0.82,
}
"""Area over that of a disc, for things that people would call equally large."""


def shape_scores(mask: Mask, upright: bool) -> dict[Shape, float]:
    """Scores of how well each shape explains the outline, 0 to 1, at any angle unless `upright`."""
    target = _normal(mask)
    return {shape: max(_overlap(target, p) for p in _patterns(shape)[: (_UPRIGHT[shape] if upright else None)]) for shape in Shape}


_UPRIGHT = {shape: 2 if shape is Shape.DIAMOND else 3 if shape is Shape.STAR else 1 for shape in Shape}
"""How many of a shape's patterns come at no angle."""


def _overlap(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def _normal(mask: Mask) -> Mask:
    """The outline moved to the middle of the grid and scaled to a standard spread of its pixels."""
    points = np.argwhere(mask).astype(float)
    centre = points.mean(axis=0)
    spread = math.sqrt(float(((points - centre) ** 2).sum(axis=1).mean()) + 1 / 6)
    line = (np.arange(GRID) + 0.5 - GRID / 2) * spread / (GRID * _SPREAD)
    y, x = np.meshgrid(centre[0] + line, centre[1] + line, indexing="ij")
    return _sample(mask, y, x)


_SPREAD = 0.2
"""Root mean square distance of a normal outline's pixels from its centre, over the grid's side."""


def _sample(mask: Mask, y: Floats, x: Floats) -> Mask:
    """Bilinear, thresholded at a half."""
    soft = np.pad(mask.astype(float), 2)
    y, x = np.clip(y + 2, 0, soft.shape[0] - 1.001), np.clip(x + 2, 0, soft.shape[1] - 1.001)
    top, left = y.astype(int), x.astype(int)
    down, right = y - top, x - left
    upper = soft[top, left] * (1 - right) + soft[top, left + 1] * right
    lower = soft[top + 1, left] * (1 - right) + soft[top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down > 0.5)


@cache
def _patterns(shape: Shape) -> tuple[Mask, ...]:
    """Upright ones first, then turned ones where turning changes the shape."""
    upright = [_normal(drawing) for drawing in _drawings(shape)]
    if shape in (Shape.CIRCLE, Shape.RING):
        return tuple(upright)
    turned = [_normal(d) for angle in range(6, 180, 6) for d in _drawings(shape, math.radians(angle))]
    if shape is Shape.TRIANGLE:
        turned += [_normal(d) for angle in range(180, 360, 6) for d in _drawings(shape, math.radians(angle))]
    return tuple(upright + turned)


def _drawings(shape: Shape, angle: float = 0.0) -> list[Mask]:
    line = (np.arange(160) + 0.5) / 80 - 1
    y, x = np.meshgrid(line, line, indexing="ij")
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    round_ = np.hypot(u, v)
    match shape:
        case Shape.CIRCLE:
            return [round_ < 0.6]
        case Shape.SQUARE:
            return [np.maximum(np.abs(u), np.abs(v)) < 0.5]
        case Shape.TRIANGLE:
            return [np.maximum(math.sqrt(3) / 2 * np.abs(u) - 0.5 * v, v) < 0.35]
        case Shape.DIAMOND:
            return [np.abs(u) / width + np.abs(v) < 0.65 for width in (0.72, 1.0)]
        case Shape.RING:
            return [(round_ < 0.7) & (round_ > hole * 0.7) for hole in (0.53,)]
        case Shape.STAR:
            return [_star(u, v, waist) for waist in (0.4, 0.47, 0.55)]


def _star(u: Floats, v: Floats, waist: float, reach: float = 0.8) -> Mask:
    wedge = np.mod(np.arctan2(u, -v), 2 * math.pi / 5)
    wedge = np.minimum(wedge, 2 * math.pi / 5 - wedge)
    along, across = np.hypot(u, v) * np.cos(wedge), np.hypot(u, v) * np.sin(wedge)
    nx, ny = waist * math.sin(math.pi / 5), 1 - waist * math.cos(math.pi / 5)
    return np.asarray((along - reach) * nx + across * ny < 0)
