"""The Wan VAE over a whole clip at once.

diffusers feeds the VAE one latent frame at a time through a cache of earlier frames. All its convolutions are causal, so
one pass over all frames gives the same numbers, with a fifth of the kernel launches and a graph that compiles.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanResample, patchify, unpatchify
from torch import Tensor


class WholeClipResample(WanResample):  # type: ignore[misc]
    """The one layer whose cached path differs from the plain one: it leaves the first frame out of time scaling."""

    def forward(self, x: Tensor, feat_cache: list[object] | None = None, feat_idx: list[int] | None = None) -> Tensor:
        if feat_cache is not None:
            return super().forward(x, feat_cache, feat_idx)  # type: ignore[no-any-return]  # diffusers is not typed
        if self.mode == "upsample3d" and x.shape[2] > 1:
            x = torch.cat([x[:, :, :1], self._twice(x[:, :, 1:])], dim=2)
        batch, _, frames = x.shape[:3]
        x = self.resample(x.transpose(1, 2).flatten(0, 1))
        x = x.reshape(batch, frames, *x.shape[1:]).transpose(1, 2)
        if self.mode == "downsample3d" and frames > 1:
            x = torch.cat([x[:, :, :1], self.time_conv(x)], dim=2)
        return x

    def _twice(self, x: Tensor) -> Tensor:
        """Two frames from each."""
        first, second = self.time_conv(x).chunk(2, dim=1)
        return torch.stack([first, second], dim=3).flatten(2, 3)


def run_whole(vae: AutoencoderKLWan) -> AutoencoderKLWan:
    """Make this VAE one for `encode_whole` and `decode_whole`, too; its own encode and decode stay what they are."""
    for module in vae.modules():
        if type(module) is WanResample:
            module.__class__ = WholeClipResample
    return vae


def encode_whole(vae: AutoencoderKLWan, clip: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance, each [batch, 16, 5, 16, 16], of the demo model's clips [batch, 3, 17, 128, 128] in -1..1."""
    moments = vae.quant_conv(vae.encoder(patchify(clip, vae.config.patch_size)))
    mean, log_variance = moments.chunk(2, dim=1)
    return mean, log_variance.clamp(-30.0, 20.0)


def decode_whole(vae: AutoencoderKLWan, latent: Tensor) -> Tensor:
    """Clips of about -1..1, not clamped: a clamp would stop gradients."""
    clip: Tensor = vae.decoder(vae.post_quant_conv(latent), first_chunk=True)
    return clip if vae.config.patch_size is None else unpatchify(clip, vae.config.patch_size)
