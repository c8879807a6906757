"""Stock `WanPipeline` and Reprise side by side, stage by stage, in one run.

    python -m benchmarks.generator [--part seed|large|batch|settings|profile|vae|cards|numbers …] [--json FILE]   on a GPU, no downloads
    python -m benchmarks.generator --small                                                            on a CPU, the demo model
    python -m benchmarks.generator --tiny                                                             small parts: a dry run

On a GPU it builds the whole Wan2.2-TI2V-5B with random weights (benchmarks/full_size.py). Each part takes minutes; results are
added to the JSON file, so that parts may run one by one. `--small` ends with exit code 1 where a stage is slower than 1.05x stock's,
by the median of five turns. Needs torch, diffusers, transformers, safetensors, structlog, ftfy and numpy; videos are
timed where av and pillow are there too.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import importlib.util
import json
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as unpacked

from benchmarks import stock
from benchmarks.generator_bench import PROMPT, STAGES, Bench, distance, ours, whole
from benchmarks.generator_cards import cards as small_cards
from benchmarks.generator_numbers import numbers as by_numbers
from benchmarks.generator_vae import ways
from cache.catalog import AskedSettings, resolve
from cache.recipe import Recipe
from generator.diffusion.acceleration import without_acceleration
from generator.diffusion.profiling import profiled
from generator.diffusion.wan import Wan, load_wan
from generator.model import find_model
from generator.renderer import Rendered, RenderOrder
from generator.speed import Speed

PARTS = ("seed", "large", "batch", "settings", "profile", "vae", "cards", "numbers")
_ROWS = 20  # operations told


def medians(turns: Sequence[Any]) -> dict[str, float]:
    found = {stage: statistics.median(turn.stages_ms[stage] for turn in turns) for stage in STAGES}
    return found | {"whole": statistics.median(whole(turn.stages_ms) for turn in turns),
                    "step": statistics.median(ms for turn in turns for ms in turn.steps_ms)}  # fmt: skip


def side_by_side(bench: Bench, recipe: Recipe, stock_turns: int, our_turns: int) -> dict[str, Any]:
    wan = bench.wan()
    print(f"\n{recipe.size}, {recipe.frames} frames, {recipe.steps} steps, guidance {recipe.guidance:g}", flush=True)
    print(f"stock: eager, torch's own attention, VAE in float32; Reprise: {wan.where}; {wan.choices}")
    bench.stock(replace(recipe, steps=1))
    theirs = [bench.stock(recipe) for _ in range(stock_turns)]
    warm_up = bench.timed(lambda: ours(wan, replace(recipe, steps=1), [""]))
    first = ours(wan, recipe)[0]
    made = [ours(wan, recipe)[0] for _ in range(our_turns)]
    floors = bench.floors(recipe)
    found, against = medians(made), medians(theirs)
    passes = 2 * recipe.steps
    least = {"denoise": floors["pass_ms"] * passes, "vae_decode": floors["vae_decode_ms"]}
    print(f"{'stage':<16}{'stock ms':>12}{'Reprise ms':>12}{'times':>8}{'floor ms':>10}")
    for stage in (*STAGES, "whole"):
        floor = f"{least[stage]:10.1f}" if stage in least else ""
        times = f"{against[stage] / found[stage]:8.2f}" if found[stage] > 1 else f"{'kept':>8}"
        print(f"{stage:<16}{against[stage]:>12.1f}{found[stage]:>12.1f}{times}{floor}")
    words = first.stages_ms["text_encode"]
    fresh = found["whole"] - found["text_encode"] + words
    print(f"text of a new prompt: {words:.1f} ms; whole with it {fresh:.1f} ms, stock over that {against['whole'] / fresh:.2f}")
    a_pass, floor_ms = found["denoise"] / passes, floors["pass_ms"]
    print(f"a pass: {a_pass:.2f} ms, {a_pass / floor_ms:.2f} of the floor of {floor_ms:.2f} ms ({floors['pass_tflop']:.1f} TFLOP)")
    cold = whole(first.stages_ms) / fresh
    print(f"loading's warm-up {warm_up / 1000:.1f} s; the first request after it takes {cold:.2f} of a steady one with new words")
    same = equality(bench, wan, recipe, theirs[0], made[0])
    print("; ".join(f"{name}: {value:.2e}" for name, value in same.items()))
    peaks = {"stock": theirs[0].peak_bytes, "reprise": made[0].peak_bytes}
    if peaks["stock"] is not None and peaks["reprise"] is not None:
        print(f"peak memory: stock {peaks['stock'] / 1e9:.1f} GB, Reprise {peaks['reprise'] / 1e9:.1f} GB")
    return {
        "recipe": {"size": recipe.size, "frames": recipe.frames, "steps": recipe.steps},
        "choices": wan.choices,
        "stock_ms": against,
        "reprise_ms": found,
        "new_words_ms": words,
        "floors": floors,
        "warm_up_ms": warm_up,
        "first_over_steady": cold,
        "equality": same,
        "peak_bytes": peaks,
        "film_ms": video_encode_ms(made[0], recipe),
        "turns": {"stock": stock_turns, "reprise": our_turns},
    }


def equality(bench: Bench, wan: Wan, recipe: Recipe, theirs: stock.StockClip, made: Rendered) -> dict[str, float]:
    """Relative L2 of final latents and of the decoder's output on equal latents, mean difference of frames of 255, and, as the
    measure of what bfloat16 itself costs, stock's own pass against the same in float32."""
    assert made.latent is not None and made.frames is not None
    latent = unpacked(made.latent)["latent"].float()
    found = {"latents, relative L2 to stock": distance(latent, theirs.latents[0])}
    found["frames, mean difference of 255"] = float(np.abs(made.frames - theirs.video[0] * 255.0).mean())
    with torch.no_grad():
        given = latent[None].to(bench.device)
        decoded = bench.pipe.vae.decode(given, return_dict=False)[0][0].permute(1, 2, 3, 0)
        again = torch.from_numpy(wan._decoder(given, wan._decoder.ways(given)[0], lambda: None)).float() / 127.5 - 1
        found["decoder on equal latents, mean difference of 255"] = float((again - decoded.float().cpu()).abs().mean() * 127.5)
        if recipe.frames < 60:
            found["a pass of stock in bfloat16, relative L2 to float32"] = _bfloat16_itself(bench, given)
    return found


def _bfloat16_itself(bench: Bench, latents: torch.Tensor) -> float:
    transformer = bench.pipe.transformer
    text = torch.randn(1, 512, transformer.config.text_dim, device=bench.device).bfloat16()
    now, given = torch.tensor([500.0], device=bench.device), latents.bfloat16()
    with without_acceleration(transformer):
        coarse = transformer(hidden_states=given, timestep=now, encoder_hidden_states=text, return_dict=False)[0]
        fine = copy.deepcopy(transformer).float()
        exact = fine(hidden_states=given.float(), timestep=now, encoder_hidden_states=text.float(), return_dict=False)[0]
    return distance(coarse, exact)


def video_encode_ms(made: Rendered, recipe: Recipe) -> float | None:
    if any(importlib.util.find_spec(name) is None for name in ("av", "PIL")):
        return None
    from generator import video_encoding  # noqa: PLC0415  # not on every machine

    assert made.frames is not None
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        asyncio.run(video_encoding.encode_video(made.frames, recipe.fps, Path(folder)))
        took = (time.perf_counter() - began) * 1000
    print(f"video: {took:.0f} ms on the host, beside the next clip's denoising")
    return took


def seed(bench: Bench) -> dict[str, Any]:
    return side_by_side(bench, bench.recipe("480x640", 17, 20), 3, 5)


def large(bench: Bench) -> dict[str, Any]:
    return side_by_side(bench, bench.recipe("704x1280", 121, 20), 1, 2)


def stock_batch(bench: Bench, recipe: Recipe, count: int) -> float | None:
    """Milliseconds a clip; None where stock, which decodes all at once, runs out of memory."""
    try:
        bench.stock(replace(recipe, steps=1), count)
        return whole(bench.stock(recipe, count).stages_ms) / count
    except torch.OutOfMemoryError:
        pass
    torch.cuda.empty_cache()  # outside the handler: the error held the tensors
    return None


def batch(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, recipe, sizes in (
        ("480x640x17, 20 steps", bench.recipe("480x640", 17, 20), (1, 2, 4, 8)),
        ("704x1280x121, 4 steps", bench.recipe("704x1280", 121, 4), (1, 2)),
    ):
        wan = bench.wan()
        print(f"\n{name}: milliseconds a clip, by clips at once\n{'batch':>6}{'stock':>12}{'Reprise':>12}{'over one':>10}{'peak GB':>9}")
        rows: dict[int, dict[str, Any]] = {}
        for count in sizes:
            prompts = [f"{PROMPT}, {number}" for number in range(count)]
            theirs = stock_batch(bench, recipe, count)
            ours(wan, replace(recipe, steps=1), prompts)
            made = ours(wan, recipe, prompts)[0]
            mine = whole(made.stages_ms)
            alone = rows[1]["reprise_ms"] if rows else mine
            rows[count] = {"stock_ms": theirs, "reprise_ms": mine, "peak_bytes": made.peak_bytes, "pays": alone / mine}
            told = f"{theirs:>12.1f}" if theirs is not None else f"{'no memory':>12}"
            print(f"{count:>6}{told}{mine:>12.1f}{alone / mine:>10.2f}{(made.peak_bytes or 0) / 1e9:>9.1f}", flush=True)
        found[name] = rows
    return found


SWITCHES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("denoise", "as chosen", {}),
    ("denoise", "compile off", {"compile": "off"}),
    ("denoise", "compile static", {"compile": "static"}),
    ("denoise", "compile dynamic", {"compile": "dynamic"}),
    ("denoise", "guidance apart", {"cfg_batch": "off"}),
    ("denoise", "guidance together", {"cfg_batch": "on"}),
    ("denoise", "attention native", {"attention": "native"}),
    ("denoise", "attention _native_cudnn", {"attention": "_native_cudnn"}),
    ("denoise", "attention _native_flash", {"attention": "_native_flash"}),
    ("denoise", "attention flash", {"attention": "flash"}),
    ("denoise", "attention _flash_3", {"attention": "_flash_3"}),
    ("denoise", "GELU by itself", {"gelu_fusion": "off"}),
    ("vae_decode", "as chosen", {}),
    ("vae_decode", "VAE float32", {"vae_precision": "float32"}),
    ("vae_decode", "VAE bfloat16", {"vae_precision": "bfloat16"}),
    ("vae_decode", "VAE plain layout", {"vae_memory_format": "contiguous"}),
    ("vae_decode", "frame by frame", {"vae_whole_clip": "off"}),
    ("vae_decode", "the same, norms not fused", {"vae_whole_clip": "off", "vae_norm_fusion": "off"}),
    ("vae_decode", "cuDNN does not search", {"cudnn_benchmark": "off"}),
    (
        "vae_decode",
        "all four off",
        {"vae_memory_format": "contiguous", "vae_whole_clip": "off", "vae_norm_fusion": "off", "cudnn_benchmark": "off"},
    ),
)


def settings(bench: Bench) -> dict[str, Any]:
    """Each switch by itself against what "auto" chooses: milliseconds of a step, or of the decode, of the seed case."""
    recipe = replace(bench.recipe("480x640", 17, 4), steps=4 if bench.cuda else 2)
    shape = (1, 48, (recipe.frames - 1) // 4 + 1, recipe.height // 16, recipe.width // 16)
    latent = torch.randn(shape, device=bench.device)
    found: dict[str, Any] = {}
    print(f"\n{'stage':<12}{'switch':<26}{'ms':>10}{'of chosen':>11}{'first s':>9}   what it is then")
    for stage, name, choices in SWITCHES:
        wan = bench.wan(**choices)

        def decode(wan: Wan = wan) -> None:
            with torch.no_grad():
                wan._decoder(latent, wan._decoder.ways(latent)[0], lambda: None)

        if stage == "denoise":
            first = bench.timed(lambda wan=wan: ours(wan, recipe))  # type: ignore[misc]  # a lambda with a default has no type
            took = statistics.median(ms for _ in range(3) for ms in ours(wan, recipe)[0].steps_ms)
        else:
            first = bench.timed(decode)
            took = statistics.median([bench.timed(decode) for _ in range(5)])
        chosen = found.get(f"{stage}: as chosen", {"ms": took})["ms"]
        found[f"{stage}: {name}"] = {"ms": took, "of_chosen": took / chosen, "first_s": first / 1000, "choices": wan.choices}
        print(f"{stage:<12}{name:<26}{took:>10.2f}{took / chosen:>11.2f}{first / 1000:>9.1f}   {wan.choices}", flush=True)
        del wan
        if bench.cuda:
            torch.cuda.empty_cache()
    return found


def profile(bench: Bench) -> dict[str, Any]:
    """Where the device's time goes: the operations of four steps with new words, and those of a decode, of the seed case."""
    recipe = replace(bench.recipe("480x640", 17, 4), steps=4 if bench.cuda else 2)
    wan = bench.wan()
    made = ours(wan, recipe)
    latent = unpacked(made[0].latent or b"")["latent"][None].float().to(bench.device)

    def decode() -> object:
        with torch.no_grad():
            return wan._decoder(latent, wan._decoder.ways(latent)[0], lambda: None)

    found: dict[str, Any] = {}
    for name, work in (("a clip of four steps", lambda: ours(wan, recipe, [f"{PROMPT}, new"])), ("its decode alone", decode)):
        work()
        with tempfile.TemporaryDirectory() as folder:
            _, operations = profiled(work, Path(folder) / "trace.json", _ROWS)
        spent = sum(row.ms for row in operations)
        print(f"\n{name}: {'operation':<60}{'times':>7}{'ms':>10}{'of these':>10}")
        for row in operations:
            print(f"{row.name[:80]:<82}{row.count:>7}{row.ms:>10.2f}{row.ms / spent:>10.1%}")
        found[name] = [{"operation": row.name, "count": row.count, "ms": row.ms} for row in operations]
    return found


def vae(bench: Bench) -> dict[str, Any]:
    return ways(bench, bench.recipe("480x640", 17, 20))


def cards(bench: Bench) -> dict[str, Any]:
    return small_cards(bench)


def numbers(bench: Bench) -> dict[str, Any]:
    return by_numbers(bench)


def small(turns: int = 5) -> bool:
    """The demo model on this CPU, stock and ours in turns; whether no stage is slower than 1.05x stock."""
    with tempfile.TemporaryDirectory() as folder:
        model = find_model("", "", Path(folder))
        wan = load_wan(model, "cpu", Speed(), torch.get_num_threads())
        pipe = type(wan._pipe).from_pretrained(model.source, dtype=getattr(torch, wan._chosen.precision), local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    recipe = resolve(model.served, AskedSettings())
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}; {wan.where}; {wan.choices}")
    print(
        f"{recipe.size}, {recipe.frames} frames, {recipe.steps} steps; stock in the same precision, in turns, median of {turns}", flush=True
    )
    theirs, mine = list[stock.StockClip](), list[Rendered]()
    for turn in range(turns + 1):  # the first is warm-up; new words each time, so that both encode them
        prompt = f"a red circle moves to the left, {turn}"
        theirs.append(stock.render(pipe, recipe, [prompt], [turn]))
        mine.append(wan.render([RenderOrder(prompt, recipe, turn)], lambda _: None, threading.Event())[0])
    stock_ms, our_ms, good = medians(theirs[1:]), medians(mine[1:]), True
    print(f"{'stage':<16}{'stock ms':>12}{'Reprise ms':>12}{'of stock':>10}")
    for stage in (*STAGES, "whole"):
        ratio = our_ms[stage] / stock_ms[stage]
        good = good and ratio <= 1.05
        print(f"{stage:<16}{stock_ms[stage]:>12.1f}{our_ms[stage]:>12.1f}{ratio:>10.2f}")
    made, video = mine[-1].frames, theirs[-1].video
    assert made is not None
    print(
        f"frames: mean difference {np.abs(made - video[0] * 255.0).mean():.2f} of 255, largest {np.abs(made - video[0] * 255.0).max():.0f}"
    )
    print(f"no stage slower than 1.05x stock, median of {turns}: {'yes' if good else 'NO'}")
    return good


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--part", action="append", choices=PARTS, help="default: all that the JSON file does not hold yet")
    options.add_argument("--json", type=Path, help="where results are kept and added to")
    options.add_argument("--small", action="store_true")
    options.add_argument("--tiny", action="store_true")
    chosen = options.parse_args()
    if chosen.small:
        raise SystemExit(0 if small() else 1)
    bench = Bench(tiny=chosen.tiny)
    known = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.exists() else {}
    machine = torch.cuda.get_device_name() if bench.cuda else platform.machine()
    known["machine"] = {"device": machine, "torch": torch.__version__, "matrix_tflops": bench.rate / 1e12, "tiny": chosen.tiny}
    print(f"{machine}, torch {torch.__version__}, bf16 matrix product {bench.rate / 1e12:.1f} TFLOP/s on random numbers")
    for part in chosen.part or [part for part in PARTS if part not in known]:
        began = time.monotonic()
        known[part] = globals()[part](bench)
        print(f"-- {part}: {time.monotonic() - began:.0f} s", flush=True)
        if chosen.json:
            chosen.json.parent.mkdir(parents=True, exist_ok=True)
            chosen.json.write_text(json.dumps(known, indent=1))
        if bench.cuda:
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
