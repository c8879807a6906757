"""Ways to decode the seed case, each against the one that ships: milliseconds, peak memory, and how equal the pictures are."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.generator_bench import Bench
from cache.recipe import Recipe
from generator.demo.whole_clip import decode_whole, run_whole

Pictures = Callable[[], torch.Tensor]


def ways(bench: Bench, recipe: Recipe, turns: int = 5) -> dict[str, Any]:
    """As shipped: one latent frame after the other, norms fused. The others decode all frames in one pass."""
    shape = (1, 48, (recipe.frames - 1) // 4 + 1, recipe.height // 16, recipe.width // 16)
    latent = torch.randn(shape, device=bench.device)
    shipped = bench.wan()

    def frame_by_frame() -> torch.Tensor:
        return torch.from_numpy(shipped._decoder(latent, tiled=False, piece_ended=lambda: None))

    found: dict[str, Any] = {}
    expected = _measured(bench, "frame by frame", frame_by_frame, found, None, turns)
    for name, choices, compiles in (
        ("whole, norms fused", {}, False),
        ("whole, nothing compiled", {"vae_fuse": "off"}, False),
        ("whole, decoder compiled", {"vae_fuse": "off"}, True),
    ):
        work = _whole(bench, latent, choices, compiles=compiles)
        _measured(bench, name, work, found, expected, turns)
    return found


def _whole(bench: Bench, latent: torch.Tensor, choices: dict[str, Any], *, compiles: bool) -> Pictures:
    vae = run_whole(copy.deepcopy(bench.wan(**choices)._pipe.vae))
    if compiles:
        vae.decoder.compile(dynamic=False)
    mean = torch.tensor(vae.config.latents_mean, device=bench.device).view(1, -1, 1, 1, 1)
    deviation = torch.tensor(vae.config.latents_std, device=bench.device).view(1, -1, 1, 1, 1)

    def work() -> torch.Tensor:
        given = (latent * deviation + mean).to(vae.dtype).contiguous(memory_format=torch.channels_last_3d)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, benchmark=True):
            film = decode_whole(vae, given)[0]
        return ((film.float() + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 3, 0).contiguous().cpu()

    return work


def _measured(
    bench: Bench, name: str, work: Pictures, found: dict[str, Any], expected: torch.Tensor | None, turns: int
) -> torch.Tensor | None:
    try:
        first, pictures = bench.timed(work), work()
        if bench.cuda:
            torch.cuda.reset_peak_memory_stats()
        took = statistics.median(bench.timed(work) for _ in range(turns))
    except Exception as error:  # a way that does not work here is a finding, too
        print(f"{name:<28} {type(error).__name__}: {str(error)[:200]}", flush=True)
        found[name] = {"error": f"{type(error).__name__}: {error}"}
        return None
    peak = torch.cuda.max_memory_allocated() / 1e9 if bench.cuda else 0.0
    apart = 0.0 if expected is None else (pictures.float() - expected.float()).abs().mean().item()
    found[name] = {"ms": took, "first_s": first / 1000, "peak_gb": peak, "mean_difference": apart}
    print(f"{name:<28}{took:>10.1f} ms, first {first / 1000:.1f} s, peak {peak:.1f} GB, mean difference {apart:.2f} of 255", flush=True)
    return pictures
