"""The staging of a scene, its things' places frame by frame: the meanings of the motion and size words, in numbers.

Lengths are fractions of the frame's side, y grows downward, angles are radians. A thing's radius is that of a disc of
about its area; how far its corners reach beyond is in REACH.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from generator.demo.scenes import FRAMES, Background, Colour, Motion, Scene, Shape, Size, Thing

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RADII = {Size.SMALL: 0.1, Size.MEDIUM: 0.14, Size.LARGE: 0.185}
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
EDGE, GAP = 0.02, 0.06
"""Room kept to the frame's edge and between two things."""
CELL = 1 / 16
"""Places are multiples of this: one cell of the VAE's latent. A thing then has few latent patterns, wherever it stands,
and a moving one passes from cell to cell in step with the latent frames. A small model learns such a world many times
faster than one in which everything may be anywhere, and a viewer sees no difference."""

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
        scene: Scene | None = _imagine(rng)
        while scene is not None:
            stage = place(scene, rng)
            if stage is not None:
                return scene, stage
            scene = _smaller(scene)


def _smaller(scene: Scene) -> Scene | None:
    """The scene with its largest thing one size down; None when all are small.

    Giving up on a crowded scene at once would leave motions that need much room, like circling, out of most pairs.
    """
    order = list(Size)
    things = list(scene.things)
    which = max(range(len(things)), key=lambda i: order.index(things[i].size))
    rank = order.index(things[which].size)
    if rank == 0:
        return None
    things[which] = replace(things[which], size=order[rank - 1])
    return replace(scene, things=tuple(things))


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


def place(scene: Scene, rng: random.Random, tries: int = 12) -> Stage | None:
    """Staging in which every thing stays inside the frame and clear of the other; None when no room was found."""
    for _ in range(tries):
        tracks = [_track(thing, rng) for thing in scene.things]
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


def _track(thing: Thing, rng: random.Random) -> Floats:
    """[FRAMES, 4] of one thing, somewhere in the frame."""
    time = np.linspace(0.0, 1.0, FRAMES)
    radii = np.full(FRAMES, RADII[thing.size])
    if thing.motion in (Motion.GROW, Motion.SHRINK):
        low, high = GROWTH if thing.motion is Motion.GROW else GROWTH[::-1]
        radii *= low + (high - low) * time
    margin = EDGE + REACH[thing.shape] * radii.max()
    x, y = _path(thing.motion, time, 1 - 2 * margin)
    angle = math.radians(SPIN) * time * (thing.motion is Motion.SPIN)
    track = [_somewhere(x, margin, rng), _somewhere(y, margin, rng), radii, angle]
    return np.stack(track, axis=1).astype(np.float32)


def _somewhere(line: Doubles, margin: float, rng: random.Random) -> Doubles:
    """A coordinate over time, moved so that it starts on the grid and keeps the margin on both sides."""
    first, last = float(margin - line.min()) / CELL, float(1 - margin - line.max()) / CELL
    fits = math.ceil(first) <= math.floor(last)
    return line + CELL * (rng.randint(math.ceil(first), math.floor(last)) if fits else (first + last) / 2)


TRAVEL = (0.5, 0.375)
"""How far a moving thing goes: the first that the frame has room for. Half a frame is two cells a latent frame."""
LEAP, HOPS = 0.3125, 2
ORBIT = 0.1875
"""Radius of the circle that a circling thing runs once, clockwise from the top."""
SPIN = 288.0
"""Degrees that a spinning thing turns, clockwise: 18 a frame, so that no shape seems to stand still or turn back."""


def _path(motion: Motion, time: Doubles, room: float) -> tuple[Doubles, Doubles]:
    """x and y of a centre over time from where it starts, each at most `room` wide."""
    rest = np.zeros_like(time)
    way = time * next((length for length in TRAVEL if length <= room), room)
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
            return rest, -min(room, LEAP) * np.abs(np.sin(math.pi * HOPS * time))
        case Motion.CIRCLE:
            radius, angle = min(room / 2, ORBIT), 2 * math.pi * time
            return radius * np.sin(angle), radius * (1 - np.cos(angle))
        case _:
            return rest, rest
