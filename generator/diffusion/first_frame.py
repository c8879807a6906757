"""The picture that a clip begins with, as the TI2V models take it: the clip's first latent frame is that of the picture, at every step,
and its tokens are told that they are clean. What `WanImageToVideoPipeline` does where a folder says `expand_timesteps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cache.errors import RenderFailed
from cache.picture import decoded
from cache.recipe import Recipe


@dataclass(frozen=True)
class FirstFrame:
    """The clean latent of a picture, (1, channels, 1, height, width) in float32; `tokens`: of one latent frame."""

    latent: torch.Tensor
    tokens: int

    def shown(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents of clips with the picture in front, in place of what noise is there."""
        return torch.cat([self.latent.to(latents).expand(len(latents), -1, -1, -1, -1), latents[:, :, 1:]], dim=2)

    def told(self, timestep: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The timestep of each token, (clips, tokens): none of the picture's, this one of all others."""
        each = timestep.repeat(latents.shape[2] * self.tokens)
        each[: self.tokens] = 0
        return each.expand(len(latents), -1)


def first_frame(pipe: Any, recipe: Recipe, picture: bytes, device: torch.device) -> FirstFrame:
    """Encodes a picture, which lies in its file at the clip's size. The VAE must be on the device."""
    vae = pipe.vae
    shown = decoded(picture, recipe.width, recipe.height)
    pixels = np.frombuffer(shown.pixels, dtype=np.uint8).reshape(recipe.height, recipe.width, 3)
    image = torch.from_numpy(pixels.copy()).to(device).permute(2, 0, 1).float().div(255).mul(2).sub(1)
    try:
        latent = vae.encode(image[None, :, None].to(vae.dtype)).latent_dist.mode().float()
    finally:
        vae.clear_cache()
    mean, deviation = (
        torch.tensor(numbers).view(1, -1, 1, 1, 1).to(latent) for numbers in (vae.config.latents_mean, vae.config.latents_std)
    )
    _, tall, wide = pipe.transformer.config.patch_size
    return FirstFrame((latent - mean) * (1 / deviation), (latent.shape[3] // tall) * (latent.shape[4] // wide))


def check_order(pipe: Any, recipe: Recipe, picture: bytes | None) -> None:
    """Raises RenderFailed where the Recipe and the order disagree about a picture, or the model's folder takes none."""
    if (picture is None) != (not recipe.picture):
        raise RenderFailed("a clip of a picture is rendered from that picture, and no other one is")
    if picture is not None and not pipe.config.expand_timesteps:
        raise RenderFailed(f"{recipe.model} was not made to begin with a picture: its folder does not say expand_timesteps")
