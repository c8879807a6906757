"""Texts as rows of tokens of one length, sentences end to end: what a network reads in one step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Encoding


@dataclass
class Packed:
    """`ids`, `spots`, `kinds`: steps x tokens. `ends`: steps x (sentences + 1). `rows`: which text each sentence is, -1 for none."""

    ids: np.ndarray
    spots: np.ndarray
    kinds: np.ndarray
    ends: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def step(self, at: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        ids, spots, kinds = (torch.from_numpy(part[at]).to(device, non_blocking=True).long() for part in (self.ids, self.spots, self.kinds))
        return ids, spots, kinds, torch.from_numpy(self.ends[at]).to(device, non_blocking=True)


def pack(encodings: list[Encoding], tokens: int, sentences: int, order: np.ndarray | None = None, *, whole: bool = False) -> Packed:
    """Steps of at most `tokens` tokens and `sentences` texts; what fills no step is left out unless `whole`."""
    order = np.arange(len(encodings)) if order is None else order
    parts: list[list[int]] = [[]]
    room = tokens
    for at in order:
        size = len(encodings[at].ids)
        if size > room or len(parts[-1]) == sentences - 1:
            parts.append([])
            room = tokens
        parts[-1].append(int(at))
        room -= size
    if not whole and len(parts) > 1:
        parts.pop()
    ids = np.ones((len(parts), tokens), np.int16)
    spots = np.zeros((len(parts), tokens), np.int16)
    kinds = np.zeros((len(parts), tokens), np.int8)
    ends = np.full((len(parts), sentences + 1), tokens, np.int32)
    rows = np.full((len(parts), sentences), -1, np.int32)
    for step, part in enumerate(parts):
        lengths = np.array([len(encodings[at].ids) for at in part])
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        full = bounds[-1]
        ids[step, :full] = np.concatenate([encodings[at].ids for at in part])
        kinds[step, :full] = np.concatenate([encodings[at].type_ids for at in part])
        spots[step, :full] = np.arange(full) - np.repeat(bounds[:-1], lengths)
        # What is left over is cut into short sentences of padding, none longer than a text may be.
        fill = [*range(int(full), tokens, 512)][1:]
        bounds = np.concatenate([bounds, fill])[:sentences]
        ends[step, : len(bounds)] = bounds
        rows[step, : len(part)] = part
    return Packed(ids, spots, kinds, ends, rows)
