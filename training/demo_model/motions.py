"""The motion, one of ten, that a followed thing makes, by the path of its centre, its area and its outline."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from generator.demo.scenes import Motion
from training.demo_model.tracks import Floats, Track, centre


def motion_of(track: Track) -> Motion:
    path = np.array([centre(mask) for mask in track.masks])
    areas = np.array([mask.sum() for mask in track.masks], float)
    span = np.ptp(path, axis=0)
    if span.max() < 0.1:
        ratio = np.median(areas[-3:]) / np.median(areas[:3])
        if ratio >= 1.7:
            return Motion.GROW
        if ratio <= 1 / 1.7:
            return Motion.SHRINK
        return Motion.SPIN if _turns(track) else Motion.STILL
    if span.min() > 0.12 and _sweep(path) >= 200:
        return Motion.CIRCLE
    way = path[-1] - path[0]
    if span[1] > 0.1 and span[0] < 0.1 and _reversals(path[:, 1]) >= 1:
        return Motion.BOUNCE
    if abs(way[0]) >= abs(way[1]):
        return Motion.RIGHT if way[0] > 0 else Motion.LEFT
    return Motion.DOWN if way[1] > 0 else Motion.UP


def _sweep(path: Floats) -> float:
    """Degrees that a path turns around the centre of the circle that fits it best."""
    system = np.c_[2 * path, np.ones(len(path))]
    centre = np.linalg.lstsq(system, (path**2).sum(axis=1), rcond=None)[0][:2]
    angles = np.unwrap(np.arctan2(*(path - centre).T[::-1]))
    return abs(math.degrees(angles[-1] - angles[0]))


def _reversals(line: Floats, least: float = 0.06) -> int:
    """The number of times that a coordinate turns back by more than `least`."""
    turns, direction, extreme = 0, 0, line[0]
    for value in line[1:]:
        if direction == 0:
            if abs(value - extreme) > least:
                direction, extreme = (1 if value > extreme else -1), value
        elif (value - extreme) * direction > 0:
            extreme = value
        elif (extreme - value) * direction > least:
            turns, direction, extreme = turns + 1, -direction, value
    return turns


def _turns(track: Track) -> bool:
    """True if the outline changes although size and place do not."""
    crops = [_crop(mask) for mask in track.masks]
    overlaps = [(a & b).sum() / max((a | b).sum(), 1) for a in crops[:3] for b in crops[4:]]
    return bool(np.quantile(overlaps, 0.15) < 0.86)


def _crop(mask: npt.NDArray[np.bool_], half: int = 40) -> npt.NDArray[np.bool_]:
    y, x = np.round(np.argwhere(mask).mean(axis=0)).astype(int)
    padded = np.pad(mask, half)
    return padded[y : y + 2 * half, x : x + 2 * half]
