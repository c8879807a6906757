"""The reader of clips: what it calls wrong, what nobody can see, what captions leave open, and that its pull makes clips read as asked."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from generator.demo.scenes import Background, Colour, Motion, Shape, Size
from training.demo_model.captions import describe, names
from training.demo_model.deck import CAPTIONS, Hand
from training.demo_model.prompts import COLOUR, OPEN, Asked, by_caption
from training.demo_model.reader import Reader, Reading, right, visible, wrongness
from training.demo_model.staging import draw_scene, stack
from training.demo_model.supervision import ATTRIBUTES, CLASSES, TOKENS

pytestmark = pytest.mark.usefixtures("one_thread")

RED_BALL = (Shape.CIRCLE, Colour.RED, Motion.LEFT, Size.MEDIUM)
BLUE_STAR = (Shape.STAR, Colour.BLUE, Motion.STILL, Size.SMALL)


def classes(*things: tuple[Shape, Colour, Motion, Size]) -> torch.Tensor:
    """[1, 2, 4]"""
    nothing = [len(attribute) for attribute in ATTRIBUTES]
    rows = [[list(kind).index(value) for kind, value in zip(ATTRIBUTES, thing, strict=True)] for thing in things]
    return torch.tensor([rows + [nothing] * (2 - len(rows))])


def certain(things: torch.Tensor) -> torch.Tensor:
    """Scores that say these things: [1, 2, sum(CLASSES)]."""
    said = [torch.nn.functional.one_hot(things[..., at], count) for at, count in enumerate(CLASSES)]
    return 20.0 * torch.cat(said, dim=-1)


def behind(background: Background) -> tuple[torch.Tensor, torch.Tensor]:
    place = torch.tensor([list(Background).index(background)])
    return 20.0 * torch.nn.functional.one_hot(place, len(Background)), place


def test_a_clip_has_no_first_thing_but_each_thing_has_its_own_colour() -> None:
    seen, grass = behind(Background.GRASS)
    asked, turned = classes(RED_BALL, BLUE_STAR), classes(BLUE_STAR, RED_BALL)
    swapped = asked.clone()
    swapped[..., COLOUR] = asked[..., COLOUR].flip(1)
    for said, good in ((asked, True), (turned, True), (swapped, False), (classes(RED_BALL), False)):
        assert right(certain(said), seen, asked, grass).item() is good
        assert (wrongness(certain(said), seen, asked, grass).item() < 0.01) is good
    assert not right(certain(asked), behind(Background.SKY)[0], asked, grass)
    assert wrongness(certain(asked), behind(Background.SKY)[0], asked, grass).item() > 1
    open_ = asked.clone()
    open_[..., COLOUR] = OPEN
    assert right(certain(swapped), seen, open_, grass)
    assert wrongness(certain(swapped), seen, open_, grass).item() < 0.01


def test_what_is_round_spins_unseen() -> None:
    spinning = classes((Shape.RING, Colour.RED, Motion.SPIN, Size.LARGE), (Shape.STAR, Colour.RED, Motion.SPIN, Size.LARGE))
    resting = classes((Shape.RING, Colour.RED, Motion.STILL, Size.LARGE), (Shape.STAR, Colour.RED, Motion.SPIN, Size.LARGE))
    assert torch.equal(visible(spinning), resting)
    assert torch.equal(visible(classes(RED_BALL)), classes(RED_BALL))


def test_a_colour_without_a_word_is_open() -> None:
    rng = random.Random(3)
    drawn = [draw_scene(rng) for _ in range(200)]
    lines = [[describe(scene, rng) for _ in range(CAPTIONS)] for scene, _ in drawn]
    named = [
        [[names(line, thing.colour) for thing in (s.things[0], s.things[-1])] for line in row]
        for row, (s, _) in zip(lines, drawn, strict=True)
    ]
    tokens = np.arange(200 * CAPTIONS * 2, dtype=np.int16).reshape(200, CAPTIONS, 2)
    things = np.random.default_rng(0).integers(0, 3, (200, 2, 4))
    found, asked, background = by_caption(Hand(stack([stage for _, stage in drawn]), tokens, things, np.array(named)))
    assert torch.equal(found, torch.from_numpy(tokens).flatten(0, 1))
    left = asked[..., COLOUR] == OPEN
    assert 0.005 < left.float().mean() < 0.03
    assert (asked[..., [0, 2, 3]] >= 0).all()
    at = int(left.any(1).nonzero()[0])
    assert not names(lines[at // CAPTIONS][at % CAPTIONS], drawn[at // CAPTIONS][0].things[int(left[at].nonzero()[0])].colour)
    assert background[at] == drawn[at // CAPTIONS][1].background
    assert names("A ruby red-coloured ball", Colour.RED)
    assert not names("a coloured ball", Colour.RED)


def test_a_reader_learns_and_its_pull_makes_a_clip_read_as_asked() -> None:
    """On two clips by heart: a colour and a motion are all that tells them apart."""
    torch.manual_seed(0)
    clips, reader = torch.randn(2, 16, *TOKENS[:1], 16, 16), Reader(width=32, layers=1)
    expected = torch.cat([classes(RED_BALL, BLUE_STAR), classes((*RED_BALL[:1], Colour.GREEN, *RED_BALL[2:]), BLUE_STAR)])
    grass = behind(Background.GRASS)[1].expand(2)
    adam = torch.optim.Adam(reader.parameters(), 3e-3)
    for _ in range(60):
        adam.zero_grad()
        things, background, _ = reader(clips)
        wrongness(things, background, expected, grass).mean().backward()  # type: ignore[no-untyped-call]
        adam.step()
    things, background, _ = reader(clips)
    assert right(things, background, expected, grass).all()
    reader.requires_grad_(False)
    reading, made, beside = Reading(reader, 0.5), clips.flip(0).clone().requires_grad_(), torch.ones_like(clips)
    asked = Asked(torch.zeros(2, 1, 1), expected, grass)
    loss, agreed = reading(made, asked, torch.tensor([True, False]), beside)
    assert not agreed.any()
    (pull,) = torch.autograd.grad(loss, made)
    assert torch.isclose(pull.norm(), 0.5 * beside.norm(), rtol=1e-3)
    assert (pull[1] == 0).all()
    moved = made.detach() - 3 * pull / pull.norm() * 16
    before, after = (wrongness(things, background, expected, grass)[0].item() for things, background, _ in map(reader, (made, moved)))
    assert after < 0.3 * before
