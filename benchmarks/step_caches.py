"""What step caches save and what they change, on the demo model: seconds of denoising, and how far the video drifts.

    python -m benchmarks.step_caches [--prompts 3] [--steps 20] [--cache NAME[:NUMBER] …]

Needs no GPU. Drift is the mean difference of frames of 255 to the video of the same prompt and seed without a cache; beside
it stands that of another seed, which is what a wholly different video comes to. Times are ratios of one run, in turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np

from cache.catalog import AskedSettings, resolve
from cache.recipe import Recipe
from generator.diffusion.wan import Wan, load_wan
from generator.model import find_model
from generator.renderer import Rendered, RenderOrder
from generator.speed import Speed

PROMPTS = (
    "a red circle moves to the left",
    "two blue squares move down on a green background",
    "a small yellow star moves up",
    "a large white triangle turns around",
)
CACHES = ("first_block:0.1", "first_block:0.2", "taylor:2", "taylor:3", "sea:0.1", "sea:0.25")


def made(wan: Wan, recipe: Recipe, prompt: str, seed: int = 0) -> Rendered:
    return wan.render([RenderOrder(prompt, recipe, seed)], lambda _: None, threading.Event())[0]


def drift(one: Rendered, other: Rendered) -> float:
    assert one.frames is not None
    assert other.frames is not None
    return float(np.abs(one.frames.astype(int) - other.frames).mean())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--prompts", type=int, default=3)
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--cache", action="append")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = find_model("", "", Path(folder))
    wan = load_wan(model, "cpu", Speed(), max(1, (os.cpu_count() or 1) - 1))
    recipe = resolve(model.served, AskedSettings(steps=chosen.steps))
    prompts = PROMPTS[: chosen.prompts]
    caches = tuple(chosen.cache or CACHES)
    made(wan, replace(recipe, steps=1), prompts[0])
    took: dict[str, list[float]] = {spelled: [] for spelled in ("none", *caches)}
    drifted: dict[str, list[float]] = {spelled: [] for spelled in (*caches, "another seed")}
    for prompt in prompts:
        plain = made(wan, recipe, prompt)
        took["none"].append(plain.stages_ms["denoise"])
        for spelled in caches:
            cached = made(wan, replace(recipe, step_cache=spelled), prompt)
            took[spelled].append(cached.stages_ms["denoise"] / plain.stages_ms["denoise"])
            drifted[spelled].append(drift(cached, plain))
        drifted["another seed"].append(drift(made(wan, recipe, prompt, seed=1), plain))
    print(f"{wan.where}, {recipe.size}, {recipe.frames} frames, {recipe.steps} steps, {len(prompts)} prompts")
    print(f"{'step cache':<18}{'of the time':>12}{'drift of 255':>14}")
    for spelled in caches:
        print(f"{spelled:<18}{statistics.median(took[spelled]):>12.2f}{statistics.mean(drifted[spelled]):>14.2f}")
    print(f"{'another seed':<18}{'':>12}{statistics.mean(drifted['another seed']):>14.2f}")


if __name__ == "__main__":
    main()
