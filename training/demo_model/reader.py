"""A reader of clips, as latents: which things there are, with shape, colour, motion and size, and before which background. It is trained
on drawn scenes alone, and then tells a student of distil.py where its clip is not what the caption asks for.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from generator.demo.scenes import Background, Motion, Shape
from training.demo_model.descent import Clock, Descent, Pace, autocast, say
from training.demo_model.prompts import OPEN, Asked
from training.demo_model.ranks import Ranks
from training.demo_model.supervision import CLASSES, TOKENS, Answers, Seeing
from training.demo_model.train import Pool

HAZE = 0.3
"""The highest level of noise in what it reads. A clip must then say clearly what it shows, and a student's faint flaws matter less."""

_PATCH = 4 * 16
"""Numbers in a token: four places of sixteen channels."""
_THINGS = 2
_SPINS, _RESTS = list(Motion).index(Motion.SPIN), list(Motion).index(Motion.STILL)
_ROUND = (list(Shape).index(Shape.CIRCLE), list(Shape).index(Shape.RING))


class ReaderBlock(nn.Module):
    """Attention of all tokens to all, then a layer for each alone."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.alone = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        asked = self.ask(self.before(hidden)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(*asked.unbind(0))
        hidden = hidden + self.answer(seen.transpose(1, 2).flatten(2))
        found: Tensor = hidden + self.alone(self.between(hidden))
        return found


class Reader(nn.Module):
    """Two tokens beside those of the clip come to say a thing each, a third one the background."""

    def __init__(self, width: int = 256, layers: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Linear(_PATCH, width)
        self.places = nn.Parameter(0.02 * torch.randn(math.prod(TOKENS), width))
        self.sayers = nn.Parameter(torch.randn(_THINGS + 1, width) / width**0.5)
        self.blocks = nn.ModuleList([ReaderBlock(width, heads) for _ in range(layers)])
        self.last = nn.LayerNorm(width)
        self.thing, self.background = nn.Linear(width, sum(CLASSES)), nn.Linear(width, len(Background))

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of each thing [batch, 2, sum(CLASSES)] and of the background, and the clip's tokens [batch, tokens, width]."""
        frames, rows, columns = TOKENS
        grid = latents.reshape(len(latents), -1, frames, rows, 2, columns, 2)
        hidden = self.patches(grid.permute(0, 2, 3, 5, 1, 4, 6).flatten(4).flatten(1, 3)) + self.places
        hidden = torch.cat([hidden, self.sayers.expand(len(hidden), -1, -1).type_as(hidden)], dim=1)
        for block in self.blocks:
            hidden = block(hidden)
        hidden = self.last(hidden)
        clip, said = hidden[:, : -_THINGS - 1], hidden[:, -_THINGS - 1 :]
        return self.thing(said[:, :_THINGS]).float(), self.background(said[:, _THINGS]).float(), clip


def hazy(latents: Tensor) -> Tensor:
    """Noised as the reader was taught to read them."""
    level = (HAZE * torch.rand(len(latents), device=latents.device))[:, None, None, None, None]
    return (1 - level) * latents + level * torch.randn_like(latents)


def visible(things: Tensor) -> Tensor:
    """The classes with spinning as standing still where a thing is round: nobody can see the one from the other."""
    shape, motion = things[..., 0], things[..., 2]
    round_ = (shape == _ROUND[0]) | (shape == _ROUND[1])
    return torch.stack([shape, things[..., 1], torch.where(round_ & (motion == _SPINS), _RESTS, motion), things[..., 3]], dim=-1)


def wrongness(things: Tensor, background: Tensor, expected: Tensor, behind: Tensor) -> Tensor:
    """Cross entropy of each clip's scores, the mean over its nine questions, in the better of the two orders of things: [batch]."""
    orders = [
        torch.stack(
            [
                nn.functional.cross_entropy(scores.transpose(1, 2), order[:, :, place], reduction="none", ignore_index=OPEN).sum(1)
                for place, scores in enumerate(torch.split(things, CLASSES, dim=-1))
            ]
        ).sum(0)
        for order in (expected, expected.flip(1))
    ]
    asked = _THINGS * len(CLASSES) + 1
    found: Tensor = (torch.minimum(*orders) + nn.functional.cross_entropy(background, behind, reduction="none")) / asked
    return found


def right(things: Tensor, background: Tensor, expected: Tensor, behind: Tensor) -> Tensor:
    """True for a clip of which all is read as expected, in one order of things or the other: [batch]."""
    said = torch.stack([scores.argmax(-1) for scores in torch.split(things, CLASSES, dim=-1)], dim=-1)
    orders = [((said == order) | (order == OPEN)).flatten(1).all(1) for order in (expected, expected.flip(1))]
    return (orders[0] | orders[1]) & (background.argmax(-1) == behind)


def train_reader(pool: Pool, batch: int, minutes: float, steps: int, grow_every: int, device: torch.device) -> Reader:
    """A reader taught from nothing, which says in the end how many fresh clips it reads. A second head is asked what stands at each
    token: by that one the denoiser's middle came to see within a thousand steps.
    """
    reader = Reader().to(device)
    seeing = Seeing(reader.places.shape[1]).to(device)
    if device.type == "cuda":
        for block in reader.blocks:
            block.compile(dynamic=False)
    descent = Descent([reader, seeing], 1e-3, 0.99, Clock.lasting(60 * minutes), Ranks())
    total, pace = torch.zeros(2, device=device), Pace()
    while descent.progress < 1 and descent.steps != steps:
        latents, _, answers = pool.batch(batch)
        answers = replace(answers, things=visible(answers.things))
        with autocast(device):
            things, background, clip = reader(hazy(latents))
            losses = torch.stack([wrongness(things, background, answers.things, answers.background).mean(), seeing(clip, answers)])
        descent.step(losses.sum())
        total += losses.detach()
        if descent.steps % grow_every == 0:
            pool.grow()
        if descent.steps % 500 == 0 or descent.steps == steps:
            read, seen = (total / (descent.steps % 500 or 500)).tolist()
            took = pace(descent.steps % 500 or 500)
            say(f"reader step {descent.steps}: read {read:.4f}, seen {seen:.4f}, {pool.count} scenes, {took:.3f} s a step")
            total.zero_()
    reader.load_state_dict(descent.averages[0].weights)
    reader.eval().requires_grad_(False)
    count = 0
    while (count < 4 * batch and steps < 0) or not count:
        before = pool.count
        pool.grow()
        count += pool.count - before
    clear, haze = (read_rightly(reader, *pool.latest(count), batch, level, device) for level in (0.0, HAZE))
    say(f"the reader reads {clear:.1%} of {count} fresh clips all right, {haze:.1%} in haze")
    return reader


@torch.no_grad()
def read_rightly(reader: Reader, latents: Tensor, answers: Answers, batch: int, level: float, device: torch.device) -> float:
    """The share of clips at a level of noise that are read all right."""
    good, expected = 0.0, visible(answers.things)
    for at in range(0, len(latents), batch):
        part = slice(at, at + batch)
        with autocast(device):
            things, background, _ = reader((1 - level) * latents[part] + level * torch.randn_like(latents[part]))
        good += right(things, background, expected[part], answers.background[part]).sum().item()
    return good / len(latents)


class Reading:
    """The pull of a reader on a student's clips. Its strength is set once, at its first step: there its gradient is `weight` times as long
    as that of the loss beside it, and falls from then on as more clips are read as asked.
    """

    def __init__(self, reader: Reader, weight: float) -> None:
        self._reader, self._weight = reader, weight
        self._scale: Tensor | None = None

    def __call__(self, made: Tensor, asked: Asked, which: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
        """A loss whose gradient is the pull on the clips `which` [batch], and which clips are read as asked. `beside` is the gradient of
        the other loss at what was made.
        """
        expected, held = visible(asked.things), made.detach().requires_grad_()
        things, background, _ = self._reader(hazy(held))
        losses = wrongness(things, background, expected, asked.background) * which
        (gradient,) = torch.autograd.grad(losses.sum() / which.sum().clamp(min=1), held)
        if self._scale is None and which.any():
            self._scale = self._weight * beside.norm() / gradient.norm().clamp(min=1e-12)
        scale = 0.0 if self._scale is None else self._scale
        return (made * gradient * scale).sum(), right(things, background, expected, asked.background)
