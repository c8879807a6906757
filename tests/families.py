"""The smallest folders of other text-to-video pipelines of diffusers: random weights, a real tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLMochi,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MochiPipeline,
    MochiTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel, T5Tokenizer

TOKENS = 16
ROWS: dict[str, dict[str, Any]] = {
    "LTXPipeline": {"sizes": [[32, 32], [64, 32]], "frame_step": 8},
    "CogVideoXPipeline": {"sizes": [[16, 16], [32, 16]], "frame_step": 4},
    "MochiPipeline": {"sizes": [[16, 16], [32, 16]], "frame_step": 6},
}


def make_family(kind: str, folder: Path, tokenizer: T5Tokenizer, **row: object) -> Path:
    """A folder with a `reprise.json`."""
    torch.manual_seed(0)
    {"LTXPipeline": _ltx, "CogVideoXPipeline": _cogvideox, "MochiPipeline": _mochi}[kind](tokenizer).save_pretrained(folder)
    fields = {
        "name": f"tiny-{kind}", "default_seconds": 1, "longest_seconds": 2, "fps": 8, "guidance": 3, "steps": {"standard": 3, "draft": 2},
        "max_sequence_length": TOKENS, "pipeline": kind, "sampler": "own", **ROWS[kind], **row,
    }  # fmt: skip
    (folder / "reprise.json").write_text(json.dumps(fields))
    return folder


def _t5(tokenizer: T5Tokenizer) -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4, is_encoder_decoder=False, use_cache=False,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return T5EncoderModel(config)


def _ltx(tokenizer: T5Tokenizer) -> Any:
    four, five = (8, 8, 8, 8), (1, 1, 1, 1, 1)
    vae = AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=four, decoder_block_out_channels=four, layers_per_block=five, decoder_layers_per_block=five,
        spatio_temporal_scaling=(True, True, False, False), decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4, upsample_factor=(1,) * 4, patch_size=1, patch_size_t=1,
    )  # fmt: skip
    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=8, cross_attention_dim=32, num_layers=1,
        caption_channels=32,
    )  # fmt: skip
    return LTXPipeline(FlowMatchEulerDiscreteScheduler(), vae, _t5(tokenizer), tokenizer, transformer)


def _cogvideox(tokenizer: T5Tokenizer) -> Any:
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4, block_out_channels=(8, 8, 8, 8),
        latent_channels=4, layers_per_block=1, norm_num_groups=2,
    )  # fmt: skip
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=4, attention_head_dim=8, in_channels=4, out_channels=4, time_embed_dim=2, text_embed_dim=32, num_layers=1,
        sample_width=2, sample_height=2, sample_frames=9, max_text_seq_length=TOKENS,
    )  # fmt: skip
    return CogVideoXPipeline(tokenizer, _t5(tokenizer), vae, transformer, DDIMScheduler())


def _mochi(tokenizer: T5Tokenizer) -> Any:
    four = (32, 32, 32, 32)
    vae = AutoencoderKLMochi(
        latent_channels=12, encoder_block_out_channels=four, decoder_block_out_channels=four, layers_per_block=(1, 1, 1, 1, 1)
    )
    transformer = MochiTransformer3DModel(
        num_attention_heads=2, attention_head_dim=8, num_layers=1, pooled_projection_dim=16, in_channels=12, text_embed_dim=32,
        time_embed_dim=4, max_sequence_length=TOKENS,
    )  # fmt: skip
    return MochiPipeline(FlowMatchEulerDiscreteScheduler(), vae, _t5(tokenizer), tokenizer, transformer)
