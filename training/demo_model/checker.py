"""The checker of clips: background, and each thing's shape, colour, size and motion, judged from pixels alone.

The judge of the demo model and the ground truth of tests. It knows the meanings of the words, and nothing of how the
model or the renderer makes a clip. Scenes are checked with `agrees(scene, look(frames))`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from generator.demo.scenes import Background, Colour, Motion, Scene, Shape, Size, Thing
from training.demo_model.motions import motion_of
from training.demo_model.outlines import SHAPE_FILL, shape_scores
from training.demo_model.tracks import NEAR, Floats, Frames, Masks, Track, follow, foreground, open_up, shift

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
    """The attributes of a scene that a clip shows, all things together."""

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
    masks = foreground(frames, backdrop)
    tracks = follow(frames, masks)
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
            things = np.logical_or.reduce([things, *(shift(things, *step) for step in NEAR)])
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


# --- things ----------------------------------------------------------------------------------------------------


def _see(frames: Frames, track: Track) -> Seen:
    motion = motion_of(track)
    scores = [
        shape_scores(mask, upright=motion is not Motion.SPIN or time < 2) for time, mask in zip(track.times, track.masks, strict=True)
    ]
    # A spinning thing starts upright: its first frames tell a square from a diamond best.
    weights = np.array([3.0 if motion is Motion.SPIN and time < 2 else 1.0 for time in track.times])
    total = (np.array([[score[shape] for shape in Shape] for score in scores]) * weights[:, None]).sum(axis=0)
    shape = list(Shape)[int(total.argmax())]
    return Seen(shape, _colour(frames, track), motion, _size(track, shape))


def _colour(frames: Frames, track: Track) -> Colour:
    """The nearest everyday colour of the thing's inner pixels."""
    inner = [
        frames[time][core if (core := open_up(mask[None])[0]).any() else mask] for time, mask in zip(track.times, track.masks, strict=True)
    ]
    return name_colour(np.median(np.concatenate(inner), axis=0))


def name_colour(rgb: Floats) -> Colour:
    def distance(a: tuple[int, int, int]) -> float:
        difference = rgb - np.array(a, float)
        # Hue counts more than lightness, as it does for people.
        return float(np.linalg.norm(difference - 0.5 * difference.mean()))

    return min(HUES, key=lambda colour: min(map(distance, HUES[colour])))


def _size(track: Track, shape: Shape) -> Size:
    """By area over the middle of the clip, so that growing and shrinking things have their nominal size."""
    areas = np.array([mask.mean() for mask in track.masks])
    radius = math.sqrt(float(np.median(areas)) / math.pi / SHAPE_FILL[shape])
    if radius < 0.115:
        return Size.SMALL
    return Size.MEDIUM if radius < 0.162 else Size.LARGE
