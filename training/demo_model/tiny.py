"""The smallest folder that is a whole `WanPipeline`: random weights, real tokenizer. For tests that need a fast real
pipeline (about half a second a clip of 128x128x17 in a few steps on two CPU cores), not a good one.

Write one from the command line with `python -m training.demo_model.tiny FOLDER`.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from generator.demo.scenes import Background, Colour, Motion, Scene, Shape, Thing
from training.demo_model.captions import describe
from training.demo_model.tokens import train_tokenizer


def make_tiny_folder(path: Path | str, seed: int = 0) -> Path:
    """Write the folder and return its path. Equal seeds write equal weights; the caller's random state is kept.

    Load it with `WanPipeline.from_pretrained(path, torch_dtype=torch.float32)`.
    """
    path = Path(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _tiny_pipeline(seed).save_pretrained(path, safe_serialization=True, max_shard_size="8MB")
    return path


def _tiny_pipeline(seed: int) -> WanPipeline:
    tokenizer = train_tokenizer(_captions(seed), pieces=400)
    return WanPipeline(
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(
            UMT5Config(
                vocab_size=len(tokenizer),
                d_model=32,
                d_kv=16,
                d_ff=64,
                num_layers=1,
                num_heads=2,
                feed_forward_proj="gated-gelu",
                dropout_rate=0.0,
                is_encoder_decoder=False,
                use_cache=False,
                pad_token_id=0,
                eos_token_id=1,
            )
        ),
        transformer=WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=24,
            in_channels=16,
            out_channels=16,
            text_dim=32,
            freq_dim=32,
            ffn_dim=96,
            num_layers=2,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
        ),
        vae=AutoencoderKLWan(
            base_dim=8,
            decoder_base_dim=8,
            z_dim=16,
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
            latents_mean=[0.0] * 16,
            latents_std=[1.0] * 16,
        ),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
        ),
        expand_timesteps=True,
    )


def _captions(seed: int) -> list[str]:
    rng = random.Random(seed)

    def thing() -> Thing:
        return Thing(rng.choice(list(Shape)), rng.choice(list(Colour)), rng.choice(list(Motion)))

    def scene() -> Scene:
        return Scene(tuple(thing() for _ in range(rng.choice((1, 2)))), rng.choice(list(Background)))

    return [describe(scene(), rng) for _ in range(2000)]


if __name__ == "__main__":
    print(make_tiny_folder(sys.argv[1]))
