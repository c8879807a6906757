"""The stock `WanPipeline` as its documentation runs it, timed stage by stage beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_dispatch import AttentionBackendName

from cache.recipe import Recipe
from generator.diffusion.acceleration import without_acceleration
from generator.diffusion.clocks import Stages


@dataclass(frozen=True)
class StockClip:
    """`video` is (batch, frames, height, width, 3) in 0..1, or None where only latents were asked for; times are of the whole batch."""

    stages_ms: dict[str, float]
    steps_ms: list[float]
    video: Any
    latents: torch.Tensor
    peak_bytes: int | None


def render(pipe: Any, recipe: Recipe, prompts: list[str], seeds: list[int], *, decode: bool = True) -> StockClip:
    """Eager and with torch's own attention, whatever was put into the transformer that both share."""
    device = pipe._execution_device
    stages = Stages(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    latents: list[torch.Tensor] = []

    def step_ended(_pipe: Any, _step: int, _time: Any, given: dict[str, Any]) -> dict[str, Any]:
        stages.step()
        latents[:] = [given["latents"]]
        return given

    with without_acceleration(pipe.transformer), _own_attention(pipe.transformer), _marked(pipe, stages), torch.no_grad():
        stages.begin("text_encode")
        video = pipe(
            prompts,
            negative_prompt=recipe.negative_prompt,
            height=recipe.height,
            width=recipe.width,
            num_frames=recipe.frames,
            num_inference_steps=recipe.steps,
            guidance_scale=recipe.guidance,
            max_sequence_length=recipe.max_sequence_length,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="np" if decode else "latent",
            callback_on_step_end=step_ended,
        ).frames
        taken = stages.end()
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return StockClip(taken, list(stages.steps()), np.asarray(video) if decode else None, latents[0], peak)


@contextmanager
def _marked(pipe: Any, stages: Stages) -> Iterator[None]:
    encode, decode = pipe.encode_prompt, pipe.vae.decode

    def encoded(*args: Any, **more: Any) -> Any:
        found = encode(*args, **more)
        stages.begin("denoise")
        stages.step()
        return found

    def decoded(*args: Any, **more: Any) -> Any:
        stages.begin("vae_decode")
        return decode(*args, **more)

    pipe.encode_prompt, pipe.vae.decode = encoded, decoded
    try:
        yield
    finally:
        del pipe.encode_prompt, pipe.vae.decode


@contextmanager
def _own_attention(transformer: Any) -> Iterator[None]:
    kept = [(module.processor, module.processor._attention_backend) for module in transformer.modules() if hasattr(module, "processor")]
    for processor, _ in kept:
        processor._attention_backend = AttentionBackendName.NATIVE
    try:
        yield
    finally:
        for processor, backend in kept:
            processor._attention_backend = backend
