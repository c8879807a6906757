"""How often the demo model makes what it is asked for, judged from the pixels of the encoded videos, and how long a clip takes.

    python -m benchmarks.demo_model [--model FOLDER] [--grammar 200] [--qualities standard] [--sheet FILE] [--json FILE]

Each prompt is rendered as a draft and as a standard clip, one after the other, by the renderer that serves it and in the precision in
which this machine serves it. Prompts are those of tests/demo/heldback.py, written by hand, and with `--grammar N` also N fresh captions
of random scenes; seeds are 0, 1, 2 and so on. Runs on a GPU when there is one; two CPU cores take about four seconds for both clips.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cache.catalog import AskedSettings, resolve
from cache.recipe import Recipe
from generator.demo.scenes import FPS, Scene
from generator.diffusion.wan import Wan, load_wan
from generator.model import BUNDLED, find_model
from generator.renderer import RenderOrder
from generator.speed import Speed
from generator.video_encoding import encode_video
from tests.demo.heldback import ONE_THING, TWO_THINGS
from training.demo_model.captions import describe
from training.demo_model.checker import Agreement, agrees, look
from training.demo_model.staging import draw_scene
from training.demo_model.tracks import Frames

ATTRIBUTES = ("number", "shape", "colour", "motion", "size", "background", "right")


@dataclass(frozen=True)
class Judged:
    """One clip. `seconds`: from the order to its frames."""

    quality: str
    group: str
    prompt: str
    scene: Scene
    frames: Frames
    agreement: Agreement
    seconds: float


def prompts(options: argparse.Namespace) -> list[tuple[str, str, Scene]]:
    """Group, prompt, and what it asks for."""
    asked = [("by hand, one thing", *pair) for pair in ONE_THING] + [("by hand, two things", *pair) for pair in TWO_THINGS]
    rng = random.Random(options.seed + 12345)
    for _ in range(options.grammar):
        scene, _stage = draw_scene(rng)
        asked.append((f"grammar, {'one thing' if len(scene.things) == 1 else 'two things'}", describe(scene, rng), scene))
    return asked[options.skip :: options.every]


def load(options: argparse.Namespace) -> tuple[Wan, dict[str, Recipe]]:
    """The loaded model, and the Recipe of each quality that is measured; `--steps` and `--guidance` are for those but drafts."""
    with tempfile.TemporaryDirectory() as state:
        model = find_model(str(options.model), "", Path(state))
    wan, recipes = load_wan(model, "auto", Speed(precision=options.precision), options.threads), {}
    for quality in options.qualities.split(","):
        own = AskedSettings(quality=quality) if options.steps is None or quality == "draft" else AskedSettings(steps=options.steps)
        guidance = None if quality == "draft" else options.guidance
        recipes[quality] = resolve(model.served, AskedSettings(quality=own.quality, steps=own.steps, guidance=guidance))
    return wan, recipes


def sample(wan: Wan, recipe: Recipe, lines: list[str], seeds: list[int]) -> tuple[list[Frames], float]:
    """The frames of a batch, and the seconds of one of its clips."""
    orders = [RenderOrder(line, recipe, seed) for line, seed in zip(lines, seeds, strict=True)]
    made = wan.render(orders, lambda _: None, threading.Event())
    assert all(clip.frames is not None for clip in made)
    return [clip.frames for clip in made if clip.frames is not None], made[0].gpu_seconds


def filmed(frames: Frames) -> Frames:
    """The same frames, out of the video that a client gets."""
    with tempfile.TemporaryDirectory() as folder:
        video = asyncio.run(encode_video(frames, FPS, Path(folder))).video
        with av.open(str(video)) as video:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def judged(options: argparse.Namespace) -> Iterator[Judged]:
    wan, recipes = load(options)
    asked = prompts(options)
    for recipe in recipes.values():
        sample(wan, recipe, ["a red ball"], [0])  # torch builds at first use
    print(f"{wan.device}, {wan.where}, {options.threads} threads; {wan.choices}", flush=True)
    for start in range(0, len(asked), options.batch):
        part = asked[start : start + options.batch]
        for quality, recipe in recipes.items():
            clips, took = sample(wan, recipe, [row[1] for row in part], [start + at for at in range(len(part))])
            for (group, prompt, scene), clip in zip(part, clips, strict=True):
                frames = filmed(clip)
                yield Judged(quality, group, prompt, scene, frames, agrees(scene, look(frames)), took)


def missed(agreement: Agreement) -> list[str]:
    return [name for name in ATTRIBUTES if not getattr(agreement, name)]


def strip(frames: Frames) -> Frames:
    return np.concatenate([frames[i] for i in (0, 4, 8, 12, 16)], axis=1)


def sheet(strips: list[tuple[str, Frames]]) -> Image.Image:
    """Two columns, each clip under its words: with two qualities one column of each."""
    margin, line = 8, 26
    height, width, _ = strips[0][1].shape
    rows = -(-len(strips) // 2)
    page = Image.new("RGB", (2 * (width + margin) + margin, rows * (height + line) + margin), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for at, (prompt, frames) in enumerate(strips):
        x, y = margin + at % 2 * (width + margin), at // 2 * (height + line)
        pen.text((x, y + line - 4), prompt, "black", font, anchor="ls")
        page.paste(Image.fromarray(frames), (x, y + line))
    return page


def main() -> None:
    options = arguments()
    totals: dict[str, Counter[str]] = {}
    seconds: dict[str, list[float]] = {}
    strips, misses = [], []
    for one in judged(options):
        counts = totals.setdefault(f"{one.quality}: {one.group}", Counter())
        counts["clips"] += 1
        counts.update(name for name in ATTRIBUTES if getattr(one.agreement, name))
        seconds.setdefault(one.quality, []).append(one.seconds)
        strips.append((f"{one.quality}: {one.prompt}"[:78], strip(one.frames)))
        if not one.agreement.right:
            wrong, sight = missed(one.agreement), look(one.frames)
            misses.append(
                {"quality": one.quality, "prompt": one.prompt, "missed": wrong, "seen": repr(sight), "asked": repr(asdict(one.scene))}
            )
            seen = [tuple(asdict(thing).values()) for thing in sight.things]
            print(f"{one.quality} missed {', '.join(wrong)}: {one.prompt}\n    {seen}", flush=True)
    print(f"{'':34}{'clips':>8}" + "".join(f"{name:>12}" for name in ATTRIBUTES))
    for group, counts in totals.items():
        shares = "".join(f"{counts[name] / counts['clips']:12.1%}" for name in ATTRIBUTES)
        print(f"{group:34}{counts['clips']:8}{shares}")
    middle = {quality: statistics.median(taken) for quality, taken in seconds.items()}
    told = ", ".join(f"{quality} {taken:.2f} s" for quality, taken in middle.items())
    print(f"a clip, median: {told}; {max(middle.values()) / min(middle.values()):.1f} apart")
    if options.json:
        options.json.write_text(json.dumps({"totals": totals, "seconds": middle, "misses": misses}, indent=1))
    if options.sheet:
        sheet(strips).save(options.sheet)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=BUNDLED)
    parser.add_argument("--qualities", default="draft,standard")
    parser.add_argument("--grammar", type=int, default=0, help="further prompts from the caption grammar")
    parser.add_argument("--seed", type=int, default=0, help="of these")
    parser.add_argument("--every", type=int, default=1, help="take one prompt of so many")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--guidance", type=float, help="of all but drafts")
    parser.add_argument("--steps", type=int, help="of all but drafts")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="torch's, on a CPU")
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float32"), default="auto")
    parser.add_argument("--sheet", type=Path, help="write five frames of each clip to this picture, under its prompt")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
