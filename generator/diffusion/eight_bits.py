"""Matrix products of the transformer's blocks in eight bits: half the reads and twice the rate on a card that multiplies them itself.

Numbers are E4M3, the format for weights and activations in "FP8 Formats for Deep Learning" (arXiv:2209.05433), with one scale for each
row of either side: `torch._scaled_mm`. Weights are rounded once; their factors at every pass, within the kernel before if it is compiled.
"""

from __future__ import annotations

from typing import Any

import structlog
import torch
from torch import Tensor
from torch.nn import Linear, Parameter

from cache.errors import RenderFailed

log = structlog.get_logger(__name__)

EIGHT_BITS = torch.float8_e4m3fn
_MOST = torch.finfo(EIGHT_BITS).max
_LEAST = 1e-12  # of a row's scale: one of zeros has none of its own

# Both sides' lengths must be multiples of it.
_STRIDE = 16


def in_eight_bits(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Each row in E4M3, and the scale, in float32, that brings it back."""
    wide = rows.float()
    scale = (wide.abs().amax(-1, keepdim=True) / _MOST).clamp(min=_LEAST)
    return (wide / scale).clamp(-_MOST, _MOST).to(EIGHT_BITS), scale


class ScaledLinear(Linear):
    """A linear layer in eight bits. `scale`: of each row of its weight. `fast`: sums are kept as the tensor cores do by themselves, in
    fewer bits than float32."""

    scale: Tensor
    fast: bool

    def forward(self, input: Tensor) -> Tensor:
        rows, scale = in_eight_bits(input.reshape(-1, input.shape[-1]))
        found = _product(rows, scale, self.weight, self.scale, self.bias, input.dtype, self.fast)
        return found.view(*input.shape[:-1], -1)


def _product(
    rows: Tensor, of_rows: Tensor, weight: Tensor, of_weight: Tensor, bias: Tensor | None, dtype: torch.dtype, fast: bool
) -> Tensor:
    return torch._scaled_mm(rows, weight.t(), of_rows, of_weight.t(), bias, out_dtype=dtype, use_fast_accum=fast)


def use_fp8_products(transformer: Any, device: torch.device, precision: str) -> None:
    """`scale_products` where the device has such products; else RenderFailed."""
    why = no_eight_bits(device, precision)
    if why is not None:
        raise RenderFailed(f"REPRISE_SPEED: fp8_products cannot be on: {why}", "fp8_not_supported")
    log.info("matrix products in eight bits", layers=scale_products(transformer, device))


def scale_products(transformer: Any, device: torch.device, *, fast: bool = True) -> int:
    """Rounds the weights of the blocks' layers on the device, block by block, and leaves them where they were; all but those that read
    a text, which work once a clip, and low-rank ones. Returns how many it rounded."""
    count = 0
    for block in transformer.blocks:
        where = next(block.parameters()).device
        block.to(device)
        for name, module in block.named_modules():
            if type(module) is Linear and _is_rounded(name.split(".")) and _fits(module):
                _round(module, fast)
                count += 1
        block.to(where)
    return count


def _round(layer: Any, fast: bool) -> None:
    weight, scale = in_eight_bits(layer.weight.data)
    layer.weight = Parameter(weight, requires_grad=False)
    layer.register_buffer("scale", scale)
    layer.__class__, layer.fast = ScaledLinear, fast


def _is_rounded(name: list[str]) -> bool:
    of_text = name[0] == "attn2" and not {"to_q", "to_out"} & set(name)
    return not of_text and not any(part.startswith("lora_") for part in name)


def _fits(layer: Linear) -> bool:
    return layer.in_features % _STRIDE == 0 and layer.out_features % _STRIDE == 0


def no_eight_bits(device: torch.device, precision: str = "bfloat16") -> str | None:
    """The reason why the device has no such products, or none worth having; None where it has."""
    if precision != "bfloat16":
        return f"the model computes in {precision}, not in bfloat16"
    if device.type != "cuda":
        return f"{device.type} is no faster with them"
    able = torch.cuda.get_device_capability(device)
    if able < (8, 9):
        return f"this card has compute capability {able[0]}.{able[1]}; cards have them from 8.9 on"
    drawn = torch.randn((2, 64, 64), generator=torch.Generator("cpu").manual_seed(0)).to(device)
    (rows, of_rows), (weight, of_weight) = (in_eight_bits(one) for one in drawn)
    expected = (rows.float() * of_rows) @ (weight.float() * of_weight).t()
    try:
        found = _product(rows, of_rows, weight, of_weight, None, torch.bfloat16, fast=True)
    except RuntimeError as error:  # a library without them
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    apart = ((found - expected).norm() / expected.norm()).item()
    return None if apart < 0.02 else f"its products are wrong by {apart:.3f}"
