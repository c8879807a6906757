"""One pass of the transformer by its numbers: attention by each library that is there, and matrix products in eight bits.

Each is timed against the present best (compiled, bfloat16, attention as chosen) in one run, at a small and a large size, with both
passes of guidance at once. Beside seconds and ratio stand the memory that the pass takes besides the weights, and how far its
output is from that of the best (RMS of the difference over RMS of the output). What bfloat16 itself costs, float32 tells. Weights are
random: what eight bits do to a picture, benchmarks/fp8_drift.py shows on the demo model. On a CPU it is a dry run.
"""

from __future__ import annotations

import copy
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

from benchmarks.generator_bench import Bench, distance
from cache.recipe import Recipe
from generator.diffusion.acceleration import without_acceleration
from generator.diffusion.blocks import Reader, unfuse_gelu
from generator.diffusion.denoising import Pass
from generator.diffusion.eight_bits import in_eight_bits, no_eight_bits, scale_products
from generator.diffusion.wan import Wan

_ENOUGH = 90.0  # seconds, after which nothing new is begun
ATTENTIONS = ("_native_cudnn", "_native_flash", "flash", "_flash_3", "sage", "_sage_qk_int8_pv_fp8_cuda_sm90")
_PRODUCTS = ((3072, 3072), (3072, 14336), (14336, 3072))


@dataclass(frozen=True)
class NumbersCase:
    """`sums`: how eight bits are summed up, None for products in bfloat16."""

    name: str
    attention: str = "auto"
    sums: str | None = None


CASES = (
    NumbersCase("best so far: bfloat16"),
    NumbersCase("fp8 products", sums="fast"),
    NumbersCase("attention by cuDNN", "_native_cudnn"),
    NumbersCase("fp8 products, sums in float32", sums="exact"),
    NumbersCase("attention by torch's flash", "_native_flash"),
    NumbersCase("attention by SageAttention", "sage"),
    NumbersCase("attention by SageAttention, fp8", "_sage_qk_int8_pv_fp8_cuda_sm90"),
)


def numbers(bench: Bench) -> dict[str, Any]:
    began, found = time.monotonic(), dict[str, Any]()
    recipes = [bench.recipe("640x480", 17, 20), bench.recipe("704x1280", 121, 20)]
    found["products"] = _products(bench, [_tokens(recipe) for recipe in recipes])
    found["attention"] = _attentions(bench, [_tokens(recipe) for recipe in recipes])
    print(f"  {time.monotonic() - began:.0f} s so far", flush=True)
    found["float32"] = _float32(bench, recipes[0])
    best: dict[str, tuple[torch.Tensor, float]] = {}
    for case in CASES:
        print(f"\n{case.name}", flush=True)
        if best and time.monotonic() - began > _ENOUGH:
            print("  not begun, for lack of time")
            continue
        found[case.name] = _case(bench, case, recipes, best)
        gc.collect()
        if bench.cuda:
            torch.cuda.empty_cache()
        print(f"  {time.monotonic() - began:.0f} s so far", flush=True)
    return found


def _case(bench: Bench, case: NumbersCase, recipes: list[Recipe], best: dict[str, tuple[torch.Tensor, float]]) -> dict[str, Any]:
    why = no_eight_bits(bench.device) if bench.cuda and case.sums else None
    if why is not None:
        print(f"  eight bits: {why}")
        return {"missing": why}
    try:
        wan = _built(bench, case)
    except Missing as error:
        print(f"  {error}")
        return {"missing": str(error)}
    rows = {}
    for recipe in recipes:
        name = f"{recipe.size}x{recipe.frames}"
        try:
            rows[name] = _measured(bench, wan, recipe, best)
        except RuntimeError as error:  # one size must not cost the others
            print(f"  {name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            rows[name] = {"failed": str(error)[:300]}
    return {"choices": wan.choices, "sizes": rows}


class Missing(Exception):
    """Attention that is not installed, or gives something else."""


def _built(bench: Bench, case: NumbersCase) -> Wan:
    wan = bench.wan(attention=case.attention) if not case.attention.startswith(("sage", "_sage")) else bench.wan(attention="native")
    if case.attention.startswith(("sage", "_sage")):
        try:
            wan._pipe.transformer.set_attention_backend(case.attention)
        except Exception as error:
            wan._pipe.transformer.set_attention_backend("native")
            raise Missing(f"not here: {str(error).splitlines()[0][:120]}") from error
    elif case.attention != "auto" and f"attention {case.attention}," not in wan.choices:
        raise Missing("not used: torch says why in the log above, or it is not here")
    if case.sums is not None:
        transformer = copy.deepcopy(wan._pipe.transformer)  # its weights are the others', too
        unfuse_gelu(transformer)
        count = scale_products(transformer, bench.device, fast=case.sums == "fast")
        if "compiles the" in wan.choices:
            transformer.compile_repeated_blocks(fullgraph=True)
        wan._pipe.transformer = transformer
        assert count, "no layer was found"
    return wan


def _measured(bench: Bench, wan: Wan, recipe: Recipe, best: dict[str, tuple[torch.Tensor, float]]) -> dict[str, Any]:
    transformer, name = wan._pipe.transformer, f"{recipe.size}x{recipe.frames}"
    latents, text = _given(bench, recipe)
    with torch.no_grad(), Reader(transformer) as reader:
        work = partial(_pass(transformer, reader).passed, "cond", latents, text)
        first, output = bench.timed(work), work().float().cpu()
        if bench.cuda:
            torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() if bench.cuda else 0
        took = statistics.median(bench.timed(work) for _ in range(9 if recipe.frames < 60 else 3))
        more = (torch.cuda.max_memory_allocated() - before) / 1e9 if bench.cuda else 0.0
    expected, usual = best.setdefault(name, (output, took))
    weights = sum(weight.nbytes for weight in (*transformer.parameters(), *transformer.buffers())) / 1e9
    wrong = distance(output, expected)
    print(f"  {name:<16}{took / 1000:>9.4f} s a pass of two, {took / usual:.3f} of the best, first {first / 1000:.1f} s; "
          f"weights {weights:.1f} GB and {more:.1f} GB more; {wrong:.2e} from the best", flush=True)  # fmt: skip
    return {"ms": took, "of_best": took / usual, "first_s": first / 1000, "weights_gb": weights, "gb_more": more, "from_best": wrong}


def _pass(transformer: Any, reader: Reader) -> Pass:
    now = torch.tensor(500.0, device=transformer.device)
    return Pass(transformer, reader, now, {"step_index": 10, "sigma": 0.5, "num_inference_steps": 20})


def _given(bench: Bench, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and texts of both passes of guidance: the same noise, two texts."""
    config, drawn = bench.pipe.transformer.config, torch.Generator("cpu").manual_seed(1)
    shape = (1, config.in_channels, (recipe.frames - 1) // 4 + 1, recipe.height // 16, recipe.width // 16)
    latents = torch.randn(shape, generator=drawn).to(bench.device, torch.bfloat16)
    text = torch.randn((2, recipe.max_sequence_length, config.text_dim), generator=drawn).to(bench.device, torch.bfloat16)
    return torch.cat([latents, latents]), text


def _float32(bench: Bench, recipe: Recipe) -> float:
    """How far bfloat16 is from float32, as a measure for the others; nothing compiled."""
    bench.wan(compile="off", attention="native")
    latents, text = _given(bench, recipe)
    fine = copy.deepcopy(bench.pipe.transformer)
    with torch.no_grad(), without_acceleration(bench.pipe.transformer), without_acceleration(fine):
        coarse = _pass(bench.pipe.transformer, Reader(bench.pipe.transformer))._run("cond", latents, text)
        exact = _pass(fine.float(), Reader(fine))._run("cond", latents.float(), text.float())
    wrong = distance(coarse, exact)
    print(f"{recipe.size}x{recipe.frames}: bfloat16 is {wrong:.2e} from float32", flush=True)
    return wrong


def _tokens(recipe: Recipe) -> int:
    return ((recipe.frames - 1) // 4 + 1) * (recipe.height // 32) * (recipe.width // 32)


def _products(bench: Bench, tokens: list[int]) -> dict[str, Any]:
    """Matrix products by themselves, of both passes at once: bfloat16, eight bits by rows with quick and exact sums, and by one scale."""
    why, found = no_eight_bits(bench.device), dict[str, Any]()
    print(f"{'product':<24}{'bf16 ms':>10}{'rows':>8}{'exact':>8}{'one scale':>11}{'rounding':>10}   as shares of bf16")
    for many in tokens:
        for wide, out in _PRODUCTS if not bench.tiny else [(64, 96)]:
            name = f"{2 * many}x{wide}x{out}"
            one, other = (torch.randn(size, wide, device=bench.device, dtype=torch.bfloat16) for size in (2 * many, out))
            usual = _median(bench, lambda one=one, other=other: one @ other.t())  # type: ignore[misc]  # a lambda with a default
            if why is not None:
                print(f"{name:<24}{usual:>10.3f}   {why}")
                continue
            (rows, of_rows), (weight, of_weight) = in_eight_bits(one), in_eight_bits(other)
            single = torch.ones((), device=bench.device)
            multiplied = partial(torch._scaled_mm, rows, weight.t(), out_dtype=torch.bfloat16)
            ways: dict[str, Callable[[], object]] = {
                "rows": partial(multiplied, of_rows, of_weight.t(), use_fast_accum=True),
                "exact": partial(multiplied, of_rows, of_weight.t()),
                "one scale": partial(multiplied, single, single, use_fast_accum=True),
                "rounding": partial(torch.compile(in_eight_bits, dynamic=False), one),
            }
            shares = {way: _tried(bench, work) / usual for way, work in ways.items()}
            print(f"{name:<24}{usual:>10.3f}{shares['rows']:>8.2f}{shares['exact']:>8.2f}{shares['one scale']:>11.2f}"
                  f"{shares['rounding']:>10.2f}", flush=True)  # fmt: skip
            found[name] = {"bf16_ms": usual, **shares}
    return found


def _attentions(bench: Bench, tokens: list[int]) -> dict[str, Any]:
    """Attention by itself, of one block and both passes at once, by each library that is here."""
    config, found = bench.pipe.transformer.config, dict[str, Any]()
    for many in tokens:
        shape = (2, many, config.num_attention_heads, config.attention_head_dim)
        drawn = [torch.randn(shape, device=bench.device, dtype=torch.bfloat16) for _ in range(3)]
        usual = None
        for name in ("native", *ATTENTIONS):
            try:
                with torch.no_grad():
                    took = _median(bench, partial(dispatch_attention_fn, *drawn, backend=AttentionBackendName(name)))
            except Exception as error:
                print(f"attention {many} by {name}: not here ({type(error).__name__}: {str(error).splitlines()[0][:80]})")
                continue
            usual = usual or took
            print(f"attention {many} by {name}: {took:.3f} ms, {took / usual:.2f} of torch's own choice", flush=True)
            found[f"{many} {name}"] = {"ms": took, "of_native": took / usual}
    return found


def _tried(bench: Bench, work: Callable[[], object]) -> float:
    try:
        return _median(bench, work)
    except RuntimeError as error:  # one way must not cost the others
        print(f"  {type(error).__name__}: {str(error)[:300]}")
        return float("nan")


def _median(bench: Bench, work: Callable[[], object]) -> float:
    bench.timed(work)
    return statistics.median(bench.timed(work) for _ in range(7))
