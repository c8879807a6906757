"""The types of a scene of the demo world."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FRAMES = 17
FPS = 8
SIDE = 128
"""Height and width of a clip in pixels."""


class Shape(StrEnum):
    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    DIAMOND = "diamond"
    RING = "ring"
    STAR = "star"


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    YELLOW = "yellow"
    ORANGE = "orange"
    PURPLE = "purple"
    WHITE = "white"
    PINK = "pink"
    CYAN = "cyan"
    BROWN = "brown"


class Motion(StrEnum):
    RIGHT = "right"
    LEFT = "left"
    UP = "up"
    DOWN = "down"
    BOUNCE = "bounce"
    SPIN = "spin"
    GROW = "grow"
    SHRINK = "shrink"
    CIRCLE = "circle around"
    STILL = "still"


class Size(StrEnum):
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Background(StrEnum):
    BLACK = "black"
    WHITE = "white"
    SKY = "blue sky"
    STARS = "starry night"
    GRASS = "grass"
    SAND = "sand"
    SUNSET = "sunset"


@dataclass(frozen=True)
class Thing:
    """A moving shape. Where the prompt does not say, it is medium and still."""

    shape: Shape
    colour: Colour
    motion: Motion = Motion.STILL
    size: Size = Size.MEDIUM


@dataclass(frozen=True)
class Scene:
    """One or two things before a background. A prompt that names no background means black.

    `orbit` says that the first thing circles around the second, which stands still.
    """

    things: tuple[Thing, ...]
    background: Background = Background.BLACK
    orbit: bool = False
