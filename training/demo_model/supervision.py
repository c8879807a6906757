"""Heads that only training has: what a prompt says is read off the text encoder, what stands where off the middle of the
transformer. The velocity's loss alone teaches both slowly, since a wrong colour or a lost second thing is little of it.
Aligning a denoiser's middle with what is in the picture is Yu and others' (arXiv:2410.06940); there another model's features
tell it, here the scene itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

from generator.demo.scenes import Background, Colour, Motion, Shape, Size

ATTRIBUTES = (Shape, Colour, Motion, Size)
"""Of a thing, in the order in which `Answers.things` has them."""
CLASSES = [len(attribute) + 1 for attribute in ATTRIBUTES]
"""The last class says that there is no thing."""
MIDDLE = 4
"""Blocks of the transformer before the place where it is read."""
TOKENS = (5, 8, 8)
"""Of a clip in the transformer: latent frames, rows, columns."""


@dataclass(frozen=True)
class Answers:
    """The readings that the heads should give, for a batch of scenes."""

    things: Tensor
    """[batch, 2, 4]: a class of each attribute of each thing, in the order in which captions name the things."""
    background: Tensor
    """[batch]"""
    owner: Tensor
    """[batch, *TOKENS]: the thing that stands at a token of the transformer; 2 for none."""


def owners(track: Tensor) -> Tensor:
    """The owner of each place, from tracks [batch, 2, frames, 4]."""
    frames, rows, columns = TOKENS
    # The first latent frame holds one frame, every other one four.
    after = track[:, :, 1:].reshape(len(track), 2, frames - 1, -1, 4).mean(dim=3)
    x, y, radius, _ = torch.cat([track[:, :, :1], after], dim=2).unbind(-1)
    across = (torch.arange(columns, device=track.device) + 0.5) / columns
    down = (torch.arange(rows, device=track.device) + 0.5) / rows
    distance = torch.hypot(x[..., None, None] - across, y[..., None, None] - down[:, None])
    reach = torch.where(radius > 0, radius + 0.5 / rows, 0.0)[..., None, None]
    nearest, which = (distance - reach).min(dim=1)
    return torch.where(nearest < 0, which, 2)


def forward(denoiser: WanTransformer3DModel, noisy: Tensor, timestep: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    """The transformer's velocity and its middle [batch, tokens, width], with one timestep a clip."""
    turn = denoiser.rope(noisy)
    hidden = denoiser.patch_embedding(noisy).flatten(2).transpose(1, 2).contiguous()
    time, modulation, words, _ = denoiser.condition_embedder(timestep, words, None, timestep_seq_len=None)
    modulation = modulation.unflatten(1, (6, -1))
    middle = hidden
    for count, block in enumerate(denoiser.blocks, 1):
        hidden = block(hidden, words, modulation, turn)
        if count == MIDDLE:
            middle = hidden
    shift, scale = (denoiser.scale_shift_table + time[:, None]).chunk(2, dim=1)
    hidden = denoiser.proj_out((denoiser.norm_out(hidden.float()) * (1 + scale) + shift).type_as(hidden))
    patches = hidden.unflatten(1, TOKENS).unflatten(-1, (*denoiser.config.patch_size, -1))
    return patches.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3), middle


class Seeing(nn.Module):
    """The head that says what stands at each token, and how wrong it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        kinds = sum(CLASSES) + len(Background)
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, kinds))

    def forward(self, middle: Tensor, answers: Answers) -> Tensor:
        """Cross entropy of what is seen in [batch, tokens, width], the mean over all questions."""
        owner = answers.owner.flatten(1)
        none = torch.tensor([count - 1 for count in CLASSES], device=owner.device)
        table = torch.cat([answers.things, none.expand(len(owner), 1, -1)], dim=1)
        expected = table.gather(1, owner[:, :, None].expand(-1, -1, table.shape[2])).unbind(2)
        *thing, background = self.layers(middle).float().split([*CLASSES, len(Background)], dim=-1)
        # Most places are empty, and say little.
        weight = torch.where(owner == 2, 0.2, 1.0)
        losses = [
            (nn.functional.cross_entropy(guess.transpose(1, 2), right, reduction="none") * weight).sum() / weight.sum()
            for guess, right in zip(thing, expected, strict=True)
        ]
        losses.append(nn.functional.cross_entropy(background.mean(1), answers.background))
        return torch.stack(losses).mean()


class Supervision(nn.Module):
    """The heads, and how wrong they are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        asked = 2 * len(ATTRIBUTES) + 1
        self.questions = nn.Parameter(torch.randn(asked, width) / width**0.5)
        """Each looks for the words that answer it."""
        self.keys = nn.Linear(width, width)
        self.read = nn.ModuleList([nn.Linear(width, count) for count in (*CLASSES * 2, len(Background))])
        self.see = Seeing(width)

    def forward(self, words: Tensor, mask: Tensor, middle: Tensor, answers: Answers) -> tuple[Tensor, Tensor]:
        """Cross entropy of what is read (captioned clips alone) and of what is seen, each the mean over all questions.

        `words` [batch, length, width] and `mask` [batch, length] of the prompt; an empty one is the end token alone.
        """
        return self._reading(words, mask, answers), self.see(middle, answers)

    def _reading(self, words: Tensor, mask: Tensor, answers: Answers) -> Tensor:
        scores = self.questions @ self.keys(words).transpose(1, 2)
        found = scores.float().masked_fill(~mask[:, None], -1e4).softmax(-1).type_as(words) @ words
        captioned = (mask.sum(-1) > 1).float()
        expected = [*answers.things.flatten(1).unbind(1), answers.background]
        losses = [
            (nn.functional.cross_entropy(head(found[:, place]).float(), right, reduction="none") * captioned).sum()
            for place, (head, right) in enumerate(zip(self.read, expected, strict=True))
        ]
        return torch.stack(losses).mean() / captioned.sum().clamp(min=1)
