"""The first stage of training: the VAE, and the statistics of its latents."""

from __future__ import annotations

import math

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from generator.diffusion.whole_clip import decode_whole, encode_whole, run_whole
from training.demo_model import parts
from training.demo_model.descent import Clock, Descent, Studio, autocast, channels_last, compiled, say
from training.demo_model.ranks import Ranks


def train_vae(studio: Studio, clock: Clock, batch: int, steps: int, ranks: Ranks) -> AutoencoderKLWan:
    """Reconstruction in absolute and squared error, with just enough KL to keep the latents in bounds."""
    vae = run_whole(parts.vae()).to(studio.device)
    if studio.device.type == "cuda":
        channels_last(vae)
    descent = Descent([vae], 1e-3, 0.998, clock, ranks)

    def loss_of(clip: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = encode_whole(vae, clip)
        error = decode_whole(vae, mean + noise * (0.5 * log_variance).exp()).float() - clip
        kl = 0.5 * (mean.float() ** 2 + log_variance.float().exp() - 1 - log_variance.float()).mean()
        squared = (error**2).mean()
        return error.abs().mean() + 4.0 * squared + 1e-4 * kl, squared

    fast = compiled(loss_of, studio.device)
    for clip in studio.clips(batch):
        noise = torch.randn(batch, parts.LATENT_CHANNELS, 5, *(side // 8 for side in clip.shape[-2:]), device=clip.device)
        with autocast(studio.device):
            loss, squared = fast(clip, noise)
        descent.step(loss)
        if ranks.first and (descent.steps % 200 == 1 or descent.steps == steps):
            say(f"vae step {descent.steps}: loss {loss.item():.4f}, {decibels(squared.item()):.2f} dB")
        if descent.progress >= 1 or descent.steps == steps:
            break
    vae.load_state_dict(descent.averages[0].weights)
    return vae.eval().requires_grad_(False)


def decibels(squared_error: float) -> float:
    """PSNR of pixels in -1..1."""
    return 10 * math.log10(4 / max(squared_error, 1e-12))


@torch.no_grad()
def reconstruction(vae: AutoencoderKLWan, studio: Studio, count: int) -> float:
    """Mean over fresh clips of the PSNR of their reconstruction, in float32."""
    clips = studio.clips(8)
    scores: list[float] = []
    while len(scores) < count:
        clip = next(clips)
        again = decode_whole(vae, encode_whole(vae, clip)[0]).clamp(-1, 1)
        scores += [decibels(e) for e in ((again - clip) ** 2).mean(dim=(1, 2, 3, 4)).tolist()]
    return sum(scores) / len(scores)


@torch.no_grad()
def measure_latents(vae: AutoencoderKLWan, studio: Studio, count: int, ranks: Ranks) -> None:
    """Write the mean and deviation of each latent channel into the VAE's configuration."""
    clips = studio.clips(8)
    latents = torch.cat([encode_whole(vae, next(clips))[0].float() for _ in range(max(1, count // 8))])
    mean, deviation = latents.mean(dim=(0, 2, 3, 4)), latents.std(dim=(0, 2, 3, 4))
    ranks.same([mean, deviation])
    vae.register_to_config(latents_mean=mean.tolist(), latents_std=deviation.tolist())
