"""The parts of a loaded pipeline where their placement wants them: on the device, or in main memory and on the device in their turn.

Main memory that the device copies from is page-locked, which makes a copy twice as fast and lets it run beside the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, assert_never

import torch
from diffusers.hooks import HookRegistry, apply_group_offloading
from diffusers.hooks.layerwise_casting import apply_layerwise_casting_hook
from torch.nn import Linear, Module, ModuleList

from generator.placement import (
    AllResident,
    Architecture,
    BlocksTravel,
    EncoderInFp8,
    EncoderOnCpu,
    EncoderTravels,
    PartsInTurn,
    PartSizes,
    Placement,
)
from generator.speed import ChosenSpeed

_SLAB = 2**28
"""Bytes that are locked at once. Torch rounds each piece up to a power of two: weight by weight the 5B would lock 31 GB, not 21."""

_MAIN, _EIGHT_BITS = torch.device("cpu"), torch.float8_e4m3fn


class PlacedParts:
    """A pipeline by its placement; `transformers` are its own and perhaps that of drafts. `prepare` puts its parts where they can be tried
    and accelerated, `settle` where they stay."""

    def __init__(self, pipe: Any, transformers: Sequence[Any], placement: Placement, device: torch.device) -> None:
        self._pipe, self._transformers, self._placement, self._device = pipe, transformers, placement, device
        self._turns: dict[Module, Turn] = {}

    @property
    def blocks_travel(self) -> bool:
        return isinstance(self._placement, BlocksTravel)

    def prepare(self) -> None:
        pipe, transformers, device = self._pipe, self._transformers, self._device
        match self._placement:
            case AllResident():
                pipe.to(device)
                _to(device, *transformers)
            case EncoderTravels() | EncoderOnCpu():
                _to(_MAIN, pipe.text_encoder)
                _to(device, *transformers, pipe.vae)
            case EncoderInFp8():
                store_in_eight_bits(pipe.text_encoder)
                _to(device, pipe.text_encoder, *transformers, pipe.vae)
            case PartsInTurn() | BlocksTravel():
                _to(_MAIN, pipe.text_encoder, *transformers, pipe.vae)
                _to(device, *(transformer.blocks[0] for transformer in transformers))  # accelerations are tried on the first block
            case other:
                assert_never(other)

    def settle(self) -> None:
        pipe, device = self._pipe, self._device
        match self._placement:
            case AllResident() | EncoderOnCpu() | EncoderInFp8():
                pass
            case EncoderTravels():
                layers_travel(pipe.text_encoder, device)
            case PartsInTurn():
                layers_travel(pipe.text_encoder, device)
                self._turns = {part: Turn(part, device) for part in (*self._transformers, pipe.vae)}
            case BlocksTravel(spare=spare):
                layers_travel(pipe.text_encoder, device)
                for transformer in self._transformers:
                    blocks_travel(transformer, device, spare if transformer is pipe.transformer else 0)
                _to(device, pipe.vae)
            case other:
                assert_never(other)

    def only(self, part: Module | None) -> None:
        """The part that works next, None for the text encoder. Where parts take turns the others leave the device."""
        for other, turn in self._turns.items():
            if other is not part:
                turn.leave()
        if part in self._turns:
            self._turns[part].come()


class Turn:
    """A part of the pipeline that is on the device only in its turn. Its copy in main memory stays."""

    def __init__(self, part: Module, device: torch.device) -> None:
        self._device = device
        self._weights = dict(zip(_tensors(part), locked(_tensors(part), device), strict=True))
        self.leave()

    def come(self) -> None:
        for weight, kept in self._weights.items():
            if weight.device != self._device:
                weight.data = kept.to(self._device, non_blocking=True)

    def leave(self) -> None:
        for weight, kept in self._weights.items():
            weight.data = kept


def layers_travel(encoder: Module, device: torch.device) -> None:
    """The layers of the text encoder travel one by one. The words' own vectors are looked up in main memory: a fifth of it, of
    which a prompt needs a few rows.
    """
    stack: Any = encoder.encoder
    words: Module = stack.embed_tokens
    _to(_MAIN, encoder)
    stack.embed_tokens = None  # what travels is found by a walk over the modules
    _lock(stack, device)
    apply_group_offloading(stack, device, _MAIN, "leaf_level", **_streamed(device))
    stack.embed_tokens = words
    words.register_forward_pre_hook(lambda _, given: (given[0].to(_MAIN),))
    words.register_forward_hook(lambda _, given, found: found.to(device))


def blocks_travel(transformer: Module, device: torch.device, spare: int = 0) -> None:
    """The transformer's blocks travel, each while those before it compute. What is no block stays on the device, and of the blocks as
    many as `spare` bytes hold, spread evenly, so that each that travels has more of the work of others to hide behind.
    """
    every: Any = transformer.blocks
    staying = min(len(every) - 1, spare // max(_bytes(_tensors(block)) for block in every))
    travelling = ModuleList(block for at, block in enumerate(every) if (at + 1) * staying // len(every) == at * staying // len(every))
    _to(_MAIN, travelling)
    _lock(travelling, device)
    transformer.blocks = travelling  # what travels is found by a walk over the modules
    apply_group_offloading(transformer, device, _MAIN, "block_level", num_blocks_per_group=1, **_streamed(device))
    transformer.blocks = every
    # diffusers would carry all the rest to and fro at every pass, by way of memory that is not locked.
    rest = HookRegistry.check_if_exists_or_initialize(transformer).get_hook("group_offloading").group
    _to(device, *rest.modules, *(block for block in every if block not in set(travelling)))
    for weight in (*rest.parameters, *rest.buffers):
        weight.data = weight.data.to(device)
    rest.modules, rest.parameters, rest.buffers = [], [], []


def store_in_eight_bits(encoder: Module) -> None:
    """The encoder's matrices in eight bits; each is widened for the moment in which it computes."""
    wide = next(encoder.parameters()).dtype
    for module in list(encoder.modules()):
        if hasattr(module, "wo"):  # its forward asks its last matrix for the precision, so that all three are widened together
            apply_layerwise_casting_hook(module, _EIGHT_BITS, wide, False)
    for name, module in list(encoder.named_modules()):
        if isinstance(module, Linear) and not name.rpartition(".")[2].startswith("w"):
            apply_layerwise_casting_hook(module, _EIGHT_BITS, wide, False)


def part_sizes(pipe: Any, draft: Any | None = None) -> PartSizes:
    encoder, transformers = pipe.text_encoder, [pipe.transformer, *([] if draft is None else [draft])]
    matrices = [module.weight for module in encoder.modules() if isinstance(module, Linear)]
    blocks = [_bytes(_tensors(block)) for transformer in transformers for block in transformer.blocks]
    each = [_bytes(_tensors(transformer)) for transformer in transformers]
    return PartSizes(
        encoder=_bytes(_tensors(encoder)),
        encoder_fp8=_bytes(_tensors(encoder)) - sum(weight.numel() * (weight.element_size() - 1) for weight in matrices),
        encoder_travels=3 * max((weight.nbytes for weight in matrices), default=0),
        transformer=each[0],
        draft=sum(each[1:]),
        blocks_travel=2 * max(blocks),
        rest=sum(each) - sum(blocks),
        vae=_bytes(_tensors(pipe.vae)),
    )


def architecture(pipe: Any, chosen: ChosenSpeed) -> Architecture:
    transformer, vae = pipe.transformer.config, pipe.vae.config
    _, tall, wide = transformer.patch_size
    side = pipe.vae_scale_factor_spatial
    precisions = {getattr(torch, name) for name in (chosen.precision, chosen.vae_precision)}
    return Architecture(
        width=transformer.num_attention_heads * transformer.attention_head_dim,
        inner=transformer.ffn_dim,
        blocks=transformer.num_layers,
        token=(pipe.vae_scale_factor_temporal, side * tall, side * wide),
        channels=vae.get("decoder_base_dim") or vae.base_dim,
        packed=vae.get("patch_size") or 1,
        number=max(precision.itemsize for precision in precisions),
    )


def locked(tensors: Iterable[torch.Tensor], device: torch.device) -> Iterator[torch.Tensor]:
    """Copies in page-locked main memory, in slabs. Without a device of its own there is nothing to copy from one to the other."""
    slab, taken = torch.empty(0, dtype=torch.uint8), 0
    for tensor in tensors:
        if device.type != "cuda":
            yield tensor.data.to(_MAIN)
            continue
        room = -(-tensor.nbytes // 256) * 256
        if room > _SLAB or not tensor.is_contiguous():
            yield torch.empty_like(tensor.data, device=_MAIN, pin_memory=True).copy_(tensor.data)
            continue
        if taken + room > slab.nbytes:
            slab, taken = torch.empty(_SLAB, dtype=torch.uint8, pin_memory=True), 0
        kept = slab[taken : taken + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        taken += room
        yield kept.copy_(tensor.data)


def _lock(part: Module, device: torch.device) -> None:
    for weight, kept in zip(_tensors(part), locked(_tensors(part), device), strict=True):
        weight.data = kept  # one by one: what it replaces goes at once


def _streamed(device: torch.device) -> dict[str, Any]:
    # The compute stream is told which weights it reads, or the host would wait for it at every layer.
    return {"use_stream": True, "record_stream": True, "non_blocking": True} if device.type == "cuda" else {}


def _to(device: torch.device, *parts: Module) -> None:
    for part in parts:
        part.to(device)


def _tensors(part: Module) -> list[torch.Tensor]:
    """Its weights and buffers; what is tied once."""
    return list(dict.fromkeys(chain(part.parameters(), part.buffers())))


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
