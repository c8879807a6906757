"""Encoded prompts, kept in main memory: a repeated prompt pays no text encoding, and the negative one is encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch

from cache.canonical import digest


class Prompts:
    """Least recently used ones go first once `limit` bytes are kept. A text is known by its digest alone.

    Only the real tokens are kept: 8 KB each on the 5B, so that a prompt of 60 tokens takes half a megabyte.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._bytes = 0

    def padded(self, text: str, length: int, device: torch.device, encode: Callable[[], torch.Tensor]) -> torch.Tensor:
        """(length, width) on the device, zeros after the real tokens. `encode` gives those tokens, with or without such zeros, and
        is not called where the text is known."""
        key = digest({"text": text, "length": length})
        known = self._kept.get(key)
        if known is None:
            whole = encode()
            known = whole[: int(whole.any(dim=-1).sum())].cpu()
            self._keep(key, known)
        else:
            self._kept.move_to_end(key)
        # Padded where it is used: the zeros of a long prompt are megabytes that would have to travel.
        padded = torch.zeros(length, known.shape[1], dtype=known.dtype, device=device)
        padded[: known.shape[0]] = known.to(device)
        return padded

    def _keep(self, key: str, known: torch.Tensor) -> None:
        size = known.numel() * known.element_size()
        if size > self._limit:
            return
        self._kept[key] = known
        self._bytes += size
        while self._bytes > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.numel() * oldest.element_size()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        return self._bytes
