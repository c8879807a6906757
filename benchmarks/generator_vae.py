"""Ways to decode: milliseconds, the first call's seconds, peak memory, and how equal the pictures are to stock's way."""

from __future__ import annotations

import statistics
from typing import Any

import torch

from benchmarks.generator_bench import Bench
from cache.recipe import Recipe
from generator.diffusion.decoding import Way
from generator.diffusion.wan import Wan

Switches = dict[str, Any]

WAYS: tuple[tuple[str, Way, Switches], ...] = (
    ("frame by frame, norms fused", "frames", {}),
    ("in one pass, uncompiled", "whole", {"vae_norm_fusion": "off", "compile": "off", "vae_whole_clip": "on"}),
    ("in one pass, norms fused", "whole", {"compile": "off", "vae_whole_clip": "on"}),
    ("in one pass, compiled", "whole", {"compile": "mixed", "vae_whole_clip": "on", "vae_norm_fusion": "on"}),
)


def ways(bench: Bench, recipe: Recipe, turns: int = 5) -> dict[str, Any]:
    latent = _latent(bench, recipe)
    found: dict[str, Any] = {}
    expected = None
    for name, way, choices in WAYS:
        wan = bench.wan(**choices)
        pictures = _measured(bench, wan, name, way, latent, found, expected, turns)
        expected = pictures if expected is None else expected
    return found


def _latent(bench: Bench, recipe: Recipe) -> torch.Tensor:
    shape = (1, 48, (recipe.frames - 1) // 4 + 1, recipe.height // 16, recipe.width // 16)
    return torch.randn(shape, device=bench.device)


def _measured(
    bench: Bench,
    wan: Wan,
    name: str,
    way: Way,
    latent: torch.Tensor,
    found: dict[str, Any],
    expected: torch.Tensor | None,
    turns: int,
) -> torch.Tensor:
    def work() -> torch.Tensor:
        with torch.no_grad():
            return torch.from_numpy(wan._decoder(latent, way, lambda: None))

    first, pictures = bench.timed(work), work()
    if bench.cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if bench.cuda else 0
    took = statistics.median(bench.timed(work) for _ in range(turns))
    peak = (torch.cuda.max_memory_allocated() - before) / 1e9 if bench.cuda else 0.0
    apart = 0.0 if expected is None else (pictures.float() - expected.float()).abs().mean().item()
    found[name] = {"ms": took, "first_s": first / 1000, "gb_more": peak, "mean_difference": apart}
    print(f"{name:<46}{took:>10.1f} ms, first {first / 1000:.1f} s, {peak:.1f} GB more, difference {apart:.2f} of 255", flush=True)
    return pictures
