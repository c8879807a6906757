"""What matrix products in eight bits do to the demo model's clips: how many are right, and how far each is from that without.

    python -m benchmarks.fp8_drift [--every 1] [--steps 40] [--json FILE]

Prompts are the 64 of tests/demo/heldback.py, and what is right training/demo_model/checker.py says, of the frames themselves. Beside
the drift stands that of another seed, which is what a wholly different clip comes to, and that of the same clip with its guidance one
pass after the other, which changes rounding only. On a GPU `fp8_products` is what does it; on a CPU, which is refused that, its
layers, where sums are in float32. The demo model is small: a large one has more layers for errors to add up in, and wider rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cache.catalog import AskedSettings, resolve
from cache.recipe import Recipe
from generator.demo.scenes import Scene
from generator.diffusion.eight_bits import scale_products
from generator.diffusion.wan import Wan, load_wan
from generator.model import FoundModel, find_model
from generator.renderer import Frames, RenderOrder
from generator.speed import Speed
from tests.demo.heldback import ONE_THING, TWO_THINGS
from training.demo_model.checker import agrees, look

_CUDA = torch.cuda.is_available()
_AT_ONCE = 8 if _CUDA else 2
_THREADS = max(1, (os.cpu_count() or 1) - 1)


def loaded(model: FoundModel, speed: Speed) -> Wan:
    wanted = speed if _CUDA else replace(speed, fp8_products="off")
    wan = load_wan(model, "auto", wanted, _THREADS)
    if speed.fp8_products == "on" and not _CUDA:
        scale_products(wan._pipe.transformer, torch.device("cpu"))
    return wan


def made(wan: Wan, recipe: Recipe, prompts: list[str], first_seed: int = 0) -> tuple[list[Frames], float]:
    """The clips, and seconds of denoising for each."""
    clips, took = list[Frames](), 0.0
    for start in range(0, len(prompts), _AT_ONCE):
        some = prompts[start : start + _AT_ONCE]
        orders = [RenderOrder(prompt, recipe, first_seed + start + at) for at, prompt in enumerate(some)]
        for clip in wan.render(orders, lambda _: None, threading.Event()):
            assert clip.frames is not None
            clips.append(clip.frames)
            took += clip.stages_ms["denoise"] / 1000
    return clips, took / len(prompts)


def right(clips: list[Frames], scenes: list[Scene]) -> int:
    return sum(agrees(scene, look(clip)).right for clip, scene in zip(clips, scenes, strict=True))


def psnr(one: Frames, other: Frames) -> float:
    """Decibels; 99 where they are equal."""
    squared = float(((one.astype(float) - other) ** 2).mean())
    return 99.0 if squared == 0 else float(10 * np.log10(255**2 / squared))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--every", type=int, default=1, help="take one prompt of so many")
    options.add_argument("--steps", type=int, help="default: the model's own")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    asked = [*ONE_THING, *TWO_THINGS][:: chosen.every]
    prompts, scenes = [prompt for prompt, _ in asked], [scene for _, scene in asked]
    with tempfile.TemporaryDirectory() as folder:
        model = find_model("", "", Path(folder))
    recipe = resolve(model.served, AskedSettings(steps=chosen.steps))
    coarse = model.with_fp8_products(_CUDA)
    began, plain = time.monotonic(), Speed()
    wan = loaded(model, plain)
    print(f"{wan.device}, {wan.where}, {recipe.size}, {recipe.frames} frames, {recipe.steps} steps, {len(prompts)} prompts", flush=True)
    best, usual = made(wan, recipe, prompts)
    again, _ = made(wan, recipe, prompts, first_seed=1000)
    apart = loaded(model, replace(plain, cfg_batch="off" if _CUDA else "on"))
    rows = {"bfloat16" if "bfloat16" in wan.where else "float32": (best, usual), "guidance otherwise": made(apart, recipe, prompts)}
    eight = loaded(coarse, replace(plain, fp8_products="on"))
    rows |= {"fp8 products": made(eight, replace(recipe, revision=coarse.served.revision), prompts), "another seed": (again, usual)}
    print(f"{'products':<20}{'right':>8}{'of time':>9}{'drift of 255':>14}{'PSNR dB':>9}{'least':>7}")
    found = {}
    for name, (clips, took) in rows.items():
        drift = statistics.mean(float(np.abs(clip.astype(int) - other).mean()) for clip, other in zip(clips, best, strict=True))
        decibels = [psnr(clip, other) for clip, other in zip(clips, best, strict=True)]
        count = right(clips, scenes)
        print(f"{name:<20}{count:>5}/{len(clips)}{took / usual:>8.2f}{drift:>14.2f}{statistics.mean(decibels):>9.1f}{min(decibels):>7.1f}")
        found[name] = {"right": count, "of": len(clips), "of_time": took / usual, "drift": drift, "psnr": decibels}
    print(f"{eight.choices}; {time.monotonic() - began:.0f} s")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
