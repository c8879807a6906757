"""The full-size pipeline of benchmarks/generator.py, stock and ours on the same transformer and encoder."""

from __future__ import annotations

import copy
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import stock
from benchmarks.full_size import build
from cache.catalog import WAN_TI2V_5B, AskedSettings, ServedModel, resolve
from cache.recipe import Recipe
from generator.diffusion.acceleration import uncompiled, without_acceleration
from generator.diffusion.blocks import unfuse_gelu
from generator.diffusion.wan import Wan
from generator.renderer import Rendered, RenderOrder
from generator.speed import Speed, choose_speed

PROMPT = "a red fox runs through deep snow at dawn, the camera follows from the side"
SERVED = ServedModel(WAN_TI2V_5B, "random weights", "pipeline")
STAGES = ("text_encode", "denoise", "vae_decode")


def ours(wan: Wan, recipe: Recipe, prompts: Sequence[str] = (PROMPT,)) -> list[Rendered]:
    orders = [RenderOrder(prompt, recipe, seed) for seed, prompt in enumerate(prompts)]
    return wan.render(orders, lambda _: None, threading.Event())


def whole(stages_ms: Any) -> float:
    return float(sum(stages_ms[stage] for stage in STAGES))


def distance(given: Any, expected: Any) -> float:
    """Relative L2: the length of the difference over the length of what was expected."""
    one, other = torch.as_tensor(given).double().cpu(), torch.as_tensor(expected).double().cpu()
    return float((one - other).norm() / other.norm())


class Bench:
    """The stock pipeline, and ours on the same transformer and encoder with a VAE of its own."""

    def __init__(self, *, tiny: bool) -> None:
        self.tiny = tiny
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.cuda = self.device.type == "cuda"
        if not self.cuda and not tiny:
            raise SystemExit("no GPU is here: --small compares on a CPU, --tiny is a dry run")
        self.pipe = build(self.device, torch.bfloat16, tiny=tiny)
        self.rate = self._rate()

    def recipe(self, size: str, frames: int, steps: int) -> Recipe:
        width, height = (int(side) for side in size.split("x"))
        if self.tiny:
            width, height, frames = width // 320 * 32 or 32, height // 320 * 32 or 32, min(frames, 9)
        base = resolve(SERVED, AskedSettings(steps=min(steps, 3) if self.tiny else steps))
        return replace(base, width=width, height=height, frames=frames)

    def wan(self, **choices: Any) -> Wan:
        """A fresh one: nothing compiled, a VAE as stock's."""
        torch.compiler.reset()
        uncompiled(self.pipe.transformer)
        unfuse_gelu(self.pipe.transformer)
        speed = Speed(headroom=0, **choices)
        if self.tiny and not self.cuda:
            speed = replace(speed, precision="bfloat16")
        chosen = choose_speed(speed, cuda=self.cuda, bfloat16=True)
        vae = copy.deepcopy(self.pipe.vae)
        for weight in vae.parameters():
            weight.data = weight.data.to(getattr(torch, chosen.vae_precision))
        parts = {**self.pipe.components, "vae": vae}
        if chosen.fp8_products:  # rounds the weights that the others share
            parts["transformer"] = copy.deepcopy(self.pipe.transformer)
        return Wan(type(self.pipe)(**parts, expand_timesteps=True), SERVED, self.device, speed, chosen)

    def stock(self, recipe: Recipe, count: int = 1, *, decode: bool = True) -> stock.StockClip:
        return stock.render(self.pipe, recipe, [PROMPT] * count, list(range(count)), decode=decode)

    def timed(self, work: Callable[[], object]) -> float:
        """Milliseconds by the clock, the device's work included."""
        self.wait()
        began = time.perf_counter()
        work()
        self.wait()
        return (time.perf_counter() - began) * 1000

    def wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def _rate(self) -> float:
        """Operations per second of a large bf16 matrix product on random data: the ceiling of the floors below."""
        side = 8192 if self.cuda else 512
        one, other = (torch.randn(side, side, device=self.device, dtype=torch.bfloat16) for _ in range(2))
        took = [self.timed(lambda: one @ other) for _ in range(13)][3:]
        return 2 * side**3 / (statistics.median(took) / 1000)

    def floors(self, recipe: Recipe) -> dict[str, float]:
        """Milliseconds of one transformer pass and of one VAE decode if every multiplication ran at that rate."""
        config, pipe = self.pipe.transformer.config, self.pipe
        deep = (recipe.frames - 1) // 4 + 1
        shape = (1, config.in_channels, deep, recipe.height // 16, recipe.width // 16)
        latents = torch.randn(shape, device=self.device)
        text = torch.randn(1, recipe.max_sequence_length, config.text_dim, device=self.device, dtype=torch.bfloat16)
        # Compiled code hides its multiplications from the counter.
        with torch.no_grad(), without_acceleration(pipe.transformer), FlopCounterMode(display=False) as passed:
            now = torch.tensor([500.0], device=self.device)
            pipe.transformer(hidden_states=latents.bfloat16(), timestep=now, encoder_hidden_states=text, return_dict=False)
        with torch.no_grad(), FlopCounterMode(display=False) as decoded:
            pipe.vae.decode(latents)
        counts = {"pass": passed.get_total_flops(), "vae_decode": decoded.get_total_flops()}
        return {f"{name}_ms": count / self.rate * 1000 for name, count in counts.items()} | {
            f"{name}_tflop": count / 1e12 for name, count in counts.items()
        }
