"""Where the things of a scene go, frame by frame: the meanings of the motion and size words, in numbers.

Lengths are fractions of the frame's side, y grows downward, angles are radians. A thing's radius is that of a disc of
about its area; how far its corners reach beyond is in REACH.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generator.demo.scenes import FRAMES, Background, Colour, Motion, Scene, Shape, Size, Thing

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

RADII = {Size.SMALL: (0.095, 0.11), Size.MEDIUM: (0.135, 0.15), Size.LARGE: (0.185, 0.205)}
PAIR_SCALE = 0.92
"""Two things are a little smaller each, so that they find room."""
REACH = {
    Shape.CIRCLE: 1.0,
    Shape.SQUARE: 1.25,
    Shape.TRIANGLE: 1.35,
    Shape.DIAMOND: 1.4,
    Shape.RING: 1.1,
    Shape.STAR: 1.4,
}
GROWTH = (0.66, 1.2)
"""First and last radius of a growing thing, over its nominal one: the area more than triples."""
EDGE, GAP = 0.02, 0.035
"""Room kept to the frame's edge and between two things."""

SHAPES, COLOURS, BACKGROUNDS = list(Shape), list(Colour), list(Background)


@dataclass(frozen=True)
class Stage:
    """A scene as numbers, or many scenes when every array has one more axis in front; drawing.py makes pixels of it."""

    track: Floats
    """[2, FRAMES, 4]: x, y, radius, angle of each thing; radius 0 means that there is no such thing."""
    shape: Ints
    """[2]: indices into SHAPES."""
    colour: Ints
    """[2]: indices into COLOURS."""
    background: Ints
    """[]: an index into BACKGROUNDS."""


def stack(stages: list[Stage]) -> Stage:
    """Many scenes as one."""
    return Stage(
        np.stack([s.track for s in stages]),
        np.stack([s.shape for s in stages]),
        np.stack([s.colour for s in stages]),
        np.stack([s.background for s in stages]),
    )


def draw_scene(rng: random.Random) -> tuple[Scene, Stage]:
    """A random scene that has room for its things, and its staging."""
    while True:
        scene = _imagine(rng)
        stage = place(scene, rng)
        if stage is not None:
            return scene, stage


def _imagine(rng: random.Random) -> Scene:
    # Black is also what silence means, so it comes more often.
    background = rng.choices(BACKGROUNDS, (24, 11, 13, 13, 13, 13, 13))[0]
    if rng.random() < 0.42:
        return Scene((_thing(rng, background),), background)
    first, second = _thing(rng, background), _thing(rng, background)
    if rng.random() < 0.1:
        second = Thing(second.shape, second.colour, first.motion, second.size)
    if rng.random() < 0.03:
        first = Thing(first.shape, first.colour, Motion.CIRCLE, Size.SMALL)
        return Scene((first, Thing(second.shape, second.colour, Motion.STILL, second.size)), background, orbit=True)
    return Scene((first, second), background)


def _thing(rng: random.Random, background: Background) -> Thing:
    colour = rng.choice(COLOURS)
    while colour is Colour.WHITE and background is Background.WHITE:
        colour = rng.choice(COLOURS)
    size = rng.choices(list(Size), (30, 42, 28))[0]
    return Thing(rng.choice(SHAPES), colour, rng.choice(list(Motion)), size)


def place(scene: Scene, rng: random.Random, tries: int = 40) -> Stage | None:
    """Staging in which every thing stays inside the frame and clear of the other; None when no room was found."""
    scale = PAIR_SCALE if len(scene.things) == 2 else 1.0
    for _ in range(tries):
        tracks = [_track(thing, scale, rng) for thing in scene.things]
        if scene.orbit:
            # The second thing stands where the first one's circle has its centre.
            ring = tracks[0][:, :2]
            tracks[1][:, :2] = (ring.max(axis=0) + ring.min(axis=0)) / 2
        if len(tracks) == 1 or _apart(scene, tracks):
            return _stage(scene, tracks)
    return None


def _apart(scene: Scene, tracks: list[Floats]) -> bool:
    distance = np.hypot(*(tracks[0] - tracks[1])[:, :2].T)
    need = sum(REACH[thing.shape] * track[:, 2] for thing, track in zip(scene.things, tracks, strict=True))
    return bool((distance > 0.93 * need + GAP).all())


def _stage(scene: Scene, tracks: list[Floats]) -> Stage:
    count = len(tracks)
    track = np.zeros((2, FRAMES, 4), np.float32)
    track[:count] = tracks
    shape, colour = np.zeros(2, np.int64), np.zeros(2, np.int64)
    shape[:count] = [SHAPES.index(thing.shape) for thing in scene.things]
    colour[:count] = [COLOURS.index(thing.colour) for thing in scene.things]
    return Stage(track, shape, colour, np.array(BACKGROUNDS.index(scene.background)))


def _track(thing: Thing, scale: float, rng: random.Random) -> Floats:
    """[FRAMES, 4] of one thing, somewhere in the frame."""
    radius = scale * rng.uniform(*RADII[thing.size])
    time = np.linspace(0.0, 1.0, FRAMES)
    radii = np.full(FRAMES, radius)
    if thing.motion in (Motion.GROW, Motion.SHRINK):
        low, high = GROWTH if thing.motion is Motion.GROW else GROWTH[::-1]
        radii = radius * (low + (high - low) * time)
    room = 1 - 2 * (EDGE + REACH[thing.shape] * radii.max())
    x, y = _path(thing.motion, time, room, rng)
    angle = rng.choice((-1, 1)) * math.radians(rng.uniform(210, 330)) * time * (thing.motion is Motion.SPIN)
    # The path lies in a box of its own width and height, which may stand anywhere in the room.
    left, top = (EDGE + REACH[thing.shape] * radii.max() + rng.random() * (room - np.ptp(v)) - v.min() for v in (x, y))
    return np.stack([x + left, y + top, radii, angle], axis=1).astype(np.float32)


def _path(motion: Motion, time: npt.NDArray[np.float64], room: float, rng: random.Random) -> tuple[Floats, Floats]:
    """x and y of a centre over time, each at most `room` wide."""
    rest = np.zeros_like(time)
    way = time * min(room, rng.uniform(0.38, 0.6))
    match motion:
        case Motion.RIGHT:
            return way, rest
        case Motion.LEFT:
            return -way, rest
        case Motion.UP:
            return rest, -way
        case Motion.DOWN:
            return rest, way
        case Motion.BOUNCE:
            hops, start = rng.choice((1.5, 2.0)), rng.choice((0.0, 0.0, 0.5))
            return rest, -min(room, rng.uniform(0.28, 0.42)) * np.abs(np.sin(math.pi * (hops * time + start)))
        case Motion.CIRCLE:
            sweep, start = rng.choice((-1, 1)) * math.radians(rng.uniform(300, 360)), rng.uniform(0, 2 * math.pi)
            radius = min(room / 2, rng.uniform(0.17, 0.27))
            return radius * np.cos(start + sweep * time), radius * np.sin(start + sweep * time)
        case _:
            return rest, rest
