"""What can be seen in a clip: background, and each thing's shape, colour, size and motion, judged from pixels alone.

The judge of the demo model and the ground truth of tests. It knows the meanings of the words, and nothing of how the
model or the renderer makes a clip. Scenes are checked with `agrees(scene, look(frames))`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from generator.demo.outlines import SHAPE_FILL, shape_scores
from generator.demo.scenes import Background, Colour, Motion, Scene, Shape, Size, Thing

Frames = npt.NDArray[np.uint8]
"""[time, height, width, 3]."""
Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

HUES: dict[Colour, tuple[tuple[int, int, int], ...]] = {
    Colour.RED: ((225, 25, 25), (190, 20, 30), (240, 60, 50)),
    Colour.GREEN: ((30, 200, 60), (20, 150, 40), (90, 220, 80)),
    Colour.BLUE: ((25, 60, 230), (20, 40, 160), (50, 100, 240)),
    Colour.YELLOW: ((255, 225, 20), (240, 210, 50), (250, 240, 90)),
    Colour.ORANGE: ((255, 135, 0), (240, 120, 20), (255, 160, 40)),
    Colour.PURPLE: ((140, 40, 200), (110, 30, 150), (160, 80, 220)),
    Colour.WHITE: ((252, 252, 252), (225, 225, 225)),
    Colour.PINK: ((255, 120, 185), (255, 150, 200), (240, 90, 170), (230, 60, 200)),
    Colour.CYAN: ((0, 225, 225), (30, 190, 190), (80, 240, 240)),
    Colour.BROWN: ((140, 75, 25), (110, 60, 25), (160, 95, 50)),
}
"""Everyday examples of each colour."""


@dataclass(frozen=True)
class Seen:
    """One thing as it was seen."""

    shape: Shape
    colour: Colour
    motion: Motion
    size: Size


@dataclass(frozen=True)
class Sight:
    """A clip as it was seen."""

    background: Background
    things: tuple[Seen, ...]


@dataclass(frozen=True)
class Agreement:
    """Which attributes of a scene a clip shows, all things together."""

    number: bool
    shape: bool
    colour: bool
    motion: bool
    size: bool
    background: bool

    @property
    def right(self) -> bool:
        return self.number and self.shape and self.colour and self.motion and self.size and self.background


def agrees(scene: Scene, sight: Sight) -> Agreement:
    """Compare in the order of things that fits best.

    Spinning is invisible on what is round, so still will do there. Sizes are words of degree: what is asked for as small
    must not look large, nor the reverse.
    """
    background = scene.background is sight.background
    if len(scene.things) != len(sight.things):
        return Agreement(False, False, False, False, False, background)
    options = [
        Agreement(
            True,
            all(a.shape is b.shape for a, b in pairs),
            all(a.colour is b.colour for a, b in pairs),
            all(_moves(a, b) for a, b in pairs),
            all(a.size in (b.size, Size.MEDIUM) or b.size is Size.MEDIUM for a, b in pairs),
            background,
        )
        for order in permutations(sight.things)
        for pairs in (tuple(zip(scene.things, order, strict=True)),)
    ]
    return max(options, key=lambda o: (o.right, o.colour + o.shape + o.motion + o.size))


def _moves(asked: Thing, seen: Seen) -> bool:
    turned = {Motion.SPIN, Motion.STILL}
    if asked.shape in (Shape.CIRCLE, Shape.RING) and asked.motion is Motion.SPIN:
        return seen.motion in turned
    return asked.motion is seen.motion


def look(frames: Frames) -> Sight:
    """Everything there is to say about a clip."""
    backdrop = _backdrop(frames)
    masks = _foreground(frames, backdrop)
    tracks = _tracks(frames, masks)
    return Sight(_background(backdrop, frames, masks), tuple(_see(frames, track) for track in tracks))


# --- background -----------------------------------------------------------------------------------------------------


def _backdrop(frames: Frames) -> Floats:
    """[height, 3]: the colour of each row, since a background changes from top to bottom only.

    Taken from the frame's sides, where no thing stands for long, unless the whole row tells otherwise.
    """
    width = frames.shape[2]
    rim = max(2, width // 32)
    sides = np.concatenate([frames[:, :, :rim], frames[:, :, -rim:]], axis=2)
    rows = np.median(sides.transpose(1, 0, 2, 3).reshape(frames.shape[1], -1, 3), axis=1)
    kernel = 5
    padded = np.pad(rows, ((kernel // 2, kernel // 2), (0, 0)), mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=0), axis=-1))


def _background(backdrop: Floats, frames: Frames, masks: Masks) -> Background:
    """By the colours of its top and bottom; night has specks, plain black none."""
    third = len(backdrop) // 3
    top, low = backdrop[:third].mean(axis=0), backdrop[-third:].mean(axis=0)
    mean = backdrop.mean(axis=0)
    red, green, blue = mean
    if mean.max() < 90 and max(top.max(), low.max()) < 110 and green < max(red, blue) + 15:
        things = masks
        for _ in range(4):  # Films blur the rims of things.
            things = np.logical_or.reduce([things, *(_shift(things, *step) for step in _NEAR)])
        specks = (np.abs(frames.astype(np.int16) - backdrop[:, None].astype(np.int16)).max(axis=-1) > 45) & ~things
        starry = specks.mean(axis=(1, 2)).mean() > 0.0012
        return Background.STARS if starry or blue > red + 18 else Background.BLACK
    if mean.min() > 215 and np.ptp(mean) < 25:
        return Background.WHITE
    if green > red + 15 and green > blue + 15:
        return Background.GRASS
    if np.linalg.norm(top - low) > 120 and low[0] > low[2] + 40:
        return Background.SUNSET
    if blue > red + 25:
        return Background.SKY
    return Background.SAND if np.linalg.norm(top - low) < 90 and mean.max() > 130 else Background.SUNSET


# --- things ---------------------------------------------------------------------------------------------------------


def _foreground(frames: Frames, backdrop: Floats, threshold: int = 42) -> Masks:
    """Pixels that stand out from their row, small specks (stars, noise) left out."""
    difference = np.abs(frames.astype(np.int16) - backdrop[:, None].astype(np.int16)).max(axis=-1)
    masks = difference > threshold
    core = _open(masks)
    return _grow_into(core, masks, 3)


def _shift(masks: Masks, dy: int, dx: int) -> Masks:
    out = np.zeros_like(masks)
    height, width = masks.shape[1:]
    out[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = masks[
        :, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return out


_NEAR = ((0, 1), (0, -1), (1, 0), (-1, 0))


def _open(masks: Masks) -> Masks:
    """What a disc of five pixels fits into: dots of a pixel or two vanish."""
    core = masks
    for _ in range(2):
        core = core & np.logical_and.reduce([_shift(core, *step) for step in _NEAR])
    return core


def _grow_into(core: Masks, masks: Masks, steps: int) -> Masks:
    for _ in range(steps):
        core = masks & np.logical_or.reduce([core, *(_shift(core, *step) for step in _NEAR)])
    return core


def _parts(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    """Connected parts of one frame that are large enough to be a thing, largest first."""
    least = 0.004 * mask.size
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return []
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    whole, mask = mask, mask[window]
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)[None]
    while True:
        spread = labels
        for dy, dx in (*_NEAR, (1, 1), (-1, -1), (1, -1), (-1, 1)):
            moved = np.zeros_like(spread)
            height, width = mask.shape
            moved[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = spread[
                :, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
            ]
            spread = np.maximum(spread, np.where(mask[None], moved, 0))
        if (spread == labels).all():
            break
        labels = spread
    names, counts = np.unique(labels[labels > 0], return_counts=True)
    order = np.argsort(-counts)
    parts = []
    for i in order:
        if counts[i] >= least:
            part = np.zeros_like(whole)
            part[window] = labels[0] == names[i]
            parts.append(part)
    return parts


@dataclass
class _Track:
    """One thing through time; frames in which it was not found are missing."""

    times: list[int]
    masks: list[npt.NDArray[np.bool_]]
    colour: Floats

    @property
    def place(self) -> Floats:
        return _centre(self.masks[-1])


def _centre(mask: npt.NDArray[np.bool_]) -> Floats:
    return np.asarray(np.argwhere(mask).mean(axis=0)[::-1] / mask.shape[0])


def _tracks(frames: Frames, masks: Masks) -> list[_Track]:
    """Follow parts from frame to frame by place and colour; a track lives in at least two thirds of the frames."""
    tracks: list[_Track] = []
    for time, mask in enumerate(masks):
        parts = _parts(mask)
        colours = [np.median(frames[time][part], axis=0) for part in parts]
        pairs = sorted(
            (
                float(np.hypot(*(_centre(part) - track.place)) + np.abs(colours[i] - track.colour).max() / 300),
                i,
                k,
            )
            for i, part in enumerate(parts)
            for k, track in enumerate(tracks)
        )
        used: set[int] = set()
        taken: set[int] = set()
        for cost, i, k in pairs:
            if i not in used and k not in taken and cost < 0.6:
                tracks[k].times.append(time)
                tracks[k].masks.append(parts[i])
                used.add(i)
                taken.add(k)
        tracks += [_Track([time], [part], colours[i]) for i, part in enumerate(parts) if i not in used]
    return [track for track in tracks if len(track.times) >= 2 * len(frames) / 3]


def _see(frames: Frames, track: _Track) -> Seen:
    motion = _motion(track)
    scores = [
        shape_scores(mask, upright=motion is not Motion.SPIN or time < 2) for time, mask in zip(track.times, track.masks, strict=True)
    ]
    # A spinning thing starts upright: its first frames tell a square from a diamond best.
    weights = np.array([3.0 if motion is Motion.SPIN and time < 2 else 1.0 for time in track.times])
    total = (np.array([[score[shape] for shape in Shape] for score in scores]) * weights[:, None]).sum(axis=0)
    shape = list(Shape)[int(total.argmax())]
    return Seen(shape, _colour(frames, track), motion, _size(track, shape))


def _colour(frames: Frames, track: _Track) -> Colour:
    """The nearest everyday colour of the thing's inner pixels."""
    inner = [
        frames[time][core if (core := _open(mask[None])[0]).any() else mask] for time, mask in zip(track.times, track.masks, strict=True)
    ]
    return name_colour(np.median(np.concatenate(inner), axis=0))


def name_colour(rgb: Floats) -> Colour:
    def distance(a: tuple[int, int, int]) -> float:
        difference = rgb - np.array(a, float)
        # Hue counts more than lightness, as it does for people.
        return float(np.linalg.norm(difference - 0.5 * difference.mean()))

    return min(HUES, key=lambda colour: min(map(distance, HUES[colour])))


def _size(track: _Track, shape: Shape) -> Size:
    """By area over the middle of the clip, so that growing and shrinking things have their nominal size."""
    areas = np.array([mask.mean() for mask in track.masks])
    radius = math.sqrt(float(np.median(areas)) / math.pi / SHAPE_FILL[shape])
    if radius < 0.115:
        return Size.SMALL
    return Size.MEDIUM if radius < 0.162 else Size.LARGE


# --- motion ---------------------------------------------------------------------------------------------------------


def _motion(track: _Track) -> Motion:
    path = np.array([_centre(mask) for mask in track.masks])
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
    """How often a coordinate turns back by more than `least`."""
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


def _turns(track: _Track) -> bool:
    """Whether the outline changes although size and place do not."""
    crops = [_crop(mask) for mask in track.masks]
    overlaps = [(a & b).sum() / max((a | b).sum(), 1) for a in crops[:3] for b in crops[4:]]
    return bool(np.quantile(overlaps, 0.15) < 0.86)


def _crop(mask: npt.NDArray[np.bool_], half: int = 40) -> npt.NDArray[np.bool_]:
    y, x = np.round(np.argwhere(mask).mean(axis=0)).astype(int)
    padded = np.pad(mask, half)
    return padded[y : y + 2 * half, x : x + 2 * half]
