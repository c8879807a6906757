"""The demo world: its captions, its staging, and the warning about prompts outside it."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from generator.demo.scenes import FRAMES, Motion, Scene
from generator.demo.words import VERBS, gerund, third
from generator.demo.world import demo_knows, strange_words
from tests.demo.heldback import ONE_THING, TWO_THINGS
from training.demo_model.captions import describe
from training.demo_model.staging import EDGE, REACH, Stage, draw_scene


def drawn(count: int, seed: int) -> list[tuple[Scene, Stage]]:
    rng = random.Random(seed)
    return [draw_scene(rng) for _ in range(count)]


def test_every_caption_is_inside_the_world() -> None:
    rng = random.Random(3)
    for scene, _ in drawn(300, 3):
        caption = describe(scene, rng)
        assert demo_knows(caption), (caption, strange_words(caption))


def test_captions_of_one_scene_vary() -> None:
    rng = random.Random(0)
    scene, _ = draw_scene(rng)
    assert len({describe(scene, rng) for _ in range(200)}) > 180


def test_no_heldback_prompt_is_ever_a_caption() -> None:
    rng = random.Random(1)
    captions = {describe(scene, rng).lower() for scene, _ in drawn(500, 1)}
    assert not captions & {prompt.lower() for prompt, _ in ONE_THING + TWO_THINGS}


@pytest.mark.parametrize(
    ("prompt", "strange"),
    [
        ("show me a tiny pink star that floats upward at dusk", ()),
        ("A blue ball merrily rolls to the right.", ()),
        ("two red balls", ()),
        ("a red fox runs through the snow", ("fox", "runs", "through", "snow")[:1]),
        ("un cercle rouge", ("un",)),
        ("一个红色的球", ("一个红色的球",)),
    ],
)
def test_strange_words_are_named_in_order(prompt: str, strange: tuple[str, ...]) -> None:
    assert strange_words(prompt)[: len(strange)] == strange
    assert demo_knows(prompt) == (not strange)


def test_a_prompt_without_a_shape_is_outside() -> None:
    assert not demo_knows("blue sky")
    assert not demo_knows("")


@pytest.mark.parametrize(
    ("base", "he", "doing"),
    [
        ("move right", "moves right", "moving right"),
        ("go up", "goes up", "going up"),
        ("fly up", "flies up", "flying up"),
        ("run left", "runs left", "running left"),
        ("lie still", "lies still", "lying still"),
        ("keep bouncing", "keeps bouncing", "keeping bouncing"),
        ("just sit there", "just sits there", "just sitting there"),
    ],
)
def test_verbs_take_their_forms(base: str, he: str, doing: str) -> None:
    assert (third(base), gerund(base)) == (he, doing)


def test_left_and_right_mirror_each_other() -> None:
    assert not [p for group in VERBS[Motion.LEFT] for p in group if "right" in p and "from right to left" not in p and "from the" not in p]


def test_things_stay_inside_the_frame_and_apart() -> None:
    for scene, stage in drawn(300, 2):
        for which, thing in enumerate(scene.things):
            x, y, radius, _ = stage.track[which].T
            reach = REACH[thing.shape] * radius
            assert min((x - reach).min(), (y - reach).min()) > EDGE - 0.02
            assert max((x + reach).max(), (y + reach).max()) < 1 - EDGE + 0.02
        if len(scene.things) == 2:
            distance = np.hypot(*(stage.track[0] - stage.track[1])[:, :2].T)
            assert (distance > stage.track[:, :, 2].sum(axis=0) * 0.9).all()


def test_motions_go_well_beyond_their_meaning() -> None:
    for scene, stage in drawn(300, 4):
        for thing, track in zip(scene.things, stage.track, strict=False):
            assert len(track) == FRAMES
            start, end = track[0], track[-1]
            match thing.motion:
                case Motion.RIGHT:
                    assert end[0] - start[0] > 0.3
                case Motion.UP:
                    assert start[1] - end[1] > 0.3
                case Motion.GROW:
                    assert (end[2] / start[2]) ** 2 > 3
                case Motion.SHRINK:
                    assert (start[2] / end[2]) ** 2 > 3
                case Motion.STILL:
                    assert np.ptp(track, axis=0).max() == 0
                case _:
                    pass


def test_the_words_need_no_torch() -> None:
    check = "import sys, generator.demo.world; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
