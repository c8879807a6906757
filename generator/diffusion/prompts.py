"""Encoded prompts, kept in main memory: a repeated prompt pays no text encoding, and the negative one is encoded once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from cachetools import LRUCache

from cache.canonical import digest


class Prompts:
    """Least recently used ones go first once `limit` bytes are kept. A text is known by its digest alone.

    Only the real tokens are kept: 8 KB each on the 5B, so that a prompt of 60 tokens takes half a megabyte.
    """

    def __init__(self, limit: int) -> None:
        self._kept: LRUCache[str, torch.Tensor] = LRUCache(limit, getsizeof=lambda one: one.numel() * one.element_size())

    def padded(self, text: str, length: int, device: torch.device, encode: Callable[[], torch.Tensor]) -> torch.Tensor:
        """(length, width) on the device, zeros after the real tokens. `encode` gives those tokens, with or without such zeros, and
        is not called where the text is known."""
        key = digest({"text": text, "length": length})
        known = self._kept.get(key)
        if known is None:
            whole = encode()
            known = whole[: int(whole.any(dim=-1).sum())].cpu()
            with suppress(ValueError):  # one alone is over the limit
                self._kept[key] = known
        # Padded where it is used: the zeros of a long prompt are megabytes that would have to travel.
        padded = torch.zeros(length, known.shape[1], dtype=known.dtype, device=device)
        padded[: known.shape[0]] = known.to(device)
        return padded

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        return int(self._kept.currsize)
