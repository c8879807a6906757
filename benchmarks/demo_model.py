"""How often the demo model makes what it is asked for, judged from the pixels of the encoded videos.

    python -m benchmarks.demo_model [--model FOLDER] [--grammar 200] [--guidance 5] [--sheet FILE] [--json FILE]

Prompts are those of tests/demo/heldback.py, written by hand, and with `--grammar N` also N fresh captions of random scenes.
Clips are sampled at the defaults of the catalog, with the seeds 0, 1, 2 and so on. Runs on a GPU when there is one; two CPU
cores take about three seconds a clip.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import torch
from diffusers import WanPipeline
from PIL import Image, ImageDraw, ImageFont

from cache.catalog import DEMO
from generator.demo.scenes import FPS, FRAMES, SIDE, Scene
from generator.video_encoding import encode_video
from tests.demo.heldback import ONE_THING, TWO_THINGS
from training.demo_model.captions import describe
from training.demo_model.checker import Agreement, agrees, look
from training.demo_model.staging import draw_scene
from training.demo_model.tracks import Frames

ATTRIBUTES = ("number", "shape", "colour", "motion", "size", "background", "right")


def prompts(options: argparse.Namespace) -> list[tuple[str, str, Scene]]:
    """Group, prompt, and what it asks for."""
    asked = [("by hand, one thing", *pair) for pair in ONE_THING] + [("by hand, two things", *pair) for pair in TWO_THINGS]
    rng = random.Random(options.seed + 12345)
    for _ in range(options.grammar):
        scene, _stage = draw_scene(rng)
        asked.append((f"grammar, {'one thing' if len(scene.things) == 1 else 'two things'}", describe(scene, rng), scene))
    return asked[options.skip :: options.every]


def load(options: argparse.Namespace) -> WanPipeline:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = torch.bfloat16 if options.bf16 or device == "cuda" else torch.float32
    pipeline = WanPipeline.from_pretrained(options.model, torch_dtype=precision).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(pipeline: WanPipeline, lines: list[str], seeds: list[int], options: argparse.Namespace) -> list[Frames]:
    clips = pipeline(
        lines,
        height=SIDE,
        width=SIDE,
        num_frames=FRAMES,
        num_inference_steps=options.steps,
        guidance_scale=options.guidance,
        max_sequence_length=DEMO.max_sequence_length,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        output_type="np",
    ).frames
    return [(clip * 255).round().astype(np.uint8) for clip in clips]


def filmed(frames: Frames) -> Frames:
    """The same frames, out of the video that a client gets."""
    with tempfile.TemporaryDirectory() as folder:
        video = asyncio.run(encode_video(frames, FPS, Path(folder))).video
        with av.open(str(video)) as video:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def judged(options: argparse.Namespace) -> Iterator[tuple[str, str, Scene, Frames, Agreement]]:
    pipeline, asked = load(options), prompts(options)
    for start in range(0, len(asked), options.batch):
        part = asked[start : start + options.batch]
        clips = sample(pipeline, [row[1] for row in part], [start + i for i in range(len(part))], options)
        for (group, prompt, scene), clip in zip(part, clips, strict=True):
            frames = filmed(clip)
            yield group, prompt, scene, frames, agrees(scene, look(frames))


def missed(agreement: Agreement) -> list[str]:
    return [name for name in ATTRIBUTES if not getattr(agreement, name)]


def strip(frames: Frames) -> Frames:
    return np.concatenate([frames[i] for i in (0, 4, 8, 12, 16)], axis=1)


def sheet(strips: list[tuple[str, Frames]]) -> Image.Image:
    """Two columns, each clip under its prompt."""
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
    begun = time.monotonic()
    totals: dict[str, Counter[str]] = {}
    strips, misses = [], []
    for group, prompt, scene, frames, agreement in judged(options):
        counts = totals.setdefault(group, Counter())
        counts["clips"] += 1
        counts.update(name for name in ATTRIBUTES if getattr(agreement, name))
        strips.append((prompt, strip(frames)))
        if not agreement.right:
            sight = look(frames)
            misses.append({"prompt": prompt, "missed": missed(agreement), "seen": repr(sight), "asked": repr(asdict(scene))})
            print(f"missed {', '.join(missed(agreement))}: {prompt}\n    {[tuple(asdict(t).values()) for t in sight.things]}", flush=True)
    print(f"{'':24}{'clips':>8}" + "".join(f"{name:>12}" for name in ATTRIBUTES))
    for group, counts in totals.items():
        shares = "".join(f"{counts[name] / counts['clips']:12.1%}" for name in ATTRIBUTES)
        print(f"{group:24}{counts['clips']:8}{shares}")
    print(f"guidance {options.guidance}, {options.steps} steps, {time.monotonic() - begun:.0f} s")
    if options.json:
        options.json.write_text(json.dumps({"totals": totals, "misses": misses, "guidance": options.guidance}, indent=1))
    if options.sheet:
        sheet(strips).save(options.sheet)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(__file__).parent.parent / "generator" / "demo" / "model")
    parser.add_argument("--grammar", type=int, default=0, help="further prompts from the caption grammar")
    parser.add_argument("--seed", type=int, default=0, help="of these")
    parser.add_argument("--every", type=int, default=1, help="take one prompt of so many")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--guidance", type=float, default=DEMO.guidance)
    parser.add_argument("--steps", type=int, default=DEMO.steps["standard"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--bf16", action="store_true", help="on a CPU; a GPU always uses it")
    parser.add_argument("--sheet", type=Path, help="write five frames of each clip to this picture, under its prompt")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
