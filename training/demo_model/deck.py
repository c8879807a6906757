"""Endless training material, made by worker processes while the GPU trains: staged scenes and tokenised captions."""

from __future__ import annotations

import multiprocessing
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.pool import Pool

import numpy as np
import numpy.typing as npt
from transformers import AutoTokenizer, T5Tokenizer

from generator.demo.scenes import Colour, Motion, Scene, Shape, Size, Thing
from training.demo_model.captions import describe, names
from training.demo_model.staging import Stage, draw_scene, stack
from training.demo_model.supervision import ATTRIBUTES
from training.demo_model.tokens import LENGTH

CAPTIONS = 8
"""Captions of each scene."""


@dataclass(frozen=True)
class Hand:
    """The samples that one worker deals at a time."""

    stage: Stage
    tokens: npt.NDArray[np.int16]
    """[scenes, CAPTIONS, LENGTH], padded with 0."""
    things: npt.NDArray[np.int64]
    """[scenes, 2, 4]: shape, colour, motion and size as classes of supervision.py, in the order in which captions name things."""
    named: npt.NDArray[np.bool_]
    """[scenes, CAPTIONS, 2]: whether the caption names the colour of the thing. All else that it leaves out means a class."""


def captions(count: int, seed: int) -> list[str]:
    """Captions of random scenes, for the tokenizer."""
    rng = random.Random(seed)
    return [describe(scene, rng) for scene, _ in (draw_scene(rng) for _ in range(count // 4)) for _ in range(4)]


class Deck:
    """Deals hands of fresh scenes for ever. The worker processes run ahead by a bounded number of hands."""

    def __init__(self, tokenizer: T5Tokenizer, seed: int, workers: int, ahead: int, scenes: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        tokenizer.save_pretrained(self._folder.name)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self._pool: Pool = multiprocessing.get_context("spawn").Pool(workers, _sit_down, (self._folder.name,))
        self._scenes = scenes
        self._seeds = iter(range(seed * 1_000_000, (seed + 1) * 1_000_000))
        self._waiting = [self._ask() for _ in range(ahead)]

    def _ask(self) -> multiprocessing.pool.AsyncResult[Hand]:
        return self._pool.apply_async(_deal, (next(self._seeds), self._scenes))

    def __iter__(self) -> Iterator[Hand]:
        while True:
            hand = self._waiting.pop(0)
            self._waiting.append(self._ask())
            yield hand.get()

    def close(self) -> None:
        self._pool.terminate()
        self._folder.cleanup()


_tokenizer: T5Tokenizer
"""Of this worker process."""


def _sit_down(folder: str) -> None:
    global _tokenizer  # noqa: PLW0603  A worker process is given its state once, before its first task.
    _tokenizer = AutoTokenizer.from_pretrained(folder)


def _deal(seed: int, scenes: int) -> Hand:
    rng = random.Random(seed)
    drawn = [draw_scene(rng) for _ in range(scenes)]
    lines = [[describe(scene, rng) for _ in range(CAPTIONS)] for scene, _ in drawn]
    padded = _tokenizer([line for row in lines for line in row], padding="max_length", max_length=LENGTH, truncation=True)["input_ids"]
    named = [[[names(line, thing.colour) for thing in _pair(scene)] for line in row] for row, (scene, _) in zip(lines, drawn, strict=True)]
    return Hand(
        stack([stage for _, stage in drawn]),
        np.array(padded, np.int16).reshape(len(drawn), CAPTIONS, LENGTH),
        np.array([_classes(scene) for scene, _ in drawn]),
        np.array(named),
    )


def _pair(scene: Scene) -> tuple[Thing, Thing]:
    """Its things; the only one twice."""
    return scene.things[0], scene.things[-1]


def _classes(scene: Scene) -> list[list[int]]:
    nothing = [len(attribute) for attribute in ATTRIBUTES]
    return [
        [list(kind).index(attribute) for kind, attribute in zip(ATTRIBUTES, _attributes(thing), strict=True)] for thing in scene.things
    ] + [nothing] * (2 - len(scene.things))


def _attributes(thing: Thing) -> tuple[Shape, Colour, Motion, Size]:
    return thing.shape, thing.colour, thing.motion, thing.size
