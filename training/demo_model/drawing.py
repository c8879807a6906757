"""From stages to pixels, for many scenes at once, on any device: signed distances, softened over a pixel."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from generator.demo.scenes import FRAMES, SIDE, Background, Colour, Shape
from training.demo_model.staging import BACKGROUNDS, COLOURS, SHAPES, Stage

PAINT: dict[Colour, tuple[int, int, int]] = {
    Colour.RED: (225, 25, 25),
    Colour.GREEN: (30, 200, 60),
    Colour.BLUE: (25, 60, 230),
    Colour.YELLOW: (255, 225, 20),
    Colour.ORANGE: (255, 135, 0),
    Colour.PURPLE: (140, 40, 200),
    Colour.WHITE: (252, 252, 252),
    Colour.PINK: (255, 120, 185),
    Colour.CYAN: (0, 225, 225),
    Colour.BROWN: (140, 75, 25),
}

GRADIENTS: dict[Background, tuple[tuple[int, int, int], ...]] = {
    # From top to bottom, evenly spaced. Chosen so that each paint stands out from every row.
    Background.BLACK: ((6, 6, 8), (6, 6, 8), (6, 6, 8)),
    Background.WHITE: ((246, 246, 246), (246, 246, 246), (246, 246, 246)),
    Background.SKY: ((80, 150, 235), (115, 180, 242), (155, 205, 248)),
    Background.STARS: ((6, 8, 34), (12, 14, 52), (20, 20, 70)),
    Background.GRASS: ((72, 132, 42), (54, 110, 32), (40, 90, 24)),
    Background.SAND: ((232, 208, 158), (224, 196, 142), (212, 180, 124)),
    Background.SUNSET: ((52, 36, 98), (192, 72, 92), (250, 168, 88)),
}


def draw(stage: Stage, device: torch.device | str = "cpu") -> Tensor:
    """[batch, 3, FRAMES, SIDE, SIDE] in 0..1 of a stacked stage."""
    track = torch.as_tensor(stage.track, device=device)
    scene = _backdrops(torch.device(device))[torch.as_tensor(stage.background, device=device)]
    scene = scene[:, :, None].expand(-1, -1, FRAMES, -1, -1)
    paint = torch.tensor([PAINT[c] for c in COLOURS], device=device) / 255
    for which in range(2):
        cover = _cover(track[:, which], torch.as_tensor(stage.shape[:, which], device=device))[:, None]
        tint = paint[torch.as_tensor(stage.colour[:, which], device=device)]
        scene = scene + cover * (tint[:, :, None, None, None] - scene)
    return scene


def _cover(track: Tensor, shape: Tensor) -> Tensor:
    """[batch, FRAMES, SIDE, SIDE]: how much of each pixel the thing covers."""
    x, y, radius, angle = (v[:, :, None, None] for v in track.unbind(-1))
    line = (torch.arange(SIDE, device=track.device) + 0.5) / SIDE
    dx, dy = line[None, None, None, :] - x, line[None, None, :, None] - y
    u, v = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
    distance = _distance(u, v, radius, shape[:, None, None, None])
    return (0.5 - distance * (SIDE / 1.25)).clamp(0, 1) * (radius > 0)


def _distance(u: Tensor, v: Tensor, r: Tensor, shape: Tensor) -> Tensor:
    """Signed distance to the outline, negative inside; the six areas are alike for one radius."""
    round_ = torch.hypot(u, v)
    distances = {
        Shape.CIRCLE: round_ - r,
        Shape.SQUARE: _box(u, v, 0.886 * r),
        Shape.TRIANGLE: _triangle(u, v, 1.35 * r),
        # Taller than wide, as on playing cards: a spinning diamond is then no square.
        Shape.DIAMOND: ((u.abs() / r + v.abs() / (1.4 * r)) - 1) * (r * 1.4 / math.hypot(1, 1.4)),
        Shape.RING: (round_ - 0.84 * r).abs() - 0.26 * r,
        Shape.STAR: _star(u, v, 1.4 * r),
    }
    result = distances[Shape.CIRCLE]
    for index, name in enumerate(SHAPES):
        result = torch.where(shape == index, distances[name], result)
    return torch.where(r > 0, result, torch.ones_like(result))


def _box(u: Tensor, v: Tensor, half: Tensor) -> Tensor:
    qx, qy = u.abs() - half, v.abs() - half
    return torch.hypot(qx.clamp(min=0), qy.clamp(min=0)) + torch.maximum(qx, qy).clamp(max=0)


def _triangle(u: Tensor, v: Tensor, reach: Tensor) -> Tensor:
    """Equilateral, one corner up, `reach` from its centre to a corner: the farthest of its three sides."""
    slope = math.sqrt(3) / 2 * u.abs() - 0.5 * v
    return torch.maximum(slope, v) - 0.5 * reach


def _star(u: Tensor, v: Tensor, reach: Tensor, waist: float = 0.45) -> Tensor:
    """Five points, one up. In the wedge of 36 degrees beside a point the outline is one straight line."""
    wedge = torch.remainder(torch.atan2(u, -v), 2 * math.pi / 5)
    wedge = torch.minimum(wedge, 2 * math.pi / 5 - wedge)
    round_ = torch.hypot(u, v)
    along, across = round_ * wedge.cos(), round_ * wedge.sin()
    # The line runs from the point (reach, 0) to the notch at 36 degrees.
    nx, ny = waist * math.sin(math.pi / 5), 1 - waist * math.cos(math.pi / 5)
    return ((along - reach) * nx + across * ny) / math.hypot(nx, ny)


@cache
def _backdrops(device: torch.device) -> Tensor:
    """[backgrounds, 3, SIDE, SIDE]: gradients from top to bottom, with stars at night and faint texture on the ground.

    Always the same stars: a place for each of two dozen would be more for a small model to learn than all the rest.
    """
    line = (torch.arange(SIDE) + 0.5) / SIDE
    stops = torch.tensor([GRADIENTS[b] for b in BACKGROUNDS]) / 255
    upper = stops[:, 0, :, None] + (stops[:, 1] - stops[:, 0])[:, :, None] * (2 * line)
    lower = stops[:, 1, :, None] + (stops[:, 2] - stops[:, 1])[:, :, None] * (2 * line - 1)
    rows = torch.where(line < 0.5, upper, lower)[:, :, :, None].repeat(1, 1, 1, SIDE)
    rows[BACKGROUNDS.index(Background.STARS)] += _stars(line)
    rows[BACKGROUNDS.index(Background.GRASS)] += _weave(line, 22.0, 5.0)
    rows[BACKGROUNDS.index(Background.SAND)] += _weave(line, 3.0, 16.0)
    return rows.clamp(0, 1).to(device)


def _stars(line: Tensor, count: int = 24) -> Tensor:
    """[SIDE, SIDE]: soft white dots of about two pixels."""
    dice = torch.Generator().manual_seed(8)
    place = torch.rand(2, count, 1, generator=dice)
    bright = 0.35 + 0.5 * torch.rand(count, 1, generator=dice)
    across, down = torch.exp(-(((line - place) * (SIDE / 1.1)) ** 2))
    dots: Tensor = (down * bright).T @ across
    return dots


def _weave(line: Tensor, across: float, down: float) -> Tensor:
    """[SIDE, SIDE]: gentle waves, `across` and `down` of them per frame."""
    x, y = line[None, :], line[:, None]
    bend = 0.6 * torch.sin(2 * math.pi * 2 * (x if across < down else y))
    return 0.022 * torch.sin(2 * math.pi * across * x + bend) * torch.sin(2 * math.pi * down * y + bend)
