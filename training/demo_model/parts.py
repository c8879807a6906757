"""The parts of the demo pipeline, untrained, and how they are written to a folder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from torch import Tensor, nn
from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

LATENT_CHANNELS = 16


def text_encoder(vocabulary: int) -> UMT5EncoderModel:
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocabulary,
            d_model=256,
            d_kv=64,
            d_ff=512,
            num_layers=3,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            is_encoder_decoder=False,
            use_cache=False,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def transformer() -> WanTransformer3DModel:
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=4,
        attention_head_dim=64,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        text_dim=256,
        freq_dim=256,
        ffn_dim=1024,
        num_layers=8,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
    )


def vae() -> AutoencoderKLWan:
    """Residual and patched as in Wan2.2-TI2V-5B; factor 8 in space and 4 in time."""
    return AutoencoderKLWan(
        base_dim=32,
        decoder_base_dim=32,
        z_dim=LATENT_CHANNELS,
        # A residual stage that does not downsample needs equal widths on both sides.
        dim_mult=[1, 2, 2],
        num_res_blocks=1,
        attn_scales=[],
        temperal_downsample=[True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_temporal=4,
        scale_factor_spatial=8,
        latents_mean=[0.0] * LATENT_CHANNELS,
        latents_std=[1.0] * LATENT_CHANNELS,
    )


def scheduler() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0)


def save(
    folder: Path,
    tokenizer: T5Tokenizer,
    text: UMT5EncoderModel,
    denoiser: WanTransformer3DModel,
    autoencoder: AutoencoderKLWan,
) -> None:
    """Write a standard `WanPipeline` folder in bfloat16, in shards that git hosts show without complaint."""
    pipeline = WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text.to(torch.bfloat16),
        transformer=denoiser.to(torch.bfloat16),
        vae=autoencoder.to(torch.bfloat16),
        scheduler=scheduler(),
        expand_timesteps=True,
    )
    # A gap below the promised 8 MB leaves room for the headers of the files.
    pipeline.save_pretrained(folder, safe_serialization=True, max_shard_size="7500KB")


def plain_copy(weights: dict[str, Tensor], model: nn.Module) -> None:
    """Load weights that may live on another device, in another layout or precision."""
    model.load_state_dict({name: value.detach().float().cpu().contiguous() for name, value in weights.items()})
