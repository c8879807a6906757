"""The full-size Wan2.2-TI2V-5B architecture with random weights, built in memory: nothing is downloaded.

The configurations are those of the published model; times do not depend on the weights. The tokenizer is the demo model's,
whose ids are all within the vocabulary of the big encoder. `tiny` has the same parts and proportions, for a dry run.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from transformers import AutoTokenizer, UMT5Config, UMT5EncoderModel

from generator.model import BUNDLED

TRANSFORMER: dict[str, Any] = {
    "patch_size": (1, 2, 2), "num_attention_heads": 24, "attention_head_dim": 128, "in_channels": 48, "out_channels": 48,
    "text_dim": 4096, "freq_dim": 256, "ffn_dim": 14336, "num_layers": 30, "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads", "eps": 1e-6, "rope_max_seq_len": 1024,
}  # fmt: skip
VAE: dict[str, Any] = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [],
    "temperal_downsample": [False, True, True], "is_residual": True, "in_channels": 12, "out_channels": 12, "patch_size": 2,
    "scale_factor_temporal": 4, "scale_factor_spatial": 16, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
}  # fmt: skip
ENCODER: dict[str, Any] = {
    "vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
    "feed_forward_proj": "gated-gelu", "dropout_rate": 0.0, "is_encoder_decoder": False, "use_cache": False,
    "pad_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
SCHEDULER: dict[str, Any] = {
    "prediction_type": "flow_prediction", "use_flow_sigmas": True, "num_train_timesteps": 1000, "flow_shift": 5.0,
}  # fmt: skip

_TINY_TRANSFORMER = {"num_attention_heads": 2, "attention_head_dim": 24, "text_dim": 64, "freq_dim": 32, "ffn_dim": 96, "num_layers": 2}
_TINY_VAE = {"base_dim": 8, "decoder_base_dim": 8, "num_res_blocks": 1}
_TINY_ENCODER = {"vocab_size": 4096, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}


def build(device: torch.device, dtype: torch.dtype, *, tiny: bool = False) -> WanPipeline:
    """On the device; transformer and encoder in `dtype`, the VAE in float32, as the model's page advises."""
    torch.manual_seed(0)
    with torch.device(device):
        encoder = UMT5EncoderModel(UMT5Config(**(ENCODER | (_TINY_ENCODER if tiny else {})))).to(dtype).eval()
        transformer = WanTransformer3DModel(**(TRANSFORMER | (_TINY_TRANSFORMER if tiny else {}))).eval()
        vae = AutoencoderKLWan(**(VAE | (_TINY_VAE if tiny else {}))).eval()
    lower(transformer, dtype)
    pipe = WanPipeline(
        tokenizer=AutoTokenizer.from_pretrained(BUNDLED / "tokenizer"),
        text_encoder=encoder,
        transformer=transformer,
        vae=vae,
        scheduler=UniPCMultistepScheduler(**SCHEDULER),
        expand_timesteps=True,
    ).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def lower(transformer: Any, dtype: torch.dtype) -> None:
    """As `from_pretrained` does: the model names parts that stay in float32."""
    kept = set(transformer._keep_in_fp32_modules)
    for name, weight in transformer.named_parameters():
        if not kept & set(name.split(".")):
            weight.data = weight.data.to(dtype)
