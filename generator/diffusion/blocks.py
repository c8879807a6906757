"""The transformer's blocks with less to do for the same result: a text is read once for all steps of a clip, and GELU is
computed within the matrix product before it.
"""

from __future__ import annotations

from typing import Any

import structlog
import torch
from diffusers.models.activations import GELU
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

log = structlog.get_logger(__name__)

_KEPT = 2**30
"""Bytes of keys and values that are kept at the most: two clips of the 5B with guidance. A larger batch reads its texts anew."""


class ReadText(WanAttnProcessor):  # type: ignore[misc]  # diffusers is not typed
    """Attention to a text. Its keys and values depend on nothing else, so they are equal at every step: `key` and `value` are
    (batch, length, heads, width), or None where they are to be computed."""

    key: Tensor | None = None
    value: Tensor | None = None

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *more: Any) -> Tensor:
        if self.key is None:
            return super().__call__(attn, hidden_states, encoder_hidden_states, *more)  # type: ignore[no-any-return]  # as above
        query = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, (attn.heads, -1))
        found = dispatch_attention_fn(query, self.key, self.value, backend=self._attention_backend)
        out, dropout = attn.to_out
        return dropout(out(found.flatten(2, 3).type_as(query)))  # type: ignore[no-any-return]  # as above


def read_texts_once(transformer: Any) -> None:
    """Lets a `Reader` work. Models that also attend to a picture stay as they are."""
    for block in transformer.blocks:
        if type(block.attn2.processor) is WanAttnProcessor and block.attn2.add_k_proj is None:
            block.attn2.processor = ReadText()


class Reader:
    """Reads the texts of one denoise loop, and forgets them at its end."""

    def __init__(self, transformer: Any) -> None:
        self._transformer = transformer
        self._read: list[tuple[Tensor, list[tuple[Tensor, Tensor]]]] = []

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for block in self._transformer.blocks:
            if isinstance(block.attn2.processor, ReadText):
                block.attn2.processor.key = block.attn2.processor.value = None

    def turn_to(self, text: Tensor) -> None:
        """Sets the text of the next passes: (batch, length, width), the same tensor that they get."""
        attentions = [block.attn2 for block in self._transformer.blocks]
        if not all(isinstance(attention.processor, ReadText) for attention in attentions):
            return
        width = attentions[0].kv_inner_dim
        if 2 * len(attentions) * text.shape[0] * text.shape[1] * width * text.element_size() > _KEPT:
            return
        read = next((read for known, read in self._read if known is text), None)
        if read is None:
            embedded = self._transformer.condition_embedder.text_embedder(text)
            read = [_keys_and_values(attention, embedded) for attention in attentions]
            self._read.append((text, read))
        for attention, (key, value) in zip(attentions, read, strict=True):
            attention.processor.key, attention.processor.value = key, value


def _keys_and_values(attention: Any, text: Tensor) -> tuple[Tensor, Tensor]:
    key, value = attention.norm_k(attention.to_k(text)), attention.to_v(text)
    return key.unflatten(2, (attention.heads, -1)), value.unflatten(2, (attention.heads, -1))


@torch.library.custom_op("reprise::linear_gelu", mutates_args=())
def _linear_gelu(given: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    # An operation of its own, because torch's compiler would take the one within apart again.
    rows = given.reshape(-1, given.shape[-1])
    found: Tensor = torch._addmm_activation(bias, rows, weight.t(), use_gelu=True)
    return found.view(*given.shape[:-1], -1)


@_linear_gelu.register_fake
def _(given: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return given.new_empty(*given.shape[:-1], weight.shape[0])


class LinearGELU(GELU):  # type: ignore[misc]  # diffusers is not typed
    """A linear layer with fused GELU; on a GPU in the tanh approximation, which Wan uses."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        found: Tensor = _linear_gelu(hidden_states, self.proj.weight, self.proj.bias)
        return found


def fuse_gelu(transformer: Any) -> bool:
    """Fuses GELU; False if the device lacks the operation or it gives another result."""
    found = [module for module in transformer.modules() if type(module) is GELU and _can_fuse(module)]
    if not found or not _fuses(found[0]):
        return False
    for module in found:
        module.__class__ = LinearGELU
    return True


def _can_fuse(module: GELU) -> bool:
    """Not with a LoRA on it: its product is more than that of its weight."""
    return module.approximate == "tanh" and type(module.proj) is torch.nn.Linear and module.proj.bias is not None


def _fuses(parts: GELU) -> bool:
    weight, bias = parts.proj.weight, parts.proj.bias
    given = torch.randn((1, 64, weight.shape[1]), generator=torch.Generator("cpu").manual_seed(0)).to(weight)
    try:
        with torch.no_grad():
            expected = parts(given)
            apart = ((_linear_gelu(given, weight, bias) - expected).norm() / expected.norm()).item()
    except RuntimeError as error:  # no such operation for this device or precision
        log.info("fused GELU not used", reason=f"{type(error).__name__}: {str(error)[:200]}")
        return False
    return bool(apart < 0.01)


def unfuse_gelu(transformer: Any) -> list[Any]:
    """Reverts `fuse_gelu`."""
    fused = [module for module in transformer.modules() if type(module) is LinearGELU]
    for module in fused:
        module.__class__ = GELU
    return fused
