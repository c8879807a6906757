"""A clip's final latent as it is stored: safetensors of one tensor, normalised as the transformer sees it."""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from cache.errors import BadDonor
from cache.recipe import Recipe


def latent_shape(pipe: Any, recipe: Recipe) -> tuple[int, ...]:
    """The shape of one clip's latent, with its batch of 1."""
    deep = (recipe.frames - 1) // pipe.vae_scale_factor_temporal + 1
    tall, wide = (side // pipe.vae_scale_factor_spatial for side in (recipe.height, recipe.width))
    return (1, pipe.transformer.config.in_channels, deep, tall, wide)


def packed(latent: torch.Tensor) -> bytes:
    # float16, not bfloat16: latents stay within a dozen deviations, so its finer steps cost nothing.
    return save({"latent": latent.to(torch.float16).contiguous().cpu()}, {"space": "normalised"})


def unpacked(latent: bytes, shape: tuple[int, ...]) -> torch.Tensor:
    """A stored latent in float32. Raises BadDonor where it is none, or not one of this shape."""
    try:
        found = load(latent)["latent"].float()
    except (SafetensorError, KeyError) as error:
        raise BadDonor("the donor's latent cannot be read") from error
    if found.shape != shape or not found.isfinite().all():
        raise BadDonor(f"the donor's latent is not a clean one of {shape}")
    return found
