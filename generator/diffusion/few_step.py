"""The denoise loop of a distilled model: a handful of points, one pass at each, no guidance, and fresh noise between them.

At each point the model tells the clean latent, `x0 = x - sigma * velocity`, which is noised again to the next point,
`x = (1 - sigma) * x0 + sigma * noise`; the last clean latent is the clip's. That is the transition of FastVideo's DMD models, which
diffusers has as `FlowMatchLCMScheduler`. Its shift is 1: any other would bend the points, in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import FlowMatchLCMScheduler

from cache.catalog import TRAINED
from cache.recipe import Recipe
from generator.diffusion.blocks import Reader
from generator.diffusion.denoising import Pass
from generator.diffusion.first_frame import FirstFrame


def denoise_in_few_steps(
    transformer: Any,
    recipe: Recipe,
    shape: tuple[int, ...],
    seeds: Sequence[int],
    texts: torch.Tensor,
    step_ended: Callable[[int], None],
    first: FirstFrame | None = None,
) -> torch.Tensor:
    """Clean latents in float32, one for each seed; `shape` is that of one clip, with its batch of 1, `step_ended` and `first` as in
    `denoise`.

    All noise of a clip comes from its own CPU generator, the first as in `draw`: a seed means the same on every device and in every batch.
    """
    device = texts.device
    own = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    latents = torch.cat([torch.randn(shape, generator=one, dtype=torch.float32) for one in own]).to(device)
    scheduler = FlowMatchLCMScheduler(num_train_timesteps=TRAINED, shift=1.0)
    scheduler.set_timesteps(sigmas=[point / TRAINED for point in recipe.timesteps], device=device)
    scheduler.set_begin_index(0)  # else the first step asks the device where it is
    given = texts.to(transformer.dtype)
    with Reader(transformer) as reader:
        for step, timestep in enumerate(scheduler.timesteps):
            known = {"step_index": step, "sigma": float(scheduler.sigmas[step]), "num_inference_steps": recipe.steps}
            seen = latents if first is None else first.shown(latents)
            predicted = Pass(transformer, reader, timestep, known, first).passed("cond", seen.to(transformer.dtype), given)
            # In float32, since the scheduler gives latents in the precision of what was predicted.
            latents = scheduler.step(predicted.float(), timestep, latents, generator=own, return_dict=False)[0]
            step_ended(step + 1)
    return latents if first is None else first.shown(latents)
