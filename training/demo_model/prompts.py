"""Endless encoded captions, and what each asks for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import UMT5EncoderModel

from training.demo_model.deck import CAPTIONS, Deck, Hand
from training.demo_model.descent import autocast

OPEN = -100
"""Stands for a class where a caption leaves open which: the value that torch's cross entropy passes over."""
COLOUR = 1
"""The place of the colour in supervision.ATTRIBUTES."""


@dataclass(frozen=True)
class Asked:
    """A batch of captions."""

    words: Tensor
    """[batch, length, width], encoded."""
    things: Tensor
    """[batch, 2, 4]: classes of supervision.py, or OPEN. A size, a motion or a background that a caption leaves out has the class that
    silence means (medium, still, black): captions.py leaves out no other. A colour that it leaves out may be any."""
    background: Tensor
    """[batch]"""


class Words:
    """Encoded captions without end. The text encoder stays as the teacher has it."""

    def __init__(self, deck: Deck, encoder: UMT5EncoderModel, device: torch.device) -> None:
        self._hands, self._encoder, self._device = iter(deck), encoder, device
        self._waiting: tuple[Tensor, ...] = ()
        """Tokens, things and backgrounds, row by row."""

    def batch(self, size: int) -> Asked:
        while not self._waiting or len(self._waiting[0]) < size:
            fresh = by_caption(next(self._hands))
            order = torch.randperm(len(fresh[0]))
            before = self._waiting or tuple(column[:0] for column in fresh)
            self._waiting = tuple(torch.cat([kept, column[order]]) for kept, column in zip(before, fresh, strict=True))
        tokens, things, background = (column[:size].to(self._device).long() for column in self._waiting)
        self._waiting = tuple(column[size:] for column in self._waiting)
        return Asked(self.encoded(tokens), things, background)

    @torch.no_grad()
    def encoded(self, tokens: Tensor) -> Tensor:
        """As in WanPipeline: the encoder sees the mask, the transformer zeros after the last token."""
        mask = tokens != 0
        with autocast(self._device):
            found: Tensor = self._encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state * mask[:, :, None]
        return found.float()

    def silence(self, length: int) -> Tensor:
        empty = torch.zeros(1, length, dtype=torch.long, device=self._device)
        empty[:, 0] = 1  # the end token alone: how the pipeline encodes ""
        return self.encoded(empty)


def by_caption(hand: Hand) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, things and background of each caption of a hand."""
    things = torch.from_numpy(hand.things).repeat_interleave(CAPTIONS, dim=0)
    things[:, :, COLOUR][~torch.from_numpy(hand.named).flatten(0, 1)] = OPEN
    background = torch.from_numpy(hand.stage.background).repeat_interleave(CAPTIONS)
    return torch.from_numpy(hand.tokens).flatten(0, 1), things, background
