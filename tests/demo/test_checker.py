"""The checker must be right about clips whose truth is known: rendered scenes, filmed and read back."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest

from benchmarks.demo_model import filmed
from generator.demo.scenes import Background, Colour, Motion, Scene, Shape, Size, Thing
from training.demo_model.checker import Agreement, Sight, agrees, look
from training.demo_model.drawing import draw
from training.demo_model.staging import draw_scene, place, stack

CLIPS = 34


@cache
def judged() -> list[Agreement]:
    rng = random.Random(11)
    drawn = [draw_scene(rng) for _ in range(CLIPS)]
    found = []
    for start in range(0, CLIPS, 8):
        part = drawn[start : start + 8]
        clips = (draw(stack([stage for _, stage in part])) * 255).round().byte().permute(0, 2, 3, 4, 1).numpy()
        found += [agrees(scene, look(filmed(clip))) for (scene, _), clip in zip(part, clips, strict=True)]
    return found


@pytest.mark.parametrize("attribute", ["number", "shape", "colour", "motion", "size", "background"])
def test_it_is_right_about_rendered_scenes(attribute: str) -> None:
    assert sum(getattr(agreement, attribute) for agreement in judged()) >= 0.97 * CLIPS


def seen(thing: Thing, background: Background = Background.GRASS) -> Sight:
    scene = Scene((thing,), background)
    stage = place(scene, random.Random(5))
    assert stage is not None
    return look((draw(stack([stage]))[0] * 255).round().byte().permute(1, 2, 3, 0).numpy())


@pytest.mark.parametrize("motion", list(Motion))
def test_it_tells_every_motion(motion: Motion) -> None:
    thing = Thing(Shape.STAR, Colour.RED, motion, Size.MEDIUM)
    assert agrees(Scene((thing,), Background.GRASS), seen(thing)).right


def test_it_does_not_agree_with_another_scene() -> None:
    sight = seen(Thing(Shape.STAR, Colour.RED, Motion.UP, Size.LARGE))
    agreement = agrees(Scene((Thing(Shape.RING, Colour.BLUE, Motion.DOWN, Size.SMALL),), Background.SAND), sight)
    assert agreement == Agreement(True, False, False, False, False, False)


def test_an_empty_clip_has_nothing_in_it() -> None:
    assert look(np.zeros((17, 128, 128, 3), np.uint8)) == Sight(Background.BLACK, ())
