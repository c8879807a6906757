"""The check of a Recipe against the loaded pipeline, which would round sizes and frames in silence, and render another model's clip
without a word."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from cache.catalog import ServedModel
from cache.errors import RenderFailed
from cache.recipe import Recipe, Sampler
from generator.diffusion.step_caches import known_step_cache


def check_recipe(pipe: Any, served: ServedModel, recipe: Recipe, samplers: Collection[Sampler]) -> None:
    """Raises RenderFailed. `samplers`: those of the transformers that are loaded."""
    if (recipe.model, recipe.revision) != (served.name, served.revision):
        raise RenderFailed(f"this renderer has {served.name} {served.revision[:12]}, not {recipe.model} {recipe.revision[:12]}")
    _, tall, wide = (pipe.vae_scale_factor_spatial * side for side in pipe.transformer.config.patch_size)
    tall, wide, deep = math.lcm(16, tall), math.lcm(16, wide), pipe.vae_scale_factor_temporal
    if recipe.width % wide or recipe.height % tall or recipe.frames % deep != 1:
        raise RenderFailed(f"sizes must be multiples of {wide}x{tall} and frames {deep}n + 1, not {recipe.size} and {recipe.frames}")
    if not known_step_cache(recipe.step_cache):
        raise RenderFailed(f"unknown step cache: {recipe.step_cache}")
    few = recipe.sampler == "lcm"
    if recipe.sampler not in samplers or (few and (recipe.step_cache, recipe.guidance, recipe.flow_shift) != ("none", 1.0, 1.0)):
        asked = f"{recipe.sampler}, step cache {recipe.step_cache}, guidance {recipe.guidance:g}"
        raise RenderFailed(
            f"{served.name} is sampled by {' and '.join(samplers)}, without step cache and guidance if it is lcm; not by {asked}"
        )
